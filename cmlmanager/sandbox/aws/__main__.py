"""Command line of the simulated AWS."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cmlmanager.sandbox.process import die_with_parent


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m cmlmanager.sandbox.aws", description="A simulated AWS on loopback.")
    parser.add_argument("--port", type=int, required=True, help="0 takes any free port")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the state")
    parser.add_argument("--seed", action="store_true", help="make the demo fleet when the folder is empty")
    parser.add_argument("--speed", type=float, default=1, help="how many times faster instances start and stop (0: at once)")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the process that started this one ends")
    options = parser.parse_args()
    if options.speed < 0:
        parser.error("--speed must not be negative")
    if options.die_with_parent:
        die_with_parent()
    # Read by moto while it is imported: the account has our images, not a thousand of Amazon's.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    from cmlmanager.sandbox.aws.server import serve

    serve(port=options.port, data=options.data, seeded=options.seed, speed=options.speed)


if __name__ == "__main__":
    main()
