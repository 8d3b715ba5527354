"""Importing: what a look finds, what becomes a worker and what does not, and the strays that are offered for adoption."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers import finding
from workers.choices import ActorKind
from workers.models import Event, Operation, StrayInstance, Worker
from workers.services import fleet_refresh, images, importing, strays
from workers.services.operations import engine
from workers.services.operations.asking import Asker
from workers.services.record import SYSTEM, Actor

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db
REGION, OTHER = "us-east-1", "us-west-2"


@pytest.fixture(autouse=True)
def endpoint(settings: Any, simulated_aws: SimulatedAws) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    images._known.clear()


def item(number: int, **fields: Any) -> dict[str, Any]:
    return {"instance_id": f"i-{number:017x}", "name": f"old-{number}", "state": "running"} | fields


def by_system() -> Asker:
    return Asker(actor=SYSTEM, reason="In a test")


def look(person: User, **data: str) -> Operation:
    answer = signed_in(person).post("/workers/import/", {"region": REGION, **data})
    assert answer.status_code == 302, answer.context["form"].errors
    operation = Operation.objects.get(pk=answer["Location"].split("/")[-2])
    engine.run(operation_id=operation.pk, now=timezone.now())
    operation.refresh_from_db()
    return operation


# ── Looking ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_way_to_say_which_finds_the_instance(simulated_aws: SimulatedAws, ada: User) -> None:
    image = simulated_aws.image(REGION, "importing-ways")
    (instance_id,) = simulated_aws.launch(REGION, ImageId=image, tags={"Ways": "a=b", "Name": "w"})

    for how, value in (
        ("instance_id", instance_id),
        ("image_id", image),
        ("image_name", "importing-w*"),
        ("tag", "Ways"),
        ("tag", "Ways=a=b"),
    ):
        found = look(ada, by=how, value=value).result["instances"]
        assert [row["instance_id"] for row in found] == [instance_id], how
    assert look(ada, by="tag", value="Ways=other").result["instances"] == []


@pytest.mark.parametrize(
    ("how", "value", "says"),
    [
        ("instance_id", "ami-12345678", "looks like i-"),
        ("instance_id", "", "looks like i-"),
        ("image_id", "i-12345678", "looks like ami-"),
        ("image_name", "**", "3 to 128"),
        ("image_name", "c***", "at least three"),
        ("tag", "=x", "key or key=value"),
        ("tag", "k" * 129, "128"),
        ("tag", "k=" + "v" * 257, "256"),
    ],
)
def test_what_cannot_be_meant_is_said_beside_the_field(how: str, value: str, says: str, ada: User) -> None:
    answer = signed_in(ada).post("/workers/import/", {"region": REGION, "by": how, "value": value})

    assert answer.status_code == 422
    assert says in str(answer.context["form"].errors["value"])
    assert not Operation.objects.exists()


def test_the_page_says_what_happens_to_each_and_imports_what_is_ticked(simulated_aws: SimulatedAws, ada: User) -> None:
    ids = simulated_aws.launch(REGION, 4, tags={"Batch": "ticked"})
    known, gone, first, second = ids
    simulated_aws.client("ec2", REGION).terminate_instances(InstanceIds=[gone])
    make_worker(instance_id=known, name="known-already")
    found, browser = look(ada, by="tag", value="Batch=ticked"), signed_in(ada)

    page = browser.get(f"/workers/import/{found.pk}/").content.decode()
    assert page.count("Will be imported") == 2
    assert "known-already" in page
    assert "It is terminated." in page
    assert "Import all 2" in page

    answer = browser.post(f"/workers/import/{found.pk}/", {"instance_id": [first, known, "i-00000000"]})
    worker = Worker.objects.get(instance_id=first)
    assert answer["Location"] == f"/workers/{worker.pk}/"
    assert Worker.objects.count() == 2
    event = Event.objects.get(worker=worker, kind="worker.imported")
    assert (event.actor_name, event.from_address, event.after) == ("ada", "127.0.0.1", first)

    assert (
        browser.post(f"/workers/import/{found.pk}/", {"all": "1"})["Location"]
        == f"/workers/{Worker.objects.get(instance_id=second).pk}/"
    )
    assert browser.post(f"/workers/import/{found.pk}/", {})["Location"] == f"/workers/import/{found.pk}/"


def test_what_was_imported_is_due_at_once_and_read_in_full(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION, tags={"Name": "fresh", "Due": "1"})
    found = importing.find(region=REGION, question=finding.question("tag", "Due"))

    importing.import_instances(region=REGION, instances=found, by=by_system(), now=timezone.now())
    fleet_refresh.refresh_region(region=REGION, now=timezone.now())

    worker = Worker.objects.get(instance_id=instance_id)
    assert (worker.name, worker.machine_state, worker.tags["Due"]) == ("fresh", "running", "1")
    assert worker.public_address
    assert worker.aws_succeeded_at


# ── Importing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_importing_again_skips_and_changes_nothing() -> None:
    first = importing.import_instances(region=REGION, instances=[item(1), item(2)], by=by_system(), now=timezone.now())
    again = importing.import_instances(region=REGION, instances=[item(2), item(3)], by=by_system(), now=timezone.now())

    assert [worker.name for worker in first.imported] == ["old-1", "old-2"]
    assert [worker.name for worker in again.imported] == ["old-3"]
    assert again.skipped == {item(2)["instance_id"]: importing.KNOWN}
    assert Event.objects.filter(kind="worker.imported").count() == 3


def test_a_machine_that_the_portal_is_creating_is_not_imported() -> None:
    worker = make_worker(instance_id="", machine_state="pending")
    on_its_way = item(4, tags={finding.OUR_TAG: str(worker.pk)})

    result = importing.import_instances(region=REGION, instances=[on_its_way], by=by_system(), now=timezone.now())

    assert result.imported == []
    assert "creating" in result.skipped[on_its_way["instance_id"]]


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_the_same_moment_give_one_row_each() -> None:
    items = [item(number) for number in range(20, 28)]
    barrier, results = threading.Barrier(2), []

    def run(order: list[dict[str, Any]]) -> None:
        barrier.wait()
        try:
            results.append(importing.import_instances(region=REGION, instances=order, by=by_system(), now=timezone.now()))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(order,)) for order in (items, items[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert Worker.objects.count() == len(items)
    assert sorted(len(result.imported) + len(result.skipped) for result in results) == [8, 8]
    assert sum(len(result.imported) for result in results) == len(items)


def test_the_database_refuses_the_second_row_when_both_saw_none(monkeypatch: pytest.MonkeyPatch) -> None:
    importing.import_instances(region=REGION, instances=[item(30)], by=by_system(), now=timezone.now())
    # As somebody who looked before the other one had committed.
    monkeypatch.setattr(importing, "_why_not", lambda *_: "")

    result = importing.import_instances(region=REGION, instances=[item(30), item(31)], by=by_system(), now=timezone.now())

    assert result.skipped == {item(30)["instance_id"]: importing.KNOWN}
    assert [worker.name for worker in result.imported] == ["old-31"]


def test_only_admins_import(uma: User, miguel: User, ada: User) -> None:
    StrayInstance.objects.create(region=REGION, instance_id="i-12345678", state="running", seen_at=timezone.now())
    for person in (uma, miguel):
        browser = signed_in(person)
        assert browser.post("/workers/import/", {"region": REGION, "by": "ours"}).status_code == 403
        assert browser.post("/workers/import/adopt/", {"all": "1"}).status_code == 403
        assert "portal’s tag is no worker" not in browser.get("/").content.decode()
    assert not Worker.objects.exists()
    assert "portal’s tag is no worker" in signed_in(ada).get("/").content.decode()


# ── Strays ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_refresh_finds_strays_without_another_call_and_lets_them_go(simulated_aws: SimulatedAws) -> None:
    mine, stray = (simulated_aws.launch(OTHER, tags={finding.OUR_TAG: "x", "Name": name})[0] for name in ("mine", "stray"))
    make_worker(instance_id=mine, region=OTHER)
    before = simulated_aws.calls()
    fleet_refresh.refresh_region(region=OTHER, now=timezone.now())
    spent = {name: count - before.get(name, 0) for name, count in simulated_aws.calls().items() if count != before.get(name, 0)}
    assert spent["DescribeInstances"] == 1

    assert list(StrayInstance.objects.values_list("instance_id", "name", "state")) == [(stray, "stray", "running")]
    simulated_aws.client("ec2", OTHER).terminate_instances(InstanceIds=[stray])
    Worker.objects.update(aws_due_at=None)
    fleet_refresh.refresh_region(region=OTHER, now=timezone.now())
    assert not StrayInstance.objects.exists()


def test_a_worker_that_waits_for_its_instance_makes_no_stray(simulated_aws: SimulatedAws) -> None:
    worker = make_worker(instance_id="", machine_state="pending", region=OTHER)
    (instance_id,) = simulated_aws.launch(OTHER, tags={finding.OUR_TAG: str(worker.pk)})
    instances = importing.aws.client_for(region=OTHER, endpoint_url=simulated_aws.endpoint_url).find_instances([instance_id])

    strays.keep(region=OTHER, instances=instances, now=timezone.now())
    assert not StrayInstance.objects.exists()
    # The creation failed, but the instance came: somebody pays for it.
    Worker.objects.filter(pk=worker.pk).update(machine_state="failed")
    strays.keep(region=OTHER, instances=instances, now=timezone.now())
    assert StrayInstance.objects.get().instance_id == instance_id


def test_a_stray_is_adopted_once_and_is_gone_from_the_list(ada: User) -> None:
    for number in (40, 41):
        fields = item(number)
        StrayInstance.objects.create(
            region=OTHER, instance_id=fields["instance_id"], name=fields["name"], state="running", seen_at=timezone.now()
        )
    browser = signed_in(ada)
    assert "Adopt all 2" in browser.get("/workers/import/").content.decode()

    first = browser.post("/workers/import/adopt/", {"instance_id": item(40)["instance_id"]})
    again = browser.post("/workers/import/adopt/", {"instance_id": item(40)["instance_id"]})
    browser.post("/workers/import/adopt/", {"all": "1"})

    worker = Worker.objects.get(name="old-40")
    assert (first["Location"], again["Location"]) == (f"/workers/{worker.pk}/", "/workers/import/")
    assert worker.region == OTHER
    assert Worker.objects.count() == 2
    assert not StrayInstance.objects.exists()
    assert Event.objects.get(worker=worker).detail == "Adopted"


def test_a_person_is_the_actor_of_what_they_import(ada: User) -> None:
    asker = Asker(actor=Actor(kind=ActorKind.PERSON, user=ada), from_address="192.0.2.1")
    importing.import_instances(region=REGION, instances=[item(50)], by=asker, now=timezone.now())

    event = Event.objects.get()
    assert (event.actor, event.actor_kind, event.from_address) == (ada, "person", "192.0.2.1")
