"""What the labs refresh makes of answers that no honest CML gives: nothing that is known gets lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from labs.models import Lab, LabsCheck
from labs.services.refresh import Outcome, refresh_labs
from tests.labs.scripted_cml import ScriptedCml
from tests.makers import make_worker
from workers.clients.cml.tokens import tokens
from workers.models import Event, Worker

pytestmark = pytest.mark.django_db
ONE, TWO, THREE = (f"{n}0000000-0000-4000-8000-000000000000" for n in (1, 2, 3))
TILES, LIST = "/populate_lab_tiles", "/labs"


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedCml]:
    server = ScriptedCml(tmp_path_factory.mktemp("scripted"))
    yield server
    server.close()


@pytest.fixture
def worker(scripted: ScriptedCml) -> Worker:
    """Whose labs ONE and TWO have been read once."""
    tokens.clear()
    scripted.forget()
    scripted.answers[TILES] = tiles(ONE, TWO)
    worker = make_worker(address_kind="custom", custom_endpoint=scripted.base_url)
    assert read(worker).was_read
    return worker


def node(number: int, **overrides: object) -> dict[str, object]:
    fields: dict[str, object] = {"id": f"node-{number}", "label": f"R{number}", "x": number, "y": 0, "state": "BOOTED"}
    return fields | {"node_definition": "iosv", "image_definition": None} | overrides


def tile(lab_id: str, **overrides: object) -> dict[str, object]:
    """A lab as CML's dashboard gets it."""
    fields: dict[str, object] = {
        "id": lab_id,
        "lab_title": f"Lab {lab_id[0]}",
        "lab_description": "Words",
        "lab_notes": "Notes",
        "state": "STARTED",
        "owner": "owner-id",
        "owner_username": "ana",
        "owner_fullname": "Ana",
        "node_count": 2,
        "link_count": 1,
        "created": "2026-11-01T10:00:00+00:00",
        "modified": "2026-11-02T10:00:00+00:00",
        "groups": [],
    }
    link = {"id": "link-1", "node_a": "node-1", "node_b": "node-2", "state": "STARTED"}
    return fields | {"topology": {"nodes": [node(1), node(2)], "links": [link]}} | overrides


def tiles(*labs: str, **others: Any) -> dict[str, object]:
    return {"lab_tiles": {lab: tile(lab) for lab in labs} | others}


def read(worker: Worker) -> Outcome:
    Worker.objects.filter(pk=worker.pk).update(labs_due_at=None)
    [outcome] = refresh_labs(now=timezone.now())
    worker.refresh_from_db()
    return outcome


def rows() -> list[dict[str, Any]]:
    """Everything that is known, but how fresh it is."""
    return list(Lab.objects.order_by("cml_id").values())


def there() -> set[str]:
    return set(Lab.objects.filter(gone_at=None).values_list("cml_id", flat=True))


def test_an_empty_list_after_a_full_one_is_not_believed_without_proof(scripted: ScriptedCml, worker: Worker) -> None:
    before = rows()
    scripted.answers[TILES] = tiles()
    scripted.answers[LIST] = [ONE, TWO]

    outcome = read(worker)

    assert rows() == before
    assert (worker.labs_total, worker.labs_running) == (2, 2)
    assert outcome.changed == 0
    assert scripted.requests[LIST] == 1, "the list was asked for as a proof"
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "answer", [(500, {"code": 500, "description": "no"}), (404, "<html>"), {}, "null", "", [None]], ids=str
)
def test_a_proof_that_cannot_be_had_is_none(answer: Any, scripted: ScriptedCml, worker: Worker) -> None:
    before = rows()
    scripted.answers[TILES] = tiles()
    scripted.answers[LIST] = answer

    outcome = read(worker)

    assert rows() == before
    assert (worker.labs_total, worker.labs_running) == (2, 2)
    assert "no longer shows 2 labs" in outcome.problem
    assert LabsCheck.objects.get().error == outcome.problem


def test_an_account_that_lost_its_rights_loses_no_lab(scripted: ScriptedCml, worker: Worker) -> None:
    scripted.forget(admin=False)
    scripted.answers[TILES] = tiles()
    scripted.answers[LIST] = []

    outcome = read(worker)

    assert there() == {ONE, TWO}
    assert "no administrator" in outcome.problem


def test_with_proof_all_labs_are_gone_and_kept(scripted: ScriptedCml, worker: Worker) -> None:
    scripted.answers[TILES] = tiles()
    scripted.answers[LIST] = []

    read(worker)

    assert there() == set()
    assert Lab.objects.count() == 2
    assert (worker.labs_total, worker.labs_running) == (0, 0)
    assert list(Event.objects.values_list("kind", flat=True)) == ["lab.gone", "lab.gone"]


def test_a_lab_that_is_gone_and_back_is_the_same_lab(scripted: ScriptedCml, worker: Worker) -> None:
    lab = Lab.objects.get(cml_id=ONE)
    scripted.answers[TILES] = tiles(TWO)
    scripted.answers[LIST] = [TWO]
    read(worker)
    lab.refresh_from_db()
    assert lab.gone_at is not None

    scripted.answers[TILES] = tiles(ONE, TWO)
    read(worker)

    lab.refresh_from_db()
    assert lab.gone_at is None
    assert list(Event.objects.for_subject(lab.pk).values_list("kind", flat=True)) == ["lab.back", "lab.gone"]
    assert worker.labs_total == 2


