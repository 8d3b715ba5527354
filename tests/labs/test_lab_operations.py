"""Labs started, stopped, wiped and deleted against the simulated CML over HTTPS: each ends in the true state, once, whoever else does something."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import User
from labs.dressing import dressed
from labs.models import Lab
from labs.services.operations import requests, running
from labs.services.operations.tasks import AT_ONCE
from tests.labs.makers import make_lab, node
from tests.labs.operating import ask, cml_process, lab_on, refreshed, server, worker_on
from tests.labs.scripted_cml import ScriptedCml
from tests.licensing import begun_earlier, run_once, step, to_end
from tests.makers import make_worker
from tests.operating import K, by
from tests.simulated_cml import SimulatedCml, client_of
from workers.clients.cml.tokens import tokens
from workers.models import Event, Operation, Worker
from workers.services.operations import bulk
from workers.services.operations.asking import UnableToAsk

__all__ = ["cml_process", "server"]
pytestmark = pytest.mark.django_db


def states(server: SimulatedCml, lab: Lab) -> set[str]:
    """Of the lab's nodes, as CML says."""
    return set(client_of(server).lab_element_states(lab.cml_id).nodes.values())


def test_a_lab_is_started_stopped_wiped_and_deleted(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    lab = lab_on(server, worker, nodes=3)

    started = to_end(ask(K.LAB_START, lab, ada))

    lab.refresh_from_db()
    assert started.state == "succeeded", started.sentence
    assert started.sentence.startswith("CCNA: VLANs runs after")
    assert "3 of 3 nodes booted" in started.sentence
    assert (lab.state, lab.nodes_running, states(server, lab)) == ("STARTED", 3, {"BOOTED"})
    assert {node["state"] for node in lab.topology["nodes"]} == {"BOOTED"}

    assert to_end(ask(K.LAB_STOP, lab, ada)).sentence.startswith("CCNA: VLANs is stopped after")
    assert states(server, lab) == {"STOPPED"}

    assert to_end(ask(K.LAB_WIPE, lab, ada)).sentence.startswith("CCNA: VLANs is wiped after")
    assert states(server, lab) == {"DEFINED_ON_CORE"}

    deleted = to_end(ask(K.LAB_DELETE, lab, ada))

    lab.refresh_from_db()
    assert deleted.sentence.startswith("CCNA: VLANs is deleted after")
    assert client_of(server).lab_ids() == ()
    assert lab.gone_at is not None
    story = [(line.kind, line.actor_name, line.after) for line in Event.objects.for_subject(lab.pk)]
    assert ("lab.gone", "ada", "") in story
    assert [after for kind, _, after in story if kind == "lab.state"] == ["Defined", "Stopped", "Running"]
    refreshed(worker)
    assert Event.objects.filter(kind="lab.gone", subject_id=lab.pk).count() == 1


def test_deleting_a_running_lab_stops_and_wipes_it_first_and_says_so_as_steps(server: SimulatedCml, ada: User) -> None:
    lab = lab_on(server, worker_on(server))
    client_of(server).start_lab(lab.cml_id)

    operation = to_end(ask(K.LAB_DELETE, lab, ada))

    assert operation.state == "succeeded"
    assert [(one["label"], one["state"]) for one in operation.steps] == [
        ("Its turn on this CML", "done"),
        ("Save its topology first", "done"),
        ("Ask CML to stop it", "done"),
        ("Nodes stop", "done"),
        ("Ask CML to wipe it", "done"),
        ("Disks go", "done"),
        ("Ask CML to delete it", "done"),
        ("CML lists it no more", "done"),
    ]


def test_deleting_what_is_deleted_in_cml_already_is_a_success(server: SimulatedCml, ada: User) -> None:
    lab = lab_on(server, worker_on(server))
    operation = ask(K.LAB_DELETE, lab, ada)
    client_of(server).delete_lab(lab.cml_id)

    assert to_end(operation).state == "succeeded"
    lab.refresh_from_db()
    assert lab.gone_at is not None


def test_a_404_of_a_lab_that_cml_still_lists_deletes_nothing(server: SimulatedCml, ada: User) -> None:
    lab = lab_on(server, worker_on(server))
    operation = ask(K.LAB_DELETE, lab, ada)
    server.set_mode("error", status=404, description="Lab not found", paths=[f"/labs/{lab.cml_id}"])

    assert to_end(operation).state == "refused"
    lab.refresh_from_db()
    assert lab.gone_at is None


@pytest.mark.parametrize("kind", [K.LAB_START, K.LAB_STOP, K.LAB_WIPE, K.LAB_DELETE])
def test_every_step_may_be_done_again_after_a_kill(server: SimulatedCml, ada: User, kind: Any) -> None:
    lab = lab_on(server, worker_on(server))
    if kind == K.LAB_STOP:
        client_of(server).start_lab(lab.cml_id)
        refreshed(lab.worker)  # type: ignore[arg-type]
    if kind == K.LAB_WIPE:
        client_of(server).start_lab(lab.cml_id)
        client_of(server).stop_lab(lab.cml_id)
        refreshed(lab.worker)  # type: ignore[arg-type]
    operation = to_end(ask(kind, lab, ada))
    assert operation.state == "succeeded"
    sentences = operation.sentence

    for number in range(1, len(operation.steps)):
        # As if the process had died in each step, after CML did it and before that was written down.
        for later in operation.steps[number:]:
            later |= {"state": "pending", "finished_at": ""}
        operation.steps[number]["state"] = "running"
        fields = {"state": "running", "steps": operation.steps, "finished_at": None, "lease_until": timezone.now()}
        Operation.objects.filter(pk=operation.pk).update(**fields)
        operation = to_end(operation)

        assert operation.state == "succeeded", (operation.steps[number], operation.sentence)
    assert operation.sentence.split(" after")[0] == sentences.split(" after")[0]
    assert Event.objects.filter(kind="lab.gone").count() == (kind == K.LAB_DELETE)


def test_cml_refusal_is_told_in_its_own_words_and_changes_nothing(server: SimulatedCml, ada: User) -> None:
    lab = lab_on(server, worker_on(server))
    said = "Licensing issue: Maximum node count exceeded."
    server.set_mode("error", status=400, description=said, paths=[f"/labs/{lab.cml_id}/start"])

    operation = to_end(ask(K.LAB_START, lab, ada))

    assert operation.state == "refused"
    assert said.rstrip(".") in operation.sentence
    lab.refresh_from_db()
    assert lab.state == "DEFINED_ON_CORE"


def test_cml_that_does_not_answer_for_a_moment_is_asked_again(server: SimulatedCml, ada: User) -> None:
    lab = lab_on(server, worker_on(server))
    server.set_mode("502", times=2)

    operation = to_end(ask(K.LAB_START, lab, ada))

    assert operation.state == "succeeded"
    assert states(server, lab) == {"BOOTED"}


def test_progress_is_told_in_nodes_and_a_start_that_takes_too_long_ends_with_what_is_so(
    tmp_path: Path, settings: Any, ada: User
) -> None:
    settings.CML_USERNAME, settings.CML_PASSWORD = "portal", "secret"
    tokens.clear()
    scripted = ScriptedCml(tmp_path)
    try:
        worker = make_worker(name="w", address_kind="custom", custom_endpoint=scripted.base_url)
        nodes = [node(number) for number in range(12)]
        lab = make_lab(worker, title="big", node_count=12, topology={"nodes": nodes, "links": []})
        told = {one["id"]: "BOOTED" if number < 7 else "STARTED" for number, one in enumerate(nodes)}
        scripted.answers[f"/labs/{lab.cml_id}/lab_element_state"] = {"nodes": told, "links": {}, "interfaces": {}}
        operation = run_once(ask(K.LAB_START, lab, ada))

        lab.refresh_from_db()
        assert (operation.state, step(operation, "booted")["detail"]) == ("running", "7 of 12 nodes booted")
        assert step(operation, "start")["detail"] == "Every node was started already."
        assert (lab.state, lab.nodes_running) == ("STARTED", 12)
        row = render_to_string("labs/components/row.html", {"lab": dressed([Lab.objects.get(pk=lab.pk)])[0]})
        assert "7 of 12 nodes booted" in row

        begun_earlier(operation, running.BOOTED_WITHIN)
        run_once(operation)

        said = "big runs, but only 7 of 12 nodes booted after 30 minutes. CML goes on with the others by itself."
        assert (operation.state, operation.sentence) == ("failed", said)
    finally:
        scripted.close()
        tokens.clear()


def test_a_start_ends_when_no_node_is_on_its_way_any_more(server: SimulatedCml, ada: User) -> None:
    lab = lab_on(server, worker_on(server))
    operation = ask(K.LAB_START, lab, ada)
    Operation.objects.filter(pk=operation.pk).update(
        steps=[one | {"state": "done"} if one["name"] in {"turn", "start"} else one for one in operation.steps]
    )
    operation.refresh_from_db()

    assert run_once(operation).is_in_flight
    assert step(operation, "booted")["detail"] == "0 of 2 nodes booted"
    begun_earlier(operation, running.QUEUED_WITHIN)
    run_once(operation)

    assert (operation.state, operation.sentence) == (
        "failed",
        "CCNA: VLANs does not run: it was stopped meanwhile, or CML started none of its nodes.",
    )


def test_the_second_person_is_told_whose_it_is(server: SimulatedCml, ada: User, miguel: User) -> None:
    lab = lab_on(server, worker_on(server))
    ask(K.LAB_START, lab, ada)

    with pytest.raises(UnableToAsk, match=r"Starting lab CCNA: VLANs is on its way already, asked by ada"):
        ask(K.LAB_START, lab, miguel)
    with pytest.raises(UnableToAsk, match="on its way already"):
        ask(K.LAB_DOWNLOAD, lab, miguel)


def test_a_stop_ends_the_wait_for_a_start(server: SimulatedCml, ada: User, miguel: User) -> None:
    lab = lab_on(server, worker_on(server))
    start = ask(K.LAB_START, lab, ada)
    client_of(server).start_lab(lab.cml_id)
    Lab.objects.filter(pk=lab.pk).update(state="STARTED", state_text="STARTED")

    stop = to_end(ask(K.LAB_STOP, lab, miguel))

    start.refresh_from_db()
    assert (start.state, stop.state) == ("refused", "succeeded")
    assert start.sentence == "Overtaken: miguel asked to stop lab CCNA: VLANs meanwhile."


def test_what_is_so_already_is_answered_without_work_and_read_again(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    lab = lab_on(server, worker)
    for kind, words in ((K.LAB_STOP, "does not run"), (K.LAB_WIPE, "has no disks to wipe")):
        Worker.objects.filter(pk=worker.pk).update(labs_due_at=timezone.now() + timedelta(hours=1))
        with pytest.raises(UnableToAsk, match=words) as refusal:
            ask(kind, lab, ada)
        worker.refresh_from_db()
        assert refusal.value.already
        assert worker.labs_due_at is not None
        assert worker.labs_due_at <= timezone.now()
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"machine_state": "stopped"}, "w is stopped; a lab is changed by CML itself"),
        ({"service_state": "starting"}, "w runs, but its CML is starting"),
        ({"service_state": "unreachable"}, "w runs, but its CML is unreachable"),
    ],
)
def test_the_gate_that_is_shut_is_named(server: SimulatedCml, ada: User, fields: dict[str, str], words: str) -> None:
    worker = worker_on(server)
    lab = lab_on(server, worker)
    Worker.objects.filter(pk=worker.pk).update(**fields)

    with pytest.raises(UnableToAsk, match=words):
        ask(K.LAB_START, lab, ada)


