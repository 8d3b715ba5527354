"""News of the system page, after commit: its figures as a fragment, and that checks or jobs have moved."""

from __future__ import annotations

import time
from functools import partial, update_wrapper

from django.db import transaction
from django.template.loader import render_to_string

from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import publish
from cmlmanager.system.models import CheckResult

CHANNEL = "system"
FIGURES = "system.figures"  # queue, events, streams: the panel itself
HEALTH_CHANGED = "system.health"  # a check came out otherwise than before
JOBS_CHANGED = "system.jobs"  # a job ran, was paused or resumed

# Jobs run all the time: open pages are told of them now and then.
_JOBS_EVERY = 2.0  # seconds
_jobs_told_at = 0.0


def _after_commit(function: partial[None]) -> None:
    # robust: news must never fail the work that it reports. Django then logs the function's name, which a partial has not.
    transaction.on_commit(update_wrapper(function, function.func), robust=True)


def announce_jobs(*, at_once: bool = False) -> None:
    """Jobs moved: pages that show them read them again."""
    global _jobs_told_at  # noqa: PLW0603 - one clock a process
    if at_once or time.monotonic() - _jobs_told_at >= _JOBS_EVERY:
        _jobs_told_at = time.monotonic()
        _after_commit(partial(publish, [Message(channel=CHANNEL, type=JOBS_CHANGED, data="")]))


def announce_health() -> None:
    """A check came out otherwise than before: pages read the checks again."""
    _after_commit(partial(publish, [Message(channel=CHANNEL, type=HEALTH_CHANGED, data="")]))


def announce_figures() -> None:
    """The figures were read again: send their panel."""
    _after_commit(partial(_send_figures))


def _send_figures() -> None:
    figures = CheckResult.objects.filter(pk="queue").first()
    panel = render_to_string("system/components/figures.html", {"figures": figures})
    publish([Message(channel=CHANNEL, type=FIGURES, data=panel)])