@pytest.mark.parametrize(
    "half", [None, {}, [], "a lab", {"id": ONE}, {"lab_title": None, "state": None}, {"state": "STARTED"}], ids=str
)
def test_a_tile_that_tells_nothing_keeps_what_is_known(half: Any, scripted: ScriptedCml, worker: Worker) -> None:
    before = rows()
    scripted.answers[TILES] = tiles(TWO, **{ONE: half})

    outcome = read(worker)

    assert rows() == before
    assert "1 of 2 labs" in outcome.problem
    assert not Event.objects.exists()

    scripted.answers[TILES] = tiles(ONE, TWO)
    assert read(worker).problem == ""
    assert rows() == before
    assert not LabsCheck.objects.exists()


@pytest.mark.parametrize("topology", [None, {}, {"nodes": [], "links": []}, {"nodes": None}, "drawn"], ids=str)
def test_a_picture_that_is_left_out_is_kept(topology: Any, scripted: ScriptedCml, worker: Worker) -> None:
    scripted.answers[TILES] = tiles(TWO, **{ONE: tile(ONE, topology=topology, lab_title="Renamed")})

    read(worker)

    lab = Lab.objects.get(cml_id=ONE)
    assert lab.title == "Renamed"
    assert len(lab.topology["nodes"]) == 2
    assert lab.nodes_running == 2
    assert list(Event.objects.values_list("kind", "before", "after")) == [("lab.renamed", "Lab 1", "Renamed")]


def test_a_lab_that_truly_became_empty_is_empty(scripted: ScriptedCml, worker: Worker) -> None:
    empty = tile(ONE, topology={"nodes": [], "links": []}, node_count=0, link_count=0, lab_description="", lab_notes="")
    scripted.answers[TILES] = tiles(TWO, **{ONE: empty})

    read(worker)

    lab = Lab.objects.get(cml_id=ONE)
    assert (lab.topology, lab.node_count, lab.nodes_running) == ({"nodes": [], "links": []}, 0, 0)
    assert (lab.description, lab.notes, lab.node_definitions) == ("", "", "")


def test_a_duplicate_id_is_one_lab(scripted: ScriptedCml, worker: Worker) -> None:
    before = rows()
    whole, half = json.dumps(tile(ONE)), json.dumps({"id": ONE})
    scripted.answers[TILES] = f'{{"lab_tiles": {{"{ONE}": {whole}, "{TWO}": {json.dumps(tile(TWO))}, "{ONE}": {half}}}}}'

    read(worker)

    assert rows() == before


def test_a_duplicate_id_in_the_list_is_one_lab(scripted: ScriptedCml, worker: Worker) -> None:
    del scripted.answers[TILES]
    scripted.answers[LIST] = [ONE, TWO, ONE, THREE, THREE]
    for lab in (ONE, TWO, THREE):
        scripted.answers[f"{LIST}/{lab}"] = {name: value for name, value in tile(lab).items() if name != "topology"}

    outcome = read(worker)

    assert (outcome.labs, outcome.problem) == (3, "")
    assert there() == {ONE, TWO, THREE}
    assert len(Lab.objects.get(cml_id=ONE).topology["nodes"]) == 2


def test_a_lab_whose_details_cannot_be_had_is_there_all_the_same(scripted: ScriptedCml, worker: Worker) -> None:
    before = rows()
    scripted.answers[TILES] = (500, {"code": 500, "description": "a lab is broken"})
    scripted.answers[LIST] = [ONE, TWO]
    scripted.answers[f"{LIST}/{TWO}"] = tile(TWO)
    scripted.answers[f"{LIST}/{ONE}"] = (500, {"code": 500, "description": "this one"})

    outcome = read(worker)

    assert [row["cml_id"] for row in rows() if row["gone_at"] is None] == [ONE, TWO]
    assert [row["title"] for row in rows()] == [row["title"] for row in before]
    assert "1 of 2 labs" in outcome.problem


def test_a_word_that_nobody_knows_is_shown_as_it_is(scripted: ScriptedCml, worker: Worker) -> None:
    scripted.answers[TILES] = tiles(TWO, **{ONE: tile(ONE, state="HIBERNATING", owner_username="kim")})

    read(worker)

    lab = Lab.objects.get(cml_id=ONE)
    assert (lab.state, lab.state_text, lab.standing.value, lab.state_word) == ("", "HIBERNATING", "other", "HIBERNATING")
    told = set(Event.objects.values_list("kind", "before", "after"))
    assert told == {("lab.state", "Running", "HIBERNATING"), ("lab.owner", "ana", "kim")}


def test_the_order_of_nodes_is_no_change(scripted: ScriptedCml, worker: Worker) -> None:
    turned = tile(ONE)
    turned["topology"] = turned["topology"] | {"nodes": [node(2), node(1)]}  # type: ignore[operator]
    scripted.answers[TILES] = tiles(TWO, **{ONE: turned})

    assert read(worker).changed == 0


def test_values_out_of_all_bounds_are_cut_and_do_no_harm(scripted: ScriptedCml, worker: Worker) -> None:
    wild = tile(
        ONE,
        lab_title="T" * 5_000,
        owner_username="o" * 500,
        state="S" * 500,
        node_count=-4,
        topology={"nodes": [node(1, label="L" * 9_000, x=1e300, y="left", ram=-1)], "links": [{"node_a": "?"}, None]},
    )
    scripted.answers[TILES] = tiles(TWO, **{ONE: wild})

    assert read(worker).was_read

    lab = Lab.objects.get(cml_id=ONE)
    assert (len(lab.title), len(lab.owner_username), len(lab.state_text)) == (255, 64, 64)
    assert (lab.node_count, len(lab.topology["nodes"][0]["label"])) == (2, 128)


def test_a_worker_that_was_deleted_leaves_its_labs_with_its_name(worker: Worker) -> None:
    name = str(worker)

    worker.delete()

    lab = Lab.objects.get(cml_id=ONE)
    assert (lab.worker, lab.worker_name, lab.standing.value) == (None, name, "gone")
