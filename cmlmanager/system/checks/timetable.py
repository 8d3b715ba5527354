"""Jobs: late ones, and those whose last run failed."""

from __future__ import annotations

from cmlmanager.system import health, jobs
from cmlmanager.system.choices import JobState


@health.register(name="jobs", label="Jobs", group=health.Group.WORK, cheap=True)
def timetable(context: health.Context) -> health.Said:
    """What the list of jobs says."""
    found = jobs.listed(now=context.now)
    by = {state: [job for job in found if job.state == state] for state in JobState}
    facts = {
        job.label: f"paused by {job.row.paused_name or 'somebody'}: {job.row.pause_reason}"
        for job in by[JobState.PAUSED]
        if job.row is not None
    }
    facts |= {job.label: f"failed: {job.row.error}" for job in by[JobState.FAILING] if job.row is not None}
    failing, late, paused = by[JobState.FAILING], by[JobState.LATE], by[JobState.PAUSED]
    facts |= {job.label: f"was due {job.next_due:%d %b, %H:%M:%S} UTC" for job in late if job.next_due}
    if failing or late:
        parts = []
        if failing:
            parts.append(f"{_names(failing)} failed the last time.")
        if late:
            parts.append(f"{_names(late)} {'is' if len(late) == 1 else 'are'} late.")
        return health.warning(
            " ".join(parts),
            "Open the job: its runs and their lines say why. Late jobs run when beat and a Celery worker are there.",
            since=min((job.since for job in [*failing, *late] if job.since), default=None),
            facts=facts,
        )
    said = f"{len(found) - len(paused)} jobs keep their times."
    return health.ok(said + (f" Paused: {_names(paused)}." if paused else ""), facts=facts)


def _names(found: list[jobs.ListedJob]) -> str:
    names = [job.label for job in found]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
