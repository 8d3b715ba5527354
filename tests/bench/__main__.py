"""The command: runs the benches one after another, prints the table, writes the JSON, and ends with 1 when a goal was missed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import machine
from tests.bench.report import Goal, Line, Report, markdown, table

ROOT = Path(__file__).resolve().parents[2]
BENCHES = ("refresh", "page", "api", "history", "live", "cml", "browser")
LATEST = ROOT / "docs" / "bench" / "latest.json"
_LONGEST = {"history": 900}  # seconds: a bench that hangs is a problem, not a wait
_USUALLY = 180


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    # Not choices=: with nargs="*" argparse would refuse to be called without names.
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    report = Report(machine=machine.describe(), quick=options.quick)
    for name in options.names or BENCHES:
        print(f"{name} …", file=sys.stderr, flush=True)
        _run(name, report)
        if name in report.seconds:
            print(table(line for line in report.lines if line.key.startswith(f"{name}.")), end="\n\n", flush=True)
    for kind, found in (("skipped", report.skipped), ("did not finish", report.problems)):
        for name, why in found.items():
            print(f"{name} {kind}: {why}")
    print(f"goals missed: {', '.join(report.missed) or 'none'}")
    path = options.json or _default_path(options)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
    if path == LATEST:
        _update_page(report)
    # A missed goal at a tenth of the size says little; a bench that broke says much at any size.
    return 1 if report.problems or (report.missed and not options.quick) else 0


def _update_page(report: Report) -> None:
    """Put the table into docs/bench/README.md, between its two marks."""
    page = LATEST.with_name("README.md")
    before, mark, rest = page.read_text().partition("<!-- latest -->\n")
    _, end, after = rest.partition("<!-- end of latest -->")
    m = report.machine
    where = (
        f"{m['at']}: {m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB, Python {m['python']}, Django {m['packages']['django']}, "
        f"{m['database']}; load before the run {m['load_before']}. Took {sum(report.seconds.values()):.0f} s."
    )
    missed = f"Goals missed: {', '.join(report.missed) or 'none'}."
    page.write_text(f"{before}{mark}{where}\n\n{markdown(report.lines)}\n\n{missed}\n{end}{after}")


def _default_path(options: argparse.Namespace) -> Path | None:
    """Only a full run of everything is the latest: a part of one would hide the rest."""
    return None if options.quick or options.names else LATEST


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHES)}; all without any")
    parser.add_argument("--quick", action="store_true", help="sizes ten times smaller; missed goals do not fail the command")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the numbers")
    return parser


def _run(name: str, report: Report) -> None:
    command = [sys.executable, "-m", "tests.bench.one", name, *(["--quick"] if report.quick else [])]
    longest = _LONGEST.get(name, _USUALLY)
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=longest)
    except subprocess.TimeoutExpired:
        report.problems[name] = f"not finished after {longest} s"
        return
    if done.returncode:
        print(done.stderr[-4000:], file=sys.stderr)
        report.problems[name] = (done.stderr.strip().splitlines() or ["no output"])[-1].replace(str(ROOT), ".")[:300]
        return
    answer = json.loads(done.stdout)
    report.seconds[name] = answer["seconds"]
    report.lines += [
        Line(**fields | {"goal": Goal(**fields["goal"]) if fields["goal"] else None}) for fields in answer["lines"]
    ]
    if answer["skipped"]:
        report.skipped[name] = answer["skipped"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
