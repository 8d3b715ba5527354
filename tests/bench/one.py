"""One bench in a process of its own: `python -m tests.bench.one NAME [--quick]` writes its lines as JSON to standard output."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from importlib import import_module

from tests.bench.run import Skipped, prepared


def main(name: str, *, quick: bool) -> dict[str, object]:
    """The bench's answer: its lines, or why it was skipped, and how long it took."""
    started = time.monotonic()
    answer: dict[str, object] = {"lines": [], "skipped": ""}
    with prepared(quick=quick) as run:
        try:
            answer["lines"] = [asdict(line) for line in import_module(f"tests.bench.{name}").measure(run)]
        except Skipped as reason:
            answer["skipped"] = str(reason)
        finally:
            shutil.rmtree(os.environ["VAR"], ignore_errors=True)
    return answer | {"seconds": time.monotonic() - started}


if __name__ == "__main__":
    # What else is printed (by Django's commands, say) must not get between the JSON.
    out, sys.stdout = sys.stdout, sys.stderr
    json.dump(main(sys.argv[1], quick="--quick" in sys.argv), out)
