"""What CML answers, as frozen dataclasses with a `read` that never raises.

Missing, null and odd values become None or an empty default; unknown ones are ignored.
Field names and shapes: Cisco CML 2.9 API; differences of 2.10 are said at the field.
"""
