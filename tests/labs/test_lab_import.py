"""Labs imported into the simulated CML over HTTPS: once, whatever happens; what does not fit is named before anything is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.models import User
from labs.models import Lab, LabFile
from labs.services.operations import importing
from tests.labs.operating import ask, ask_import, cml_process, refreshed, server, titles, worker_on, yaml_of
from tests.licensing import run_once, step, to_end
from tests.operating import K
from tests.simulated_cml import SimulatedCml, client_of
from workers.models import Event, Operation, Worker
from workers.services.operations.asking import UnableToAsk
from workers.services.operations.steps import Task

__all__ = ["cml_process", "server"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    cache.clear()


def test_an_import_ends_with_the_lab_among_the_portals(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)

    operation = to_end(ask_import(worker, yaml_of(nodes=3), ada))

    assert operation.state == "succeeded", operation.sentence
    assert operation.sentence.startswith("CCNA: VLANs is on w after")
    lab = Lab.objects.get()
    assert (lab.title, lab.node_count, lab.pk) == ("CCNA: VLANs", 3, operation.subject_id)
    assert len(lab.topology["nodes"]) == 3
    assert operation.result["link"]["url"] == lab.get_absolute_url()
    assert titles(server) == ["CCNA: VLANs"]
    assert ("lab.seen", "ada") in set(Event.objects.filter(subject_id=lab.pk).values_list("kind", "actor_name"))


def test_the_yaml_travels_in_the_database_alone_and_is_deleted_at_the_end(server: SimulatedCml, ada: User) -> None:
    text = yaml_of().replace("notes: ''", "notes: 'enable secret s3cr3t-of-r1'")

    operation = ask_import(worker_on(server), text, ada)

    assert LabFile.objects.get().text == text
    assert "s3cr3t" not in str(operation.parameters)
    to_end(operation)
    assert not LabFile.objects.exists()
    assert "s3cr3t" not in str(Operation.objects.values().get()) + str(list(Event.objects.values()))


def test_a_title_of_ones_own(server: SimulatedCml, ada: User) -> None:
    to_end(ask_import(worker_on(server), yaml_of(), ada, "  Monday   class "))

    assert titles(server) == ["Monday class"]


def test_a_kill_after_cml_made_it_does_not_make_it_twice(server: SimulatedCml, ada: User) -> None:
    operation = ask_import(worker_on(server), yaml_of(), ada)
    # CML made the lab, and the process died before it wrote down which.
    made = client_of(server).import_lab(yaml_of(), title=f"CCNA: VLANs {importing.mark_of(operation)}")
    Operation.objects.filter(pk=operation.pk).update(result={"sent_at": timezone.now().isoformat(), "sent": 1})

    to_end(operation)

    assert step(operation, "import")["detail"] == "CML had made it already."
    assert titles(server) == ["CCNA: VLANs"]
    assert Lab.objects.get().cml_id == made.lab_id


class Killed(BaseException):
    """The process dies."""


def test_a_process_that_dies_between_cmls_answer_and_its_own_note_leaves_one_lab(
    server: SimulatedCml, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = ask_import(worker_on(server), yaml_of(), ada)
    remember = Task.remember

    def die(task: Task, **facts: Any) -> bool:
        if "cml_id" in facts:
            raise Killed
        return remember(task, **facts)

    monkeypatch.setattr(Task, "remember", die)
    with pytest.raises(Killed):
        run_once(operation)
    monkeypatch.undo()
    assert titles(server) == [f"CCNA: VLANs {importing.mark_of(operation)}"]
    operation.refresh_from_db()
    assert (operation.state, "cml_id" in operation.result) == ("running", False)

    Operation.objects.update(lease_until=timezone.now())  # nobody renews it
    assert to_end(operation).state == "succeeded"
    assert titles(server) == ["CCNA: VLANs"]


def test_a_kill_before_cml_got_it_sends_it_again_but_not_before_cml_had_its_time(server: SimulatedCml, ada: User) -> None:
    operation = ask_import(worker_on(server), yaml_of(), ada)
    Operation.objects.filter(pk=operation.pk).update(result={"sent_at": timezone.now().isoformat(), "sent": 1})

    run_once(operation)
    assert operation.is_in_flight
    assert (
        "looking whether CML" in step(operation, "import")["detail"]
        or "looking whether it made" in step(operation, "import")["detail"]
    )
    assert titles(server) == []

    earlier = timezone.now() - importing.UNSURE_FOR - timedelta(seconds=1)
    Operation.objects.filter(pk=operation.pk).update(result=operation.result | {"sent_at": earlier.isoformat()})
    assert to_end(operation).state == "succeeded"
    assert titles(server) == ["CCNA: VLANs"]


def test_a_kill_between_the_title_and_the_end_changes_nothing(server: SimulatedCml, ada: User) -> None:
    operation = to_end(ask_import(worker_on(server), yaml_of(), ada))
    for later in operation.steps[3:]:
        later |= {"state": "pending", "finished_at": ""}
    fields = {"state": "running", "steps": operation.steps, "finished_at": None}
    Operation.objects.filter(pk=operation.pk).update(**fields)

    assert to_end(operation).state == "succeeded"
    assert titles(server) == ["CCNA: VLANs"]
    assert Lab.objects.count() == 1


def test_an_answer_that_does_not_arrive_is_looked_for(server: SimulatedCml, ada: User) -> None:
    operation = ask_import(worker_on(server), yaml_of(), ada)
    server.set_mode("502", paths=["/import"], times=1)

    run_once(operation)

    assert operation.is_in_flight
    assert operation.result["sent"] == 1
    run_once(operation)
    assert (operation.is_in_flight, operation.result["sent"]) == (True, 1)


def test_an_import_that_never_works_ends_after_some_tries(server: SimulatedCml, ada: User) -> None:
    operation = ask_import(worker_on(server), yaml_of(), ada)
    server.set_mode("garbage", paths=["/import"])
    for _ in range(importing.MOST_SENT * 2 + 3):
        result = Operation.objects.get(pk=operation.pk).result
        if result.get("sent_at"):
            long_ago = (timezone.now() - timedelta(minutes=5)).isoformat()
            Operation.objects.filter(pk=operation.pk).update(result=result | {"sent_at": long_ago})
        if not run_once(operation).is_in_flight:
            break

    assert operation.state == "failed"
    assert "did not make the lab in 3 tries" in operation.sentence
    assert titles(server) == []


def test_a_refresh_that_sees_the_lab_first_is_no_second_lab(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    operation = ask_import(worker, yaml_of(), ada)
    client_of(server).import_lab(yaml_of(), title=f"CCNA: VLANs {importing.mark_of(operation)}")
    Operation.objects.filter(pk=operation.pk).update(result={"sent_at": timezone.now().isoformat(), "sent": 1})
    refreshed(worker)
    seen = Lab.objects.get()

    to_end(operation)

    seen.refresh_from_db()
    assert operation.state == "succeeded"
    assert (seen.title, operation.subject_id) == ("CCNA: VLANs", seen.pk)
    assert Lab.objects.count() == 1


def test_missing_definitions_are_named_and_nothing_is_sent(server: SimulatedCml, ada: User) -> None:
    text = yaml_of(node_definition="nexus-9000", image_definition="nexus-10-5")

    operation = to_end(ask_import(worker_on(server), text, ada))

    assert operation.state == "refused"
    assert "does not have the node definition nexus-9000 and the image nexus-10-5. Nothing was sent" in operation.sentence
    assert titles(server) == []


def test_a_missing_image_alone_can_be_accepted(server: SimulatedCml, ada: User) -> None:
    text = yaml_of(image_definition="alpine-99")

    assert to_end(ask_import(worker_on(server), text, ada)).state == "refused"
    operation = to_end(ask_import(worker_on(server, name="v"), text, ada, without_images=True))

    assert operation.state == "succeeded"
    assert step(operation, "compare")["detail"] == "Without the image alpine-99."
    assert "CML warns: Image definition `alpine-99` was not found" in operation.sentence


def test_definitions_are_read_once_for_many_imports_and_again_before_a_refusal(server: SimulatedCml, ada: User) -> None:
    worker, asked = worker_on(server), "GET /image_definitions"
    before = server.requests().get(asked, 0)
    to_end(ask_import(worker, yaml_of(title="one"), ada))
    to_end(ask_import(worker, yaml_of(title="two"), ada))
    assert server.requests().get(asked, 0) - before == 1

    to_end(ask_import(worker, yaml_of(image_definition="absent"), ada))
    assert server.requests().get(asked, 0) - before == 2


def test_a_schema_that_is_too_new_is_refused_before_anything_is_recorded(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)

    with pytest.raises(UnableToAsk, match=r"topology schema 0\.3\.1, which needs CML 2\.10; CML 2\.9\.1 reads up to 0\.3\.0"):
        ask_import(worker, yaml_of(version="0.3.1"), ada)

    assert not Operation.objects.exists()
    assert not LabFile.objects.exists()


def test_cmls_own_refusal_is_told_and_leaves_nothing(server: SimulatedCml, ada: User) -> None:
    text = yaml_of().replace("x: 0,", "x: 99999,")

    operation = to_end(ask_import(worker_on(server), text, ada))

    assert operation.state == "refused"
    assert "rejected the request" in operation.sentence
    assert (titles(server), Lab.objects.count()) == ([], 0)


def test_a_namesake_is_said(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    to_end(ask_import(worker, yaml_of(), ada))

    operation = to_end(ask_import(worker, yaml_of(), ada))

    assert step(operation, "read")["detail"] == "1 other lab on w has the same title."
    assert titles(server) == ["CCNA: VLANs", "CCNA: VLANs"]


def test_a_file_that_nobody_fetches_is_deleted(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    to_end(ask_import(worker, yaml_of(), ada))
    download = to_end(ask(K.LAB_DOWNLOAD, Lab.objects.get(), ada))
    assert LabFile.objects.get(operation=download).text == client_of(server).download_lab(Lab.objects.get().cml_id)

    LabFile.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    to_end(ask(K.LAB_START, Lab.objects.get(), ada))

    assert not LabFile.objects.exists()


def test_the_gate_that_is_shut_is_named(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    Worker.objects.filter(pk=worker.pk).update(service_state="starting")
    with pytest.raises(UnableToAsk, match="its CML is starting"):
        ask_import(worker, yaml_of(), ada)
    assert not LabFile.objects.exists()


def test_a_large_lab_arrives_whole_and_one_that_is_too_large_for_this_cml_is_said(server: SimulatedCml, ada: User) -> None:
    notes = "x" * 30_000  # CML takes no more, but remarks of any length
    text = yaml_of().replace("notes: ''", f"notes: '{notes}'") + "# " + "padding " * 640_000

    operation = to_end(ask_import(worker_on(server), text[: 4 * 1024 * 1024], ada))

    assert operation.state == "succeeded", operation.sentence
    assert len(Lab.objects.get().notes) == 30_000

    refused = to_end(ask_import(worker_on(server, name="v"), text[: 5 * 1024 * 1024], ada, "second"))
    assert refused.state == "refused"
    assert "does not take so much at once" in refused.sentence
    assert titles(server) == ["CCNA: VLANs"]
