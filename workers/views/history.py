"""What a worker used: the charts of its page, and the figures as a file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager import runtime
from cmlmanager.htmx import vary, wants_fragment
from workers import access, history, history_rows
from workers.history_forms import HOURS, SAMPLES, HistoryRangeForm
from workers.models import Worker
from workers.views.csv_download import csv_answer, lines_of, utc_cell

MOST_ROWS = 100_000  # of one file; whoever wants more takes fewer days at a time
DEFAULT_WINDOW = "24h"


@require_safe
def worker_history(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The usage charts alone; without htmx, the whole page with that window."""
    found = access.worker_to_see(request, worker_id)
    if not wants_fragment(request):
        return redirect(f"{found.get_absolute_url()}?window={_window(request).key}")
    return vary(render(request, "workers/components/history.html", {"worker": found} | history_of(request, found)))


def history_of(request: PersonalRequest, found: Worker) -> dict[str, Any]:
    """What components/history.html shows: the window is in the page's address, so that a link or a reload keeps it."""
    window = _window(request)
    page, part = found.get_absolute_url(), reverse("worker-history", args=[found.pk])
    return {
        "usage": history.usage(found, window, now=timezone.now()),
        "history_url": f"{part}?window={window.key}",
        "windows": [
            {
                "label": one.label,
                "url": f"{page}?window={one.key}",
                "part_url": f"{part}?window={one.key}",
                "current": one is window,
            }
            for one in history.WINDOWS.values()
        ],
        "zone": timezone.get_current_timezone_name().replace("_", " "),
    } | _export_of(found, HistoryRangeForm(auto_id="export_%s"))


@require_safe
def worker_history_export(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponseBase:
    """The figures of a window (`window`) or of some days (`from`, `to`, `detail`) as CSV, oldest first. Odd days are 422, with the form."""
    found = access.worker_to_see(request, worker_id)
    now = timezone.now()
    window = history.WINDOWS.get(request.GET.get("window", ""))
    if window:
        return _file(request, found, HOURS if window.hourly else SAMPLES, window.begins(now), now)
    form = HistoryRangeForm(request.GET, auto_id="export_%s")
    if not form.is_valid():
        return render(request, "workers/history_export.html", {"worker": found} | _export_of(found, form), status=422)
    return _file(request, found, form.detail_for(now=now), form.start, min(form.end, now))


def _export_of(found: Worker, form: HistoryRangeForm) -> dict[str, Any]:
    return {
        "export_url": reverse("worker-history-export", args=[found.pk]),
        "export_form": form,
        "export_limits": (
            f"Readings are kept for {runtime.value('SAMPLE_DAYS')} days, means of hours for {runtime.value('SAMPLE_HOURLY_DAYS')}. "
            f"A file has at most {MOST_ROWS:,} lines; its times are UTC."
        ),
    }


def _file(request: PersonalRequest, found: Worker, detail: str, start: datetime, end: datetime) -> HttpResponseBase:
    # Nothing is older: no days are asked for of which the database has nothing.
    start = max(
        start, timezone.now() - timedelta(days=max(runtime.value("SAMPLE_DAYS"), runtime.value("SAMPLE_HOURLY_DAYS")) + 1)
    )
    read, headings = (
        (history_rows.hour_rows, history_rows.HOUR_HEADINGS)
        if detail == HOURS
        else (history_rows.sample_rows, history_rows.SAMPLE_HEADINGS)
    )
    too_many = f"Only the first {MOST_ROWS:,} lines are in this file; take fewer days for the others."
    lines = lines_of(headings, _cells(read(found.pk, start=start, end=end)), most=MOST_ROWS, too_many=too_many)
    name = f"usage-{slugify(found.name) or found.pk}-{start.astimezone(UTC):%Y-%m-%d}-{detail}.csv"
    return csv_answer(request, name, lines)


def _cells(chunks: Iterable[history_rows.Chunk]) -> Iterator[list[list[object]]]:
    for chunk in chunks:
        yield [[utc_cell(at), *(_short(value) for value in rest)] for at, *rest in chunk]


def _short(value: object) -> object:
    """Three decimals are more than any source measures."""
    return round(value, 3) if isinstance(value, float) else value


def _window(request: PersonalRequest) -> history.Window:
    return history.WINDOWS.get(request.GET.get("window", ""), history.WINDOWS[DEFAULT_WINDOW])
