"""What a worker used: means over a window as its page draws them, and the readings themselves."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Literal

from django.http import HttpResponse
from django.utils import timezone
from ninja import Query, Router
from pydantic import AwareDatetime, BaseModel, Field

from accounts.requests import PersonalRequest
from cmlmanager.api.paging import Page, PageQuery, paged
from cmlmanager.api.problems import invalid
from cmlmanager.api.schemas import Out
from workers import access, history
from workers.choices import UsageSource
from workers.models import HourlySample, Sample

router = Router(tags=["Workers"])
MOST_READINGS = 1000


class HistoryQuery(BaseModel):
    """How far back."""

    window: Literal["1h", "6h", "24h", "7d", "30d"] = Field("24h", description="Longer windows have wider steps.")


class StepOf(Out):
    """What was measured in one step."""

    mean: float
    low: float
    high: float
    count: int = Field(description="How many readings.")


class Line(Out):
    """One figure: what was measured in each step; null where nothing was."""

    source: UsageSource | None = Field(
        description="CML’s where it has any in the window, else CloudWatch’s: they are not mixed."
    )
    steps: list[StepOf | None]


class UsageHistory(Out):
    """Usage over a window, in equal steps from `start` on. Percentages 0–100, bytes a second."""

    window: str
    start: datetime
    step_seconds: int
    figures: dict[str, Line]


class ReadingsQuery(PageQuery):
    """Which readings; oldest first."""

    size: int = Field(200, ge=1, le=MOST_READINGS, description=f"Items a page, at most {MOST_READINGS}.")
    since: AwareDatetime | None = Field(None, description="From when on; a day before `until` unless you say otherwise.")
    until: AwareDatetime | None = Field(None, description="To when, that moment not included; now unless you say otherwise.")

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """From and to. Raises Problem."""
        until = self.until or now
        try:
            since = self.since or until - timedelta(days=1)
        except OverflowError:
            raise invalid("query", "/until", "Give a later moment.") from None
        if since > until:
            raise invalid("query", "/since", "`since` is after `until`.")
        return since, until


class Reading(Out):
    """One reading of a worker’s usage; null: not measured by this source."""

    at: datetime
    source: UsageSource
    cpu: float | None
    memory: float | None
    disk: float | None
    nodes: int | None
    labs: int | None
    network_in: float | None
    network_out: float | None
    checks_failed: int | None


class ReadingPage(Page[Reading]):
    """A page of readings."""


class Range(Out):
    """Of one figure in an hour."""

    mean: float | None
    low: float | None
    high: float | None


class Hour(Out):
    """An hour of a worker’s usage."""

    at: datetime = Field(description="Its beginning.")
    source: UsageSource
    readings: int
    figures: dict[str, Range]


class HourPage(Page[Hour]):
    """A page of hours."""


_FIGURES = ("cpu", "memory", "disk", "nodes", "labs", "network_in", "network_out", "checks_failed")


@router.get(
    "workers/{uuid:worker_id}/history", response=UsageHistory, operation_id="getUsageHistory", summary="Read usage over time"
)
def usage_history(request: PersonalRequest, worker_id: uuid.UUID, query: Query[HistoryQuery]) -> UsageHistory:
    """What its page draws: means of equal steps, with the lowest and the highest."""
    found = access.worker_to_see(request, worker_id)
    used = history.usage(found, history.WINDOWS[query.window], now=timezone.now())
    figures = {
        name: Line(source=UsageSource(line.source) if line.source else None, steps=[_step(step) for step in line.steps])
        for name, line in used.lines.items()
    }
    seconds = int(used.window.step.total_seconds())
    return UsageHistory(window=used.window.key, start=used.start, step_seconds=seconds, figures=figures)


@router.get("workers/{uuid:worker_id}/samples", response=ReadingPage, operation_id="listSamples", summary="List readings")
def samples(
    request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, query: Query[ReadingsQuery]
) -> dict[str, Any]:
    """Every reading, for as long as the portal keeps them (a week, unless set otherwise). Give `since` and `until` when you read several pages."""
    found = access.worker_to_see(request, worker_id)
    since, until = query.bounds(timezone.now())
    rows = (
        Sample.objects.filter(worker=found, at__gte=since, at__lt=until)
        .order_by("at", "source")
        .values("at", "source", *_FIGURES)
    )
    return paged(request, response, rows, query, lambda found: [Reading(**row) for row in found])


@router.get("workers/{uuid:worker_id}/hours", response=HourPage, operation_id="listHours", summary="List hours")
def hours(
    request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, query: Query[ReadingsQuery]
) -> dict[str, Any]:
    """Means of hours with the lowest and the highest, for as long as the portal keeps them (400 days, unless set otherwise)."""
    found = access.worker_to_see(request, worker_id)
    since, until = query.bounds(timezone.now())
    rows = HourlySample.objects.filter(worker=found, at__gte=since, at__lt=until).order_by("at", "source")
    return paged(request, response, rows, query, lambda found: [_hour(row) for row in found])


def _step(step: history.Summary | None) -> StepOf | None:
    return StepOf(mean=step.mean, low=step.low, high=step.high, count=step.count) if step else None


def _hour(row: HourlySample) -> Hour:
    figures = {
        name: Range(mean=getattr(row, name), low=getattr(row, f"{name}_low"), high=getattr(row, f"{name}_high"))
        for name in _FIGURES
    }
    return Hour(at=row.at, source=UsageSource(row.source), readings=row.count, figures=figures)
