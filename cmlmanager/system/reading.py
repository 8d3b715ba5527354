"""What is known of the system, read from rows alone: for the page, the header, the API and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from cmlmanager.system import health, jobs
from cmlmanager.system.choices import HealthState
from cmlmanager.system.models import CheckResult, JobRun, Process

# The checks that are due oftenest are due every ten seconds: older than this, nobody runs them.
UNCHECKED = timedelta(seconds=120)
FIGURES = "queue"


@dataclass(frozen=True, kw_only=True)
class Known:
    """One check as the page shows it. `at` is None before it first ran; `stale` when it should have run again long ago."""

    name: str
    label: str
    group: str
    state: HealthState
    sentence: str
    advice: str = ""
    latency_ms: float | None = None
    at: datetime | None = None
    since: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    stale: bool = False

    @property
    def latency(self) -> str:
        """ "12 ms", "0.4 ms", or "" where nothing is measured."""
        if self.latency_ms is None:
            return ""
        if self.latency_ms < 0.1:
            return "< 0.1 ms"
        return f"{self.latency_ms:.0f} ms" if self.latency_ms >= 10 else f"{self.latency_ms:.1f} ms"

    @property
    def shown_facts(self) -> list[tuple[str, str]]:
        """Those that are words; the figures have a panel of their own."""
        return [(name, str(value)) for name, value in self.facts.items()] if self.name != FIGURES else []


def checks(*, now: datetime) -> list[Known]:
    """Every check in the register's order: the cheap ones as of now, the others as they were last found."""
    rows = CheckResult.objects.in_bulk()
    return [_known(check, rows.get(check.name), now=now) for check in health.checks()]


def _known(check: health.Check, row: CheckResult | None, *, now: datetime) -> Known:
    who: dict[str, Any] = {"name": check.name, "label": check.label, "group": check.group}
    if check.cheap:
        said = check.run(now)
        since = said.since or (row.since if row is not None and row.state == said.state else None)
        return Known(**who, state=said.state, sentence=said.sentence, advice=said.advice, at=now, since=since, facts=said.facts)
    if row is None or row.checked_at is None:
        return Known(**who, state=HealthState.OFF, sentence="Not checked yet.")
    return Known(
        **who,
        state=HealthState(row.state),
        sentence=row.sentence,
        advice=row.advice,
        latency_ms=row.latency_ms,
        at=row.checked_at,
        since=row.since,
        facts=row.facts,
        stale=now - row.checked_at > timedelta(seconds=2 * check.every) + UNCHECKED,
    )


def worst(found: list[Known]) -> HealthState:
    """The state of the whole: the worst of all; what is off counts for nothing, and what nobody checks is a warning."""
    states = [known.state for known in found if known.state != HealthState.OFF]
    if any(known.stale for known in found):
        states.append(HealthState.WARNING)
    return min(states, key=lambda state: state.rank, default=HealthState.OFF)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the header says to administrators when something is wrong."""

    state: HealthState
    sentence: str


def line() -> Line | None:
    """For the header of every page: one query, and nothing when all is well. The page has the details."""
    try:
        rows = list(CheckResult.objects.values_list("label", "state", "checked_at"))
    except DatabaseError:
        return None
    if not rows:
        return None
    now = timezone.now()
    checked = max((at for _, _, at in rows if at), default=None)
    if checked is None or now - checked > UNCHECKED:
        return Line(state=HealthState.FAILING, sentence="Background work stands still")
    for state in (HealthState.FAILING, HealthState.WARNING):
        labels = [label for label, found, _ in rows if found == state]
        if labels:
            more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
            return Line(state=state, sentence=f"{labels[0]}{more}")
    return None


def figures() -> CheckResult | None:
    """The row whose facts are the figures: queue, news, streams."""
    return CheckResult.objects.filter(pk=FIGURES).first()


def overview(*, now: datetime | None = None) -> dict[str, Any]:
    """All of it as JSON-ready data: {"state", "at", "checks": […], "jobs": […], "figures": {…}, "processes": […]}.

    Times are ISO 8601 in UTC or None; latencies are milliseconds; states are the names of `choices`. Reads rows, and asks nobody.
    """
    moment = now or timezone.now()
    found = checks(now=moment)
    return {
        "state": worst(found).value,
        "at": moment.isoformat(),
        "checks": [check_data(known) for known in found],
        "jobs": [job_data(job) for job in jobs.listed(now=moment)],
        "figures": figures_data(),
        "processes": [
            {
                "name": row.name,
                "kind": row.kind,
                "started_at": row.started_at.isoformat(),
                "seen_at": row.seen_at.isoformat(),
                **row.facts,
            }
            for row in Process.objects.order_by("kind", "name")
        ],
    }


def check_data(known: Known) -> dict[str, Any]:
    """One check."""
    return {
        "name": known.name,
        "label": known.label,
        "group": known.group,
        "state": known.state.value,
        "sentence": known.sentence,
        "advice": known.advice,
        "latency_ms": known.latency_ms,
        "checked_at": _iso(known.at),
        "since": _iso(known.since),
        "stale": known.stale,
        "facts": dict(known.facts),
    }


def job_data(job: jobs.ListedJob) -> dict[str, Any]:
    """One job."""
    row = job.row
    return {
        "name": job.name,
        "label": job.label,
        "does": job.entry.does,
        "task": job.entry.task,
        "interval_seconds": job.entry.seconds,
        "state": job.state.value,
        "since": _iso(job.since),
        "next_due_at": _iso(job.next_due),
        "last_started_at": _iso(row.started_at) if row else None,
        "last_ended_at": _iso(row.ended_at) if row else None,
        "last_took_ms": row.took_ms if row else None,
        "last_result": row.result if row else "",
        "last_error": row.error if row else "",
        "last_succeeded_at": _iso(row.succeeded_at) if row else None,
        "runs": row.runs if row else 0,
        "failures": row.failures if row else 0,
        "skipped": row.skipped if row else 0,
        "mean_ms": round(job.mean_ms, 1) if job.mean_ms is not None else None,
        "longest_ms": row.longest_ms if row else None,
        "paused": {"at": _iso(row.paused_at), "by": row.paused_name, "reason": row.pause_reason}
        if row and row.paused_at
        else None,
    }


def run_data(run: JobRun, *, lines: bool = False) -> dict[str, Any]:
    """One run, with what it logged when `lines` is asked for."""
    data: dict[str, Any] = {
        "id": run.pk,
        "job": run.job_id,
        "state": run.state,
        "trigger": run.trigger,
        "asked_by": run.asked_name,
        "due_at": _iso(run.slot),
        "asked_at": _iso(run.asked_at),
        "started_at": _iso(run.started_at),
        "ended_at": _iso(run.ended_at),
        "took_ms": run.took_ms,
        "result": run.result,
        "error": run.error,
        "process": run.process,
    }
    return data | {"lines": run.shown_lines, "lines_left_out": run.lines_left_out} if lines else data


def figures_data() -> dict[str, Any]:
    """Queue, news and streams, {} before they were first read."""
    row = figures()
    return {**row.facts, "at": _iso(row.checked_at)} if row is not None and row.facts else {}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
