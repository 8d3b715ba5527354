"""Alerts as people meet them: the pages, the bell, the mark in a row, and saying that one knows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.models import Alert, Event, Worker

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def make_alert(worker: Worker | None = None, **overrides: Any) -> Alert:
    """An open warning on CPU, five minutes old; anything can be said otherwise."""
    worker = worker or make_worker()
    moment = overrides.pop("opened_at", timezone.now() - timedelta(minutes=5))
    fields: dict[str, Any] = {
        "worker": worker,
        "worker_name": str(worker),
        "region": worker.region,
        "kind": "cpu",
        "severity": "warning",
        "sentence": "CPU is at 91 %; warning from 85 %.",
        "since": moment,
        "opened_at": moment,
        "changed_at": moment,
    }
    fields |= overrides
    return Alert.objects.create(**({"worst": fields["severity"]} | fields))


def acknowledged(**overrides: Any) -> Alert:
    moment = timezone.now() - timedelta(minutes=2)
    return make_alert(**({"acknowledged_at": moment, "acknowledged_name": "miguel", "note": "on it"} | overrides))


def closed(**overrides: Any) -> Alert:
    fields = {"closed_at": timezone.now(), "close_reason": "recovered", "closing": "CPU is down to 40 %."}
    return make_alert(**(fields | overrides))


def text(browser: Client, address: str, **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def listed(browser: Client, query: str = "") -> list[Alert]:
    return list(browser.get(f"/alerts/{query}").context["page"].object_list)


# ── The list ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_each_tab_and_each_filter_shows_its_own(uma: User) -> None:
    worker = make_worker(name="encor", region="us-west-2", instance_id="i-0beta")
    cpu, disk = make_alert(worker), make_alert(worker, kind="disk", severity="critical")
    other = make_alert(make_worker(name="enarsi"))
    known, past = acknowledged(), closed()
    browser = signed_in(uma)

    assert listed(browser) == [disk, other, cpu]
    assert listed(browser, "?show=acknowledged") == [known]
    assert listed(browser, "?show=closed") == [past]
    assert listed(browser, "?kind=disk") == [disk]
    assert listed(browser, "?severity=warning") == [other, cpu]
    assert listed(browser, "?region=us-west-2") == [disk, cpu]
    assert listed(browser, "?q=ENCOR") == [disk, cpu]
    assert listed(browser, "?q=i-0beta") == [disk, cpu]
    assert listed(browser, f"?worker={worker.pk}") == [disk, cpu]
    assert listed(browser, "?sort=newest") == [other, disk, cpu]
    assert listed(browser, "?show=nonsense&kind=x&severity=y&worker=z&page=-3&sort=q") == [disk, other, cpu]
    assert [tab["count"] for tab in browser.get("/alerts/?q=encor").context["tabs"]] == [2, 0, 0]


def test_the_empty_pages_say_why_they_are(uma: User) -> None:
    browser = signed_in(uma)

    assert "Nothing needs anybody" in text(browser, "/alerts/")
    assert "Nothing is acknowledged" in text(browser, "/alerts/?show=acknowledged")
    assert "Nothing has closed yet" in text(browser, "/alerts/?show=closed")
    assert "No alert matches" in text(browser, "/alerts/?kind=disk")


def test_htmx_gets_the_part_and_pages_hold_fifty(uma: User) -> None:
    for _ in range(53):
        make_alert()
    browser = signed_in(uma)

    part = text(browser, "/alerts/?page=2", **HTMX)

    assert "<html" not in part
    assert "51–53 of 53 alerts" in part


def test_queries_do_not_grow_with_alerts(uma: User) -> None:
    browser = signed_in(uma)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(address)
        return len(captured)

    make_alert()
    few = [queries(address) for address in ("/alerts/", "/")]
    for _ in range(40):
        make_alert()

    assert [queries(address) for address in ("/alerts/", "/")] == few


def test_text_from_outside_is_escaped(uma: User) -> None:
    hostile = "<script>alert(1)</script>"
    worker = make_worker(name=hostile)
    alert = make_alert(worker, sentence=hostile)
    acknowledged(worker=worker, kind="disk", worker_name=hostile, note=hostile, acknowledged_name=hostile)
    browser = signed_in(uma)

    for address in ("/alerts/", "/alerts/?show=acknowledged", f"/alerts/{alert.pk}/", f"/workers/{worker.pk}/", "/"):
        assert hostile not in text(browser, address)


# ── Where else it is seen ──────────────────────────────────────────────────────────────────────────────────────────
def test_the_bell_is_on_every_page_and_counts_what_nobody_has_acknowledged(uma: User, noah: User) -> None:
    make_alert()
    make_alert(severity="critical")
    acknowledged(severity="critical")
    closed()
    browser = signed_in(uma)

    make_worker(service_state="refused")

    for address in ("/", "/alerts/", "/operations/", "/account/", f"/workers/{make_worker().pk}/"):
        page = text(browser, address)
        assert 'data-failing-workers="1"' in page, address
        assert "Alerts: 2 open alerts, worst: critical" in page, address
        assert 'data-live-channel="alerts fleet"' in page
    assert "2 open alerts" in text(browser, "/alerts/bell/")
    nothing = text(signed_in(noah), "/account/")
    assert 'id="bell"' not in nothing
    assert "data-live-channel" not in nothing


def test_a_page_has_one_stream_for_the_bell_and_whatever_else_it_shows(uma: User) -> None:
    browser = signed_in(uma)

    assert text(browser, "/").count("sse-connect") == 1
    assert text(browser, "/account/").count("sse-connect") == 1


def test_a_row_says_how_many_and_how_bad(uma: User) -> None:
    bad, known, well = make_worker(name="bad"), make_worker(name="known"), make_worker(name="well")
    make_alert(bad)
    make_alert(bad, kind="disk", severity="critical")
    acknowledged(worker=known, severity="critical")

    page = signed_in(uma).get("/")

    marks = {worker.name: worker.alert_mark for worker in page.context["page"].object_list}
    assert (marks["bad"].count, marks["bad"].tone) == (2, "bad")
    assert (marks["known"].sentence, marks["known"].tone) == ("1 open alert, critical, acknowledged", "off")
    assert marks["well"] is None
    assert page.content.decode().count('class="alert-mark"') == 2
    assert well.name in page.content.decode()


def test_the_fleet_can_be_narrowed_to_workers_with_alerts(uma: User) -> None:
    bad = make_worker(name="bad")
    make_alert(bad)
    make_alert(bad, kind="disk")
    make_alert(make_worker(name="never-made", machine_state="failed", instance_id=""), kind="machine")
    closed(worker=make_worker(name="was-bad"))
    browser = signed_in(uma)

    page = browser.get("/?alerts=1")

    assert [worker.name for worker in page.context["page"].object_list] == ["never-made", "bad"]
    assert {"label": "With alerts", "url": "?"} in page.context["chips"]
    assert browser.get("/?alerts=1&q=was").context["empty"] == "no_match"


def test_a_workers_page_lists_its_open_alerts_worst_first(uma: User, miguel: User) -> None:
    worker = make_worker()
    make_alert(worker)
    acknowledged(worker=worker, kind="disk", severity="critical", sentence="Disk is at 95 %.")
    closed(worker=worker, kind="memory", sentence="Memory was at 99 %.")

    part = text(signed_in(uma), f"/workers/{worker.pk}/alerts/")

    assert part.index("Disk is at 95 %.") < part.index("CPU is at 91 %")
    assert "acknowledged by miguel" in part
    assert "“on it”" in part
    assert "Memory was" not in part
    assert "Acknowledge CPU" not in part
    assert "Acknowledge CPU" in text(signed_in(miguel), f"/workers/{worker.pk}/alerts/")
    assert "Acknowledge CPU" in text(signed_in(miguel), f"/workers/{worker.pk}/")


def test_an_alerts_own_page_tells_its_story(uma: User) -> None:
    alert = acknowledged()
    Event.objects.create(at=timezone.now(), kind="alert.opened", alert=alert, actor_kind="system", after="Warning")

    page = text(signed_in(uma), f"/alerts/{alert.pk}/")

    for words in ("CPU is at 91 %", "Acknowledged by miguel", "on it", "Alert opened"):
        assert words in page
    alert.worker.delete()  # type: ignore[union-attr]
    assert "whose record was deleted" in text(signed_in(uma), f"/alerts/{alert.pk}/")


# ── Acknowledging ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_manager_acknowledges_with_a_note_and_it_is_in_the_audit(miguel: User) -> None:
    alert = make_alert()
    browser = signed_in(miguel)

    answer = browser.post("/alerts/acknowledge/", {"alert": alert.seen, "note": " on it ", "back": "/alerts/?kind=cpu"})

    assert answer["Location"] == "/alerts/?kind=cpu"
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledged_name, alert.note) == (miguel, "miguel", "on it")
    event = Event.objects.get(kind="alert.acknowledged")
    assert (event.actor, event.alert, event.worker, event.from_address) == (miguel, alert, alert.worker, "127.0.0.1")
    assert "on it" in event.detail

    browser.post("/alerts/unacknowledge/", {"alert": alert.seen})
    alert.refresh_from_db()
    assert (alert.acknowledged_at, alert.acknowledged_name, alert.note) == (None, "", "")
    assert Event.objects.filter(kind="alert.unacknowledged").count() == 1


def test_several_are_acknowledged_at_once_and_each_that_is_not_says_why(miguel: User) -> None:
    fresh = [make_alert() for _ in range(3)]
    worse = make_alert(make_worker(name="worse"), severity="critical")
    others = acknowledged(worker=make_worker(name="others"), acknowledged_name="ada")
    gone = closed(worker=make_worker(name="gone"))
    names = [one.seen for one in (*fresh, others, gone)] + [f"{worse.pk}:warning", "nonsense"]

    answer = signed_in(miguel).post("/alerts/acknowledge/", {"alert": names, "note": "all mine"}, headers=HTMX)

    said = answer.content.decode()
    assert "3 alerts are acknowledged." in said
    assert "CPU: worse has become critical meanwhile" in said
    assert "CPU: others is acknowledged already, by ada." in said
    assert "CPU: gone has closed meanwhile." in said
    assert "alerts:changed" in answer["HX-Trigger"]
    assert Alert.objects.filter(note="all mine").count() == 3
    assert Alert.objects.get(pk=others.pk).acknowledged_name == "ada"


def test_acknowledging_costs_the_same_queries_for_many(miguel: User) -> None:
    browser = signed_in(miguel)

    def queries(count: int) -> int:
        names = [make_alert().seen for _ in range(count)]
        with CaptureQueriesContext(connection) as captured:
            browser.post("/alerts/acknowledge/", {"alert": names}, headers=HTMX)
        return len(captured)

    assert queries(50) <= queries(2) + 2


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example", ""])
def test_nobody_is_sent_elsewhere_afterwards(back: str, miguel: User) -> None:
    answer = signed_in(miguel).post("/alerts/acknowledge/", {"alert": make_alert().seen, "back": back})

    assert answer["Location"] == "/alerts/"


def test_nothing_selected_and_too_many_do_nothing(miguel: User) -> None:
    browser = signed_in(miguel)
    alert = make_alert()

    page = browser.post("/alerts/acknowledge/", {}, follow=True).content.decode()
    assert "select alerts first" in page
    many = [alert.seen] + [f"00000000-0000-4000-8000-{number:012}" for number in range(500)]
    page = browser.post("/alerts/acknowledge/", {"alert": many}, follow=True).content.decode()
    assert "at most 500 alerts" in page
    assert not Alert.objects.filter(acknowledged_at__isnull=False).exists()


def test_a_user_may_look_and_not_acknowledge(uma: User) -> None:
    alert = make_alert()
    browser = signed_in(uma)

    assert browser.post("/alerts/acknowledge/", {"alert": alert.seen}).status_code == 403
    assert "Acknowledge</button>" not in text(browser, "/alerts/")
    assert "data-select" not in text(browser, "/alerts/")


def test_the_desk_shows_alerts_without_a_query_a_row(ada: User, now: datetime) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    browser = signed_in(ada)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get("/admin/workers/alert/?q=worker").status_code == 200
        return len(captured)

    make_alert()
    few = queries()
    for _ in range(10):
        acknowledged()
    assert queries() == few
