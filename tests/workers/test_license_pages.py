"""The licence on a worker's page, the licences of the fleet, and seats in doubt, as people meet them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.paginator import Paginator
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.choices import ActorKind
from workers.license_choices import SeatDoubt
from workers.license_forms import PRODUCTS
from workers.models import DoubtfulSeat, Event, Operation, Worker
from workers.services.licenses import seats
from workers.services.record import SYSTEM, Actor

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
UDI = {"hostname": "cml-controller", "product_uuid": "5e0e49e2-0000-4000-8000-000000000001"}


def licensed(**overrides: Any) -> Worker:
    """A worker whose CML told of its licence."""
    now = timezone.now()
    fields: dict[str, Any] = {
        "license_state": "registered",
        "license_text": "COMPLETED, IN_COMPLIANCE, CML_Enterprise",
        "license_expires_at": now + timedelta(days=200, hours=1),
        "authorization_expires_at": now + timedelta(days=20, hours=1),
        "smart_account": "Example Networks",
        "virtual_account": "Training",
        "seats_in_use": 1,
        "seats_max": 1,
        "license_nodes_in_use": 200,
        "license_nodes_max": 500,
        "license_read_at": now,
        "licensing": {
            "registration": {"status": "COMPLETED", "register_time": {"attempted_at": "2026-11-01T10:00:00+00:00"}},
            "authorization": {"status": "IN_COMPLIANCE"},
            "features": [
                {"id": "x", "name": "CML - Expansion Nodes", "status": "IN_COMPLIANCE", "in_use": 200, "min": 0, "max": 500}
            ],
            "transport": {"ssms": "https://smartreceiver.cisco.com/licservice/license", "proxy_server": ""},
            "udi": UDI,
            "product": "CML_Enterprise",
        },
    }
    return make_worker(**(fields | overrides))


def doubt(worker: Worker, reason: SeatDoubt = SeatDoubt.UNCONFIRMED) -> DoubtfulSeat:
    seats.flag(worker=worker, doubt=reason, now=timezone.now(), actor=SYSTEM)
    return DoubtfulSeat.objects.open().get(worker=worker)


def page(person: User, address: str, **headers: str) -> str:
    answer = signed_in(person).get(address, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


# ── A worker's page ────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_panel_tells_everything_to_everybody_and_offers_actions_to_admins(uma: User, ada: User) -> None:
    worker = licensed()

    for person in (uma, ada):
        seen = page(person, worker.get_absolute_url())
        for words in (
            "Example Networks",
            "Training",
            "COMPLETED",
            "IN_COMPLIANCE",
            UDI["product_uuid"],
            "smartreceiver.cisco.com",
        ):
            assert words in seen
        assert 'aria-valuetext="200 of 500"' in seen
        assert "in 200 days" in seen
        assert ("Deregister…" in seen) == (person == ada)
    fragment = page(uma, f"{worker.get_absolute_url()}license/", **HTMX)
    assert fragment.startswith('<section id="worker-license"')


def test_shut_actions_say_which_gate_is_shut(ada: User) -> None:
    worker = licensed(machine_state="stopped", service_state="unknown")

    seen = page(ada, f"{worker.get_absolute_url()}license/", **HTMX)

    assert "is stopped; a licence is changed by CML itself, which must be ready." in seen
    assert f'href="{worker.get_absolute_url()}license/deregister/"' not in seen


def test_what_is_in_doubt_is_said_on_the_workers_page(uma: User) -> None:
    worker = licensed()
    doubt(worker)

    assert "Its seat may still be taken." in page(uma, worker.get_absolute_url())


@pytest.mark.parametrize(
    ("action", "data", "kind", "parameters"),
    [
        ("renew", {"what": "registration", "reason": "soon over"}, "renew", {"what": "registration"}),
        ("deregister", {"stop_labs": "on"}, "deregister", {"stop_labs": True}),
        ("change", {"product": "", "nodes": "50"}, "license", {"nodes": 50}),
        ("register", {"token": "abc123", "reregister": "on", "nodes": "5"}, "register", {"reregister": True, "nodes": 5}),
    ],
)
def test_each_form_asks_for_its_operation(
    action: str, data: dict[str, str], kind: str, parameters: dict[str, Any], ada: User
) -> None:
    worker = licensed()

    answer = signed_in(ada).post(f"{worker.get_absolute_url()}license/{action}/", data)

    operation = Operation.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == worker.get_absolute_url()
    assert (operation.kind, operation.parameters, operation.actor) == (kind, parameters, ada)


@pytest.mark.parametrize(
    ("action", "data", "words"),
    [
        ("renew", {"what": "nonsense"}, "Select a valid choice"),
        ("change", {"product": "CML_Enterprise", "nodes": "200"}, "Nothing would change"),
        ("change", {"nodes": "501"}, "less than or equal to 500"),
        ("change", {"product": "CML_Home"}, "Select a valid choice"),
        ("register", {"token": ""}, "This field is required"),
        ("register", {"token": "a" * 257}, "at most 256 characters"),
        ("register", {"token": "a;b"}, "That is not a registration token"),
        ("deregister", {"reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_what_makes_no_sense_changes_nothing(action: str, data: dict[str, str], words: str, ada: User) -> None:
    worker = licensed()

    answer = signed_in(ada).post(f"{worker.get_absolute_url()}license/{action}/", data, headers=HTMX)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Operation.objects.exists()


def test_a_product_that_the_portal_does_not_know_can_stay(ada: User) -> None:
    worker = licensed(licensing={"product": "CML_Something"})
    assert "CML_Something" not in PRODUCTS

    assert 'value="CML_Something" selected' in page(ada, f"{worker.get_absolute_url()}license/change/")


# ── The licences page ──────────────────────────────────────────────────────────────────────────────────────────────
def test_accounts_are_summed_up_with_what_ends_first(uma: User) -> None:
    licensed(name="a")
    licensed(name="b", license_nodes_in_use=450, authorization_expires_at=timezone.now() + timedelta(days=3, hours=1))
    licensed(name="c", virtual_account="TAC", license_state="out_of_compliance")
    licensed(name="gone", machine_state="terminated")
    licensed(name="nowhere", machine_state="lost")

    answer = signed_in(uma).get("/licences/")

    rows = {row["virtual_account"]: row for row in answer.context["accounts"]}
    training = rows["Training"]
    assert (training["workers"], training["seats"], training["seats_max"]) == (2, 2, 2)
    assert (training["nodes"], training["nodes_max"], training["troubled"]) == (650, 1000, 0)
    assert training["ends_what"] == "authorization"
    assert rows["TAC"]["troubled"] == 1
    seen = " ".join(answer.content.decode().split())
    assert "650<span" in seen
    assert "in 3 days" in seen
    assert "1 not in order" in seen


def test_workers_come_worst_first_and_can_be_filtered_sorted_and_paged(uma: User, monkeypatch: pytest.MonkeyPatch) -> None:
    licensed(name="fine")
    licensed(name="free", license_state="unregistered", smart_account="", virtual_account="", licensing={})
    licensed(name="over", license_state="expired", virtual_account="TAC")
    browser = signed_in(uma)

    def names(address: str) -> list[str]:
        return [worker.name for worker in browser.get(address).context["workers"].object_list]

    assert names("/licences/") == ["over", "free", "fine"]
    assert names("/licences/?state=registered&state=expired&sort=-name") == ["over", "fine"]
    assert names("/licences/?account=Example+Networks&virtual=TAC") == ["over"]
    assert names("/licences/?account=") == ["free"]
    assert names("/licences/?q=fin") == ["fine"]
    assert names("/licences/?state=nonsense&sort=nonsense&page=99999999&account=%00") == ["free"]
    assert names("/licences/?q=absent") == []
    assert "No worker matches" in page(uma, "/licences/?q=absent")
    monkeypatch.setattr("workers.license_listing.PAGE_SIZE", 2)
    assert names("/licences/?page=2") == ["fine"]
    assert isinstance(browser.get("/licences/").context["workers"].paginator, Paginator)


def test_an_empty_fleet_says_so(uma: User) -> None:
    seen = page(uma, "/licences/")

    assert "No workers yet" in seen
    assert "None: every seat that was given back is known to be free." in seen
    assert "No worker is registered, as far as CML told." in seen


def test_five_workers_cost_as_many_queries_as_fifty(uma: User) -> None:
    browser = signed_in(uma)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            browser.get("/licences/")
        return len(captured)

    for _ in range(5):
        doubt(licensed())
    browser.get("/licences/")
    few = queries()
    for _ in range(45):
        doubt(licensed())

    # Beside the page numbers of the seats, which cost nothing.
    assert queries() == few


# ── Doubtful seats ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_doubtful_seats_are_on_top_and_outlive_the_worker(uma: User, ada: User) -> None:
    worker = licensed(name="gone-one")
    seat = doubt(worker)
    worker.delete()

    for person in (uma, ada):
        seen = page(person, "/licences/")
        for words in ("gone-one", seat.instance_id, UDI["product_uuid"], "Cisco was not reached", "CML - Expansion Nodes: 200"):
            assert words in seen
        assert ("Clear up…" in seen) == (person == ada)


def test_an_admin_clears_one_up_with_a_note_and_the_audit_has_it(ada: User, uma: User) -> None:
    worker = licensed(name="w")
    seat = doubt(worker)
    address = f"/licences/seats/{seat.pk}/resolve/"
    assert UDI["product_uuid"] in page(ada, address)
    assert signed_in(ada).post(address, {"note": " "}).status_code == 422
    assert signed_in(uma).post(address, {"note": "mine"}).status_code == 403

    assert signed_in(ada).post(address, {"note": "removed in CSSM"}).status_code == 302

    seat.refresh_from_db()
    assert (seat.is_open, seat.resolved_by, seat.resolved_by_name, seat.note) == (False, ada, "ada", "removed in CSSM")
    told = Event.objects.filter(kind="worker.seat").order_by("id").last()
    assert told is not None
    assert (told.before, told.after, told.detail, told.actor) == (
        "In doubt: Cisco was not reached",
        "Resolved",
        "removed in CSSM",
        ada,
    )
    assert str(told.from_address) == "127.0.0.1"
    assert "removed in CSSM" in page(uma, "/licences/?seats=resolved")
    assert "removed in CSSM" not in page(uma, "/licences/")


def test_two_who_clear_up_the_same_one_leave_one_line(ada: User) -> None:
    seat = doubt(licensed())
    by = Actor(kind=ActorKind.PERSON, user=ada)
    seats.resolve(seat=seat, note="first", by=by, now=timezone.now())

    with pytest.raises(seats.UnableToResolve, match="cleared up meanwhile"):
        seats.resolve(seat=seat, note="second", by=by, now=timezone.now())

    assert DoubtfulSeat.objects.get().note == "first"
    assert Event.objects.filter(after="Resolved").count() == 1


def test_a_seat_of_a_worker_whose_row_is_gone_is_audited_by_name(ada: User) -> None:
    worker = licensed(name="gone-one")
    seat = doubt(worker)
    worker.delete()
    seat.refresh_from_db()

    seats.resolve(seat=seat, note="gone", by=Actor(kind=ActorKind.PERSON, user=ada), now=timezone.now())

    told = Event.objects.get(after="Resolved")
    assert (told.worker, told.worker_name) == (None, "gone-one")


def test_a_second_doubt_about_the_same_seat_keeps_the_first(now: datetime) -> None:
    worker = licensed()
    first = doubt(worker)

    seats.flag(worker=worker, doubt=SeatDoubt.LOST, now=now, actor=SYSTEM)

    assert DoubtfulSeat.objects.get().reason == first.reason == "unconfirmed"
