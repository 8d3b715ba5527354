"""Lines for the fleet and for one worker, what holds and why, and muting."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.workers.alerting import healthy, judged, measured
from workers.alert_choices import AlertKind, Lines
from workers.alert_lines import book
from workers.models import Alert, AlertMute, AlertThreshold, Event, Worker
from workers.services.alerts import thresholds
from workers.services.operations.asking import Asker
from workers.services.record import Actor

pytestmark = pytest.mark.django_db
CPU, EXPIRY = AlertKind.CPU, AlertKind.LICENSE_EXPIRY


def person(user: User) -> Asker:
    return Asker(actor=Actor(kind="person", user=user), from_address="192.0.2.7")  # type: ignore[arg-type]


def setting(worker: Worker | None, kind: AlertKind, now: datetime) -> tuple[Any, ...]:
    found = book(now=now).setting(worker.pk if worker else None, kind)
    return (found.lines, found.source)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "cpu", "warning": 95, "critical": 85},
        {"kind": "cpu", "warning": 85, "critical": 85},
        {"kind": "disk", "warning": 90, "critical": 101},
        {"kind": "cpu", "warning": 0, "critical": 85},
        {"kind": "license_expiry", "warning": 7, "critical": 30},
        {"kind": "cpu", "warning": 80, "critical": 90, "minutes": 61},
        {"kind": "stale", "warning": 80, "critical": 90, "minutes": 5},
        {"kind": "machine", "warning": 1, "critical": 2},
    ],
    ids=str,
)
def test_the_database_refuses_lines_that_make_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AlertThreshold.objects.create(worker=make_worker(), **fields)


@pytest.mark.parametrize("model", [AlertThreshold, AlertMute])
def test_there_is_one_row_of_a_kind_for_the_fleet_and_for_a_worker(model: type[Any], now: datetime) -> None:
    fields = (
        {"kind": "cpu", "warning": 80, "critical": 90}
        if model is AlertThreshold
        else {"kind": "cpu", "reason": "r", "muted_at": now, "muted_name": "ada"}
    )
    for worker in (None, make_worker()):
        model.objects.create(worker=worker, **fields)
        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.create(worker=worker, **fields)


def test_what_holds_is_a_workers_own_else_the_fleets_else_built_in(now: datetime, ada: User) -> None:
    mine, other = make_worker(), make_worker()
    assert setting(mine, CPU, now) == (Lines(85, 95, 10), "built in")

    thresholds.set_lines(worker=None, wanted={CPU: Lines(70, 80, 5)}, by=person(ada), now=now)
    thresholds.set_lines(worker=mine, wanted={CPU: Lines(90, 97, 0)}, by=person(ada), now=now)

    assert setting(mine, CPU, now) == (Lines(90, 97, 0), "own")
    assert setting(other, CPU, now) == (Lines(70, 80, 5), "fleet")
    assert setting(None, CPU, now) == (Lines(70, 80, 5), "fleet")
    assert setting(None, EXPIRY, now) == (Lines(30, 7, 0), "built in")


def test_every_change_is_audited_with_before_and_after_and_no_change_is_not(now: datetime, ada: User) -> None:
    worker = make_worker()
    for wanted in (Lines(80, 90, 5), Lines(80, 90, 5), Lines(70, 90, 5), None):
        thresholds.set_lines(worker=worker, wanted={CPU: wanted}, by=person(ada), now=now)

    lines = Event.objects.filter(kind="alert.lines").order_by("id").values_list("worker", "actor", "before", "after", "detail")
    usual, first, second = (
        f"warning {w} %, critical {c} %, for {m} min" for w, c, m in ((85, 95, 10), (80, 90, 5), (70, 90, 5))
    )
    assert list(lines) == [
        (worker.pk, ada.pk, f"{usual} (default)", first, "CPU"),
        (worker.pk, ada.pk, first, second, "CPU"),
        (worker.pk, ada.pk, second, f"{usual} (default)", "CPU"),
    ]
    assert not AlertThreshold.objects.exists()


def test_impossible_lines_are_refused_whole(now: datetime, ada: User) -> None:
    with pytest.raises(thresholds.UnableToSet, match="fewer days are worse"):
        thresholds.set_lines(worker=None, wanted={CPU: Lines(1, 2), EXPIRY: Lines(7, 30)}, by=person(ada), now=now)
    assert not AlertThreshold.objects.exists()


def test_an_alert_follows_the_lines_of_its_worker(now: datetime, ada: User) -> None:
    strict, usual = healthy(now), healthy(now)
    for worker in (strict, usual):
        measured(worker, now, [60, 60, 60])
    thresholds.set_lines(worker=strict, wanted={CPU: Lines(50, 55, 5)}, by=person(ada), now=now)
    assert judged(now, strict) == {"cpu": "critical"}
    assert judged(now, usual) == {}

    thresholds.set_lines(worker=strict, wanted={CPU: None}, by=person(ada), now=now)
    assert judged(now, strict) == {}


def test_muting_closes_what_is_open_and_ends_by_itself(now: datetime, ada: User) -> None:
    worker = healthy(now, license_state="expired")
    assert judged(now, worker) == {"license": "critical"}
    muting: dict[str, Any] = {"worker": worker, "kind": AlertKind.LICENSE, "by": person(ada), "now": now}

    thresholds.mute(until=now + timedelta(hours=1), reason="new one is ordered", **muting)

    assert judged(now, worker) == {}
    closed = Alert.objects.get()
    assert (closed.close_reason, closed.closing) == ("muted", "Muted by ada: new one is ordered")
    later = now + timedelta(minutes=61)
    assert judged(later, worker, aws_succeeded_at=later, cml_succeeded_at=later) == {"license": "critical"}
    assert Event.objects.get(kind="alert.muted").after == "until 13:00 on 23 Nov 2026 UTC"


def test_the_whole_fleet_can_be_muted_and_heard_again(now: datetime, ada: User) -> None:
    worker = healthy(now, license_state="unregistered")
    muting: dict[str, Any] = {"worker": None, "kind": AlertKind.LICENSE, "by": person(ada), "now": now}
    thresholds.mute(until=None, reason="we run unlicensed", **muting)
    assert judged(now, worker) == {}

    assert thresholds.unmute(**muting) is True
    assert thresholds.unmute(**muting) is False
    assert judged(now, worker) == {"license": "warning"}
    assert Event.objects.filter(kind="alert.unmuted").count() == 1


@pytest.mark.parametrize(("reason", "hours"), [("  ", 1), ("why", -1)])
def test_a_mute_needs_a_reason_and_a_future(reason: str, hours: int, now: datetime, ada: User) -> None:
    with pytest.raises(thresholds.UnableToSet):
        thresholds.mute(worker=None, kind=CPU, until=now + timedelta(hours=hours), reason=reason, by=person(ada), now=now)
    assert not AlertMute.objects.exists()


# ── The pages ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_administrator_sets_and_resets_a_workers_lines(ada: User) -> None:
    worker = make_worker(name="encor")
    browser = signed_in(ada)
    address = f"/workers/{worker.pk}/thresholds/"

    assert browser.post(address, {"cpu_warning": "70", "disk_warning": "50", "disk_critical": "60"}).status_code == 302

    own = {row.kind: row.lines for row in AlertThreshold.objects.filter(worker=worker)}
    assert own == {"cpu": Lines(70, 95, 10), "disk": Lines(50, 60, 0)}
    page = browser.get(address).content.decode()
    assert "<strong>own:</strong> 50 / 60 %" in page
    assert "fleet default: 80 / 90 %" in page
    assert "built in: 85 / 95 %, 10 min" in page

    browser.post(address, {"cpu_warning": "1", "reset": "disk"})
    assert [row.kind for row in AlertThreshold.objects.filter(worker=worker)] == ["cpu"]
    assert AlertThreshold.objects.get().warning == 70


def test_the_fleets_page_shows_where_a_workers_value_comes_from(ada: User) -> None:
    worker = make_worker()
    browser = signed_in(ada)

    browser.post("/alerts/thresholds/", {"cpu_warning": "60", "cpu_critical": "70", "cpu_minutes": "0"})

    assert "fleet default: 60 / 70 %" in browser.get(f"/workers/{worker.pk}/thresholds/").content.decode()
    assert "<strong>own:</strong> 60 / 70 %" in browser.get("/alerts/thresholds/").content.decode()


@pytest.mark.parametrize(
    ("entered", "sentence"),
    [
        ({"cpu_warning": "96"}, "critical must be more than warning"),
        ({"cpu_warning": "0"}, "At least 1."),
        ({"memory_critical": "101"}, "At most 100."),
        ({"disk_minutes": "61"}, "At most 60."),
        ({"stale_warning": "soon"}, "A whole number."),
        ({"license_expiry_warning": "5"}, "critical must be less than warning"),
    ],
    ids=str,
)
def test_bad_lines_are_said_beside_their_field_and_nothing_is_saved(entered: dict[str, str], sentence: str, ada: User) -> None:
    answer = signed_in(ada).post("/alerts/thresholds/", entered | {"not_ready_warning": "7"})

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert next(iter(entered.values())) in answer.content.decode()
    assert not AlertThreshold.objects.exists()


def test_an_administrator_mutes_and_lifts_on_the_page(ada: User) -> None:
    worker = make_worker()
    browser = signed_in(ada)
    address = f"/workers/{worker.pk}/thresholds/"

    assert browser.post(f"{address}mute/", {"kind": "cpu", "hours": "8", "reason": ""}).status_code == 422
    browser.post(f"{address}mute/", {"kind": "cpu", "hours": "8", "reason": "load test"})
    browser.post("/alerts/thresholds/mute/", {"kind": "disk", "hours": "0", "reason": "new disks"})

    mute = AlertMute.objects.get(worker=worker)
    assert mute.until is not None
    assert timedelta(hours=7) < mute.until - timezone.now() <= timedelta(hours=8)
    page = browser.get(address).content.decode()
    assert "load test" in page
    assert "on the whole fleet, until it is lifted: new disks" in page

    browser.post(f"{address}mute/", {"lift": "cpu"})
    assert [one.kind for one in AlertMute.objects.all()] == ["disk"]
