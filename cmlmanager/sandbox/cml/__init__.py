"""Simulated Cisco Modeling Labs servers: one process, one HTTPS address per running EC2 instance of the simulated AWS.

`boot` says what a server shows how long after its start, `state` what it keeps, `seed` and `topology` what it begins with,
`numbers` how its telemetry moves, `faults` how it can be wrong, `routes_*` and `app` what it answers, `listener` where,
`supervisor` which servers there are, and `control` how tests change them.
"""
