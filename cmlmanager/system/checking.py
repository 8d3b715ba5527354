"""Runs the checks that are due and keeps what they find."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from celery import current_app
from django.db import transaction
from django.db.models import Q
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from cmlmanager.system import events, health, runs, timetable
from cmlmanager.system.choices import HealthState
from cmlmanager.system.health import Check, Finding
from cmlmanager.system.models import CheckResult, Process
from cmlmanager.system.models.process import FORGOTTEN

logger = logging.getLogger(__name__)

RUN_CHECK = "system.run_check"
CHECK = "system.check"
OVERDUE = timedelta(seconds=15)
FIGURES = "queue"  # whose facts are the page's figures


def tick(*, now: datetime) -> int:
    """Run what is due, and hand out what is slow; returns how many came out otherwise than before."""
    runs.know(timetable.entries(), now=now)
    runs.find_lost(now=now)
    Process.objects.filter(seen_at__lt=now - FORGOTTEN).delete()
    checks = {check.name: check for check in health.checks()}
    _know(checks)
    CheckResult.objects.exclude(pk__in=checks).delete()
    moved = 0
    for check in checks.values():
        if not _claim(check, now=now):
            continue
        if check.slow:
            transaction.on_commit(partial(_send, RUN_CHECK, {"name": check.name}))
        else:
            moved += _run(check, now=now)
    return moved


def guard(*, now: datetime) -> int:
    """Run what nobody has run though it was due a while ago; returns how many checks.

    Called by every Celery worker and beat from a thread of its own: while Redis is away no job comes through, and just then somebody has
    to say that it is.
    """
    overdue = CheckResult.objects.filter(due_at__lte=now - OVERDUE).values_list("pk", flat=True)
    names = set(overdue)
    ran = 0
    for check in health.checks() if names else ():
        if check.name in names and not check.slow and _claim(check, now=now):
            _run(check, now=now)
            ran += 1
    return ran


def run_check(*, name: str, now: datetime) -> bool:
    """Run one check; returns whether it came out otherwise than before. Nothing happens for a name that is none."""
    check = health.check_named(name)
    return check is not None and _run(check, now=now)


def ask(*, now: datetime) -> None:
    """Have every check run as soon as a Celery worker has time."""
    CheckResult.objects.update(due_at=None)
    transaction.on_commit(partial(_send, CHECK, {}))


def _know(checks: dict[str, Check]) -> None:
    known = set(CheckResult.objects.values_list("pk", flat=True))
    new = [
        CheckResult(name=check.name, label=check.label, group=check.group, state=HealthState.OFF, sentence="Not checked yet.")
        for check in checks.values()
        if check.name not in known
    ]
    CheckResult.objects.bulk_create(new, ignore_conflicts=True)


def _claim(check: Check, *, now: datetime) -> bool:
    """Take the check if its time has come: two runs of this job look once."""
    due = CheckResult.objects.filter(Q(due_at__isnull=True) | Q(due_at__lte=now), pk=check.name)
    # A little early, so that a tick that comes a moment too soon does not wait for the next.
    return bool(due.update(due_at=now + timedelta(seconds=check.every - 1)))


def _run(check: Check, *, now: datetime) -> bool:
    before = CheckResult.objects.filter(pk=check.name).first()
    return keep(check.run(now, before.memory if before else {}), before=before)


def keep(finding: Finding, *, before: CheckResult | None) -> bool:
    """Write a finding; returns whether its state is another than before."""
    first = before is None or before.checked_at is None
    moved = first or before is None or before.state != finding.state
    since = finding.since or (finding.at if moved or before is None else before.since)
    fields = {
        "label": finding.label,
        "group": finding.group,
        "state": finding.state,
        "sentence": finding.sentence,
        "advice": finding.advice,
        "latency_ms": finding.latency_ms,
        "facts": finding.facts,
        "memory": finding.memory,
        "checked_at": finding.at,
        "since": since,
    }
    with transaction.atomic():
        # Whoever looked later knows better: a slow check that was asked twice.
        newer = CheckResult.objects.filter(Q(checked_at__isnull=True) | Q(checked_at__lte=finding.at), pk=finding.name)
        if not newer.update(**fields) and not CheckResult.objects.filter(pk=finding.name).exists():
            CheckResult.objects.bulk_create([CheckResult(name=finding.name, **fields)], ignore_conflicts=True)
        if finding.name == FIGURES:
            events.announce_figures()
        if moved or before is None or before.sentence != finding.sentence:
            events.announce_health()
    if moved and not first and (finding.state.is_trouble or HealthState(before.state if before else "ok").is_trouble):
        level = logging.WARNING if finding.state.is_trouble else logging.INFO
        logger.log(level, "%s: %s (%s)", finding.label, finding.sentence, finding.state.label)
    return moved and not first


def _send(name: str, arguments: dict[str, str]) -> None:
    try:
        current_app.send_task(name, kwargs=arguments, expires=60)
    except (OperationalError, RedisError, OSError) as error:
        # The check stays due: beat asks again when Redis is back.
        logger.warning("%s could not be queued: %s", name, error)
