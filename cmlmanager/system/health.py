"""The register of checks: each looks at one thing that the portal stands on, and says how it does in a sentence, with what to do.

    @health.register(name="documents", label="Documents store", group=health.Group.STORES, every=60)
    def documents(context: health.Context) -> health.Said:
        …
        return health.ok("MongoDB answers.", latency_ms=3.1)

An app registers its checks when it is loaded; a later one of the same name takes the place of an earlier one. Checks run in Celery, never
inside a request, but for those that are `cheap`: they only read a few rows, and the page asks them itself, so that it tells the truth when
no Celery worker runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from cmlmanager.system.choices import HealthState

logger = logging.getLogger(__name__)


class Group:
    """Under which head the page shows a check."""

    STORES = "Stores"
    WORK = "Background work"
    OUTSIDE = "Outside"
    AWS = "AWS"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a check says. `since` only when it knows better than the time at which the state was first seen; `facts` are words → text."""

    state: HealthState
    sentence: str
    advice: str = ""
    latency_ms: float | None = None
    since: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a check is given: the time, and what it remembered the last time."""

    now: datetime
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one check came out. `latency_ms` is None where nothing was measured; `since` is None where the check does not know."""

    name: str
    label: str
    group: str
    state: HealthState
    sentence: str
    advice: str
    latency_ms: float | None
    at: datetime
    since: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)


Look = Callable[[Context], Said]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One registered check. `every` is in seconds; `slow` ones talk to other machines, and each gets a Celery task of its own."""

    name: str
    label: str
    group: str
    look: Look
    every: int = 30
    cheap: bool = False
    slow: bool = False

    def run(self, now: datetime | None = None, memory: Mapping[str, Any] | None = None) -> Finding:
        """Look, now. Never raises: a check that fails itself is a finding, too."""
        at = now or timezone.now()
        try:
            said = self.look(Context(now=at, memory=memory or {}))
        except SoftTimeLimitExceeded:
            said = failing(
                "The check took too long and was given up.", "Look at the network between the portal and this service."
            )
        except Exception as error:
            logger.exception("The check %s failed itself", self.name)
            said = failing(f"The check itself failed: {type(error).__name__}.", "The log of the Celery worker has the details.")
        return Finding(
            name=self.name,
            label=self.label,
            group=self.group,
            state=said.state,
            sentence=said.sentence[:500],
            advice=said.advice[:500],
            latency_ms=said.latency_ms,
            at=at,
            since=said.since,
            facts=dict(said.facts),
            memory=dict(said.memory),
        )


def ok(sentence: str, **more: Any) -> Said:
    """It works. `more`: the other fields of Said."""
    return Said(state=HealthState.OK, sentence=sentence, **more)


def warning(sentence: str, advice: str, **more: Any) -> Said:
    """It works, but not for long, or not well."""
    return Said(state=HealthState.WARNING, sentence=sentence, advice=advice, **more)


def failing(sentence: str, advice: str, **more: Any) -> Said:
    """It does not work."""
    return Said(state=HealthState.FAILING, sentence=sentence, advice=advice, **more)


def off(sentence: str, **more: Any) -> Said:
    """It is not set up."""
    return Said(state=HealthState.OFF, sentence=sentence, **more)


_checks: dict[str, Check] = {}
_providers: list[Callable[[], Iterable[Check]]] = []


def register(
    *, name: str, label: str, group: str, every: int = 30, cheap: bool = False, slow: bool = False
) -> Callable[[Look], Look]:
    """Add a check, or replace the one of that name."""

    def decorator(look: Look) -> Look:
        _checks[name] = Check(name=name, label=label, group=group, look=look, every=every, cheap=cheap, slow=slow)
        return look

    return decorator


def register_many(provider: Callable[[], Iterable[Check]]) -> Callable[[], Iterable[Check]]:
    """Add a function that says which checks there are now, such as one for each region of the settings."""
    _providers.append(provider)
    return provider


def checks() -> list[Check]:
    """Every check that there is now, in the order in which they were registered."""
    found = dict(_checks)
    for provider in _providers:
        found |= {check.name: check for check in provider()}
    return list(found.values())


def check_named(name: str) -> Check | None:
    """The check of this name, or None."""
    with suppress(StopIteration):
        return next(check for check in checks() if check.name == name)
    return None


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @property
    def ms(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 1)
