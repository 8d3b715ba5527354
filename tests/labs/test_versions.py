"""Labs are saved, kept once, and brought back, against simulated CML servers over HTTPS."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from labs.models import Lab, LabsBackup, LabVersion, LabYaml
from labs.services.operations import requests as lab_requests
from labs.services.versions import fetching, nightly, requests
from tests.conftest import signed_in
from tests.labs.saving import cml_processes, lab_on, servers, worker_on, yaml_of
from tests.labs.scripted_cml import ScriptedCml
from tests.licensing import step, to_end
from tests.makers import make_worker
from tests.operating import K, by
from tests.simulated_cml import SimulatedFleet, client_of
from tests.workers.fake_ec2 import Killed
from workers.clients.cml.tokens import tokens
from workers.models import Operation
from workers.services.operations import engine

__all__ = ["cml_processes", "servers"]
pytestmark = pytest.mark.django_db


def back_up(lab: Lab, person: User, **more: Any) -> Operation:
    return to_end(requests.ask_backup(lab=lab, by=by(person), now=timezone.now(), **more))


def test_a_lab_is_kept_byte_for_byte_and_once_however_often_it_is_saved(servers: SimulatedFleet, miguel: User) -> None:
    lab = lab_on(servers[0], worker_on(servers[0]))
    theirs = client_of(servers[0]).download_lab(lab.cml_id)

    first, second = back_up(lab, miguel, note="before the exam"), back_up(lab, miguel)

    assert (first.state, second.state) == ("succeeded", "succeeded"), first.sentence
    newest, oldest = LabVersion.objects.for_rows()
    assert oldest.content.raw == theirs.encode()
    assert LabYaml.objects.get().pk == newest.content_id == oldest.content_id
    assert (oldest.why, oldest.actor, oldest.kept_by, oldest.note) == ("asked", miguel, "miguel", "before the exam")
    assert (oldest.cml_version, oldest.with_configurations, oldest.title) == ("2.9.1+build.7", False, "CCNA: VLANs")


def test_a_lab_comes_back_on_another_worker_as_it_was_saved(servers: SimulatedFleet, miguel: User) -> None:
    here, there = worker_on(servers[0]), worker_on(servers[1])
    lab = lab_on(servers[0], here, yaml_of(nodes=5, configuration="hostname ä\tr", links=0))
    back_up(lab, miguel)
    to_end(lab_requests.ask(kind=K.LAB_DELETE, lab=lab, by=by(miguel), now=timezone.now()))
    lab.refresh_from_db()
    assert lab.is_gone
    version = LabVersion.objects.for_rows()[0]

    asked = requests.ask_restore(version=version, worker=there, title="", by=by(miguel), now=timezone.now())
    operation = to_end(asked)

    assert operation.state == "succeeded", operation.sentence
    back = Lab.objects.get(worker=there)
    assert client_of(servers[1]).download_lab(back.cml_id).encode() == version.content.raw
    assert "CCNA: VLANs on" in operation.reason


def test_a_killed_backup_goes_on_and_keeps_each_lab_once(
    servers: SimulatedFleet, miguel: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_on(servers[0])
    for number in range(3):
        lab_on(servers[0], worker, yaml_of(f"Lab {number}"))
    operation = requests.ask_worker_backup(worker=worker, by=by(miguel), now=timezone.now())
    calls, keep = [], fetching.keep

    def kept_and_killed(**arguments: Any) -> Any:
        calls.append(keep(**arguments))
        if len(calls) == 2:
            raise Killed
        return calls[-1]

    # Between CML's answer, which is kept, and the note that it was.
    monkeypatch.setattr(fetching, "keep", kept_and_killed)
    with pytest.raises(Killed):
        engine.run(operation_id=operation.pk, now=timezone.now())
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    operation = to_end(operation)

    assert operation.state == "succeeded", operation.sentence
    assert len(calls) == 4
    assert LabVersion.objects.count() == 3
    assert LabVersion.objects.values("lab").distinct().count() == 3


def test_two_nights_without_a_change_make_one_version(servers: SimulatedFleet) -> None:
    worker = worker_on(servers[0])
    lab = lab_on(servers[0], worker)
    first_night = timezone.now()
    assert nightly.tick(now=first_night) == 0, "a worker just met waits for its own minute"
    assert LabsBackup.objects.get().due_at > first_night

    for _ in range(2):
        LabsBackup.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        assert nightly.tick(now=timezone.now()) == 1
        assert nightly.tick(now=timezone.now()) == 0
        operation = to_end(Operation.objects.get(state="pending"))
        assert (operation.state, operation.actor_kind) == ("succeeded", "schedule"), operation.sentence

    version = LabVersion.objects.get(lab=lab)
    assert version.why == "nightly"
    assert version.confirmed_at > version.at
    client_of(servers[0]).rename_lab(lab.cml_id, "Changed")
    LabsBackup.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    nightly.tick(now=timezone.now())
    to_end(Operation.objects.get(state="pending"))
    assert LabVersion.objects.filter(lab=lab).count() == 2


def test_a_worker_that_is_off_at_night_is_saved_when_it_is_ready_again(settings: Any) -> None:
    worker = make_worker()
    nightly.tick(now=timezone.now())
    worker.machine_state, worker.service_state = "stopped", "unknown"
    worker.save()
    LabsBackup.objects.update(due_at=timezone.now())

    assert nightly.tick(now=timezone.now()) == 0
    worker.machine_state, worker.service_state = "running", "ready"
    worker.save()
    settings.LABS_NIGHTLY = False
    assert nightly.tick(now=timezone.now()) == 0, "switched off"
    settings.LABS_NIGHTLY = True
    assert nightly.tick(now=timezone.now()) == 1


def test_workers_are_spread_over_the_window(settings: Any) -> None:
    settings.LABS_NIGHTLY_HOUR, settings.LABS_NIGHTLY_MINUTES = 23, 120
    now = timezone.now().replace(hour=23, minute=30)

    times = [nightly.next_at(make_worker().pk, after=now) for _ in range(20)]

    assert len(set(times)) > 15
    assert all(now < at <= now + timedelta(days=1) for at in times)
    assert all(at.hour in {23, 0} for at in times)


@pytest.mark.parametrize(
    ("kind", "why", "states"), [(K.LAB_STOP, "stop", 1), (K.LAB_WIPE, "wipe", 1), (K.LAB_DELETE, "delete", 1)]
)
def test_a_lab_is_saved_before_it_is_stopped_wiped_or_deleted(
    kind: K, why: str, states: int, servers: SimulatedFleet, ada: User
) -> None:
    worker = worker_on(servers[0])
    lab = lab_on(servers[0], worker)
    client_of(servers[0]).start_lab(lab.cml_id)
    Lab.objects.filter(pk=lab.pk).update(state="STARTED", state_text="STARTED")
    theirs = client_of(servers[0]).download_lab(lab.cml_id)

    operation = to_end(lab_requests.ask(kind=kind, lab=lab, by=by(ada), now=timezone.now()))

    assert operation.state == "succeeded", operation.sentence
    assert step(operation, "save")["detail"] == "Saved."
    version = LabVersion.objects.get(lab=lab)
    assert (version.why, version.content.text, version.kept_by) == (why, theirs, "ada")


def test_a_lab_that_cannot_be_saved_is_not_deleted_unless_somebody_says_why(servers: SimulatedFleet, ada: User) -> None:
    lab = lab_on(servers[0], worker_on(servers[0]))
    servers[0].set_mode("502", paths=[f"/labs/{lab.cml_id}/download"])
    browser, address, form = signed_in(ada), f"/labs/{lab.pk}/delete/", {"title": lab.title}
    browser.post(address, form)

    refused = to_end(Operation.objects.get())

    assert refused.state == "refused"
    assert refused.sentence.startswith("CCNA: VLANs was not deleted, because it could not be saved.")
    assert browser.post(address, form | {"unsaved": "on"}).status_code == 422
    assert browser.post(address, form | {"unsaved": "on", "reason": "broken"}).status_code == 302
    operation = to_end(Operation.objects.get(state="pending"))
    assert (operation.state, operation.reason) == ("succeeded", "broken"), operation.sentence
    assert client_of(servers[0]).lab_ids() == ()


def test_running_configurations_are_read_first_when_asked_for_and_what_fails_is_told(
    servers: SimulatedFleet, miguel: User
) -> None:
    worker = worker_on(servers[0])
    servers[0].change(add_labs=[{"title": "Busy", "owner": "mei", "nodes": 3, "running": True}])
    lab = lab_on(servers[0], worker)
    busy = Lab.objects.select_related("worker").get(title="Busy")

    operation = back_up(busy, miguel, extract=True)

    assert operation.state == "succeeded", operation.sentence
    assert LabVersion.objects.get().with_configurations
    assert "configurations read." in step(operation, "extract")["detail"]
    assert step(back_up(lab, miguel, extract=True), "extract")["detail"] == "0 configurations read."
    assert not LabVersion.objects.get(lab=lab).with_configurations


# ── What is not kept ───────────────────────────────────────────────────────────────────────────────────────────────
ONE = "10000000-0000-4000-8000-000000000000"
BOMB = "lab: {version: 0.2.2}\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
LIES = {
    "a bomb": (BOMB, "refers to another part of itself"),
    "an object": ("lab: {version: 0.2.2}\nnodes: !!python/object/apply:os.system ['true']\n", "which no lab needs"),
    "an error page": ("error: not today\n", "It is no lab"),
    "too large": (f"{yaml_of()}# {'x' * (5 * 1024 * 1024)}\n", "larger than 5 MB"),
    "half a surrogate": ('"lab: {version: 0.2.2}\\nnodes: []\\nnote: \\ud800\\n"', "no text in UTF-8"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_lab_never_becomes_a_version(lie: str, tmp_path: Any, settings: Any, miguel: User) -> None:
    settings.CML_USERNAME, settings.CML_PASSWORD = "portal", "x"
    tokens.clear()
    answer, sentence = LIES[lie]
    server = ScriptedCml(tmp_path)
    try:
        server.answers["/populate_lab_tiles"] = {"lab_tiles": {ONE: {"lab_title": "One", "state": "STOPPED", "node_count": 0}}}
        server.answers["/labs"] = [ONE]
        server.answers[f"/labs/{ONE}/download"] = answer
        worker = make_worker(address_kind="custom", custom_endpoint=server.base_url)

        operation = to_end(requests.ask_worker_backup(worker=worker, by=by(miguel), now=timezone.now()))
    finally:
        server.close()

    assert operation.state == "failed"
    assert sentence in operation.sentence
    assert operation.sentence.startswith(f"0 of 1 labs of {worker} were saved. Not saved: One:")
    assert not LabVersion.objects.exists()
    assert not LabYaml.objects.exists()


def test_one_lab_that_cannot_be_saved_does_not_keep_the_others_from_it(servers: SimulatedFleet, miguel: User) -> None:
    worker = worker_on(servers[0])
    labs = [lab_on(servers[0], worker, yaml_of(f"Lab {number}")) for number in range(3)]
    servers[0].set_mode("502", paths=[f"/labs/{labs[1].cml_id}/download"])

    operation = to_end(requests.ask_worker_backup(worker=worker, by=by(miguel), now=timezone.now()))
    servers[0].set_mode("none")

    assert operation.state == "failed"
    assert set(LabVersion.objects.values_list("lab__title", flat=True)) == {"Lab 0", "Lab 2"}
    assert operation.sentence.startswith(f"2 of 3 labs of {worker} were saved. Not saved: Lab 1:")
