"""`make bench`: the numbers of the design, each measured in the same run beside a plain version of the same work.

    python -m tests.bench [names…] [--quick] [--json PATH]

Each bench is a module with `measure(run) -> list[Line]` and runs in a process, on a database and with a Valkey of its own (`one`).
"""
