"""`manage.py refresh_labs` and the task."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as portal
from django.core.management import CommandError, call_command

from labs.models import Lab
from labs.tasks import refresh_labs
from tests.labs.scripted_cml import ScriptedCml
from tests.makers import make_worker
from workers.clients.cml.tokens import tokens
from workers.models import Worker

pytestmark = pytest.mark.django_db
ONE, TWO = (f"{n}0000000-0000-4000-8000-000000000000" for n in (1, 2))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedCml]:
    scripted = ScriptedCml(tmp_path_factory.mktemp("scripted"))
    yield scripted
    scripted.close()


@pytest.fixture
def scripted(server: ScriptedCml) -> ScriptedCml:
    """With one lab."""
    tokens.clear()
    server.forget()
    server.answers["/populate_lab_tiles"] = {"lab_tiles": {ONE: {"lab_title": "One", "state": "STARTED", "node_count": 0}}}
    return server


def worker_of(scripted: ScriptedCml, **fields: Any) -> Worker:
    return make_worker(**({"address_kind": "custom", "custom_endpoint": scripted.base_url} | fields))


def run(*arguments: str) -> tuple[str, int, str]:
    """What it says, its exit status and its complaint."""
    out = io.StringIO()
    try:
        call_command("refresh_labs", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), error.returncode, str(error)
    return out.getvalue(), 0, ""


def test_it_reads_what_is_running_due_or_not_and_says_how_it_went(scripted: ScriptedCml) -> None:
    worker_of(scripted, name="ccna-evening")
    worker_of(scripted, name="asleep", machine_state="stopped", service_state="unknown")

    assert run() == ("ccna-evening: 1 lab, 1 changed.\n", 0, "")
    assert run() == ("ccna-evening: 1 lab, nothing changed.\n", 0, "")
    assert scripted.requests["/populate_lab_tiles"] == 2


@pytest.mark.parametrize("by", ["name", "instance_id", "pk"])
def test_one_worker_can_be_named(by: str, scripted: ScriptedCml) -> None:
    wanted, _ = worker_of(scripted, name="wanted"), worker_of(scripted, name="unwanted")

    said, status, _ = run("--worker", str(getattr(wanted, by)), "--json")

    [line] = json.loads(said)["workers"]
    assert status == 0
    assert line == {
        "worker": "wanted",
        "worker_id": str(wanted.pk),
        "was_read": True,
        "labs": 1,
        "changed": 1,
        "sentence": "1 lab, 1 changed.",
    }
    assert Lab.objects.get().worker == wanted


def test_a_worker_that_nobody_knows_is_named(scripted: ScriptedCml) -> None:
    assert run("--worker", "nonsense") == ("", 2, "There is no worker 'nonsense'.")


def test_a_worker_that_cannot_be_asked_is_said(scripted: ScriptedCml) -> None:
    worker_of(scripted, name="asleep", machine_state="stopped", service_state="unknown")

    said, status, complaint = run("--worker", "asleep")

    assert said == "asleep: Not asked: the machine is stopped, CML is not asked.\n"
    assert (status, complaint) == (3, "No labs were read: no worker that was asked for is running and ready.")
    assert run()[1] == 3


def test_a_failure_is_told_with_its_reason_and_an_exit_status(scripted: ScriptedCml) -> None:
    worker_of(scripted, name="ccna-evening")
    scripted.answers = {}

    said, status, complaint = run()

    assert said.startswith("ccna-evening: ")
    assert said.rstrip().endswith(".")
    assert (status, complaint) == (4, "1 of 1 could not be read.")


def test_the_task_is_in_the_timetable_and_reads_what_is_due(scripted: ScriptedCml) -> None:
    worker = worker_of(scripted)
    entry = portal.CELERY_BEAT_SCHEDULE["labs"]

    assert entry["task"] in current_app.tasks
    refresh_labs()

    assert Lab.objects.get().worker == worker
    refresh_labs()
    assert scripted.requests["/populate_lab_tiles"] == 1