def test_a_degraded_cml_is_asked_all_the_same(server: SimulatedCml, ada: User) -> None:
    lab = lab_on(server, worker_on(server, service_state="degraded"))

    assert to_end(ask(K.LAB_START, lab, ada)).state == "succeeded"


def test_a_worker_that_stops_meanwhile_ends_the_operation_with_a_sentence(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    operation = ask(K.LAB_START, lab_on(server, worker), ada)
    Worker.objects.filter(pk=worker.pk).update(machine_state="stopping")

    run_once(operation)

    assert operation.state == "refused"
    assert operation.sentence.startswith("w is stopping; a lab is changed by CML itself")


def test_one_cml_gets_a_few_at_once_and_the_others_wait_for_their_turn(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    free = {"node_definition": "external_connector", "image_definition": ""}  # of the licence
    labs = [lab_on(server, worker, title=f"lab {number}", nodes=1, **free) for number in range(AT_ONCE + 2)]
    batch = requests.ask_many(kind=K.LAB_START, labs=labs, by=by(ada), now=timezone.now())
    operations = list(Operation.objects.filter(batch=batch).order_by("subject_name"))
    server.set_mode("502", paths=[f"/labs/{lab.cml_id}" for lab in labs])

    for operation in operations:
        run_once(operation)

    waiting = [one for one in operations if step(one, "turn")["state"] == "running"]
    assert len(waiting) == 2
    assert step(waiting[0], "turn")["detail"] == f"{AT_ONCE} other operations on labs of w go first."
    server.set_mode("none")
    assert {to_end(operation).state for operation in operations} == {"succeeded"}


def test_a_batch_has_a_result_for_each_lab_and_what_failed_is_asked_again(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    good, gone = lab_on(server, worker, title="good"), lab_on(server, worker, title="gone")
    Lab.objects.filter(pk=gone.pk).update(gone_at=timezone.now())

    batch = requests.ask_many(kind=K.LAB_START, labs=Lab.objects.select_related("worker"), by=by(ada), now=timezone.now())

    found = {one.subject_name: one.state for one in Operation.objects.filter(batch=batch)}
    assert found == {"good": "pending", "gone": "refused"}
    assert to_end(Operation.objects.get(batch=batch, subject_id=good.pk)).state == "succeeded"
    Lab.objects.filter(pk=gone.pk).update(gone_at=None)
    again = bulk.retry(batch=batch, by=by(ada), now=timezone.now())
    assert [to_end(one).sentence.split(" after")[0] for one in Operation.objects.filter(batch=again)] == ["gone runs"]


def test_after_each_operation_the_labs_of_its_worker_are_read_again(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    operation = ask(K.LAB_START, lab_on(server, worker), ada)
    Worker.objects.filter(pk=worker.pk).update(labs_due_at=timezone.now() + timedelta(hours=1))

    to_end(operation)

    worker.refresh_from_db()
    assert worker.labs_due_at is not None
    assert worker.labs_due_at <= timezone.now()
