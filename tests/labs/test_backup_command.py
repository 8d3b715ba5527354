"""`manage.py backup_labs`, and the tasks behind the nightly backup and retention."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as portal
from django.core.management import CommandError, call_command

from labs import tasks
from labs.models import LabVersion
from tests.labs.saving import cml_processes, lab_on, servers, worker_on, yaml_of
from tests.makers import make_worker
from tests.simulated_cml import SimulatedFleet

__all__ = ["cml_processes", "servers"]
pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, int, str]:
    """What it says, its exit status and its complaint."""
    out = io.StringIO()
    try:
        call_command("backup_labs", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), error.returncode, str(error)
    return out.getvalue(), 0, ""


def test_it_saves_what_is_meant_and_says_how_it_went(servers: SimulatedFleet) -> None:
    worker = worker_on(servers[0], name="ccna-evening")
    lab_on(servers[0], worker, yaml_of("One"))
    lab_on(servers[0], worker, yaml_of("Two"))

    said, status, _ = run("--worker", "ccna-evening", "--note", "before the move")

    assert (status, said.splitlines()[-1][:49]) == (0, "ccna-evening: 2 labs of ccna-evening are backed u")
    assert set(LabVersion.objects.values_list("title", "note", "actor_name")) == {
        ("One", "before the move", "backup_labs"),
        ("Two", "before the move", "backup_labs"),
    }
    said, status, _ = run("--lab", "Two", "--json")
    (line,) = json.loads(said)["backups"]
    assert (status, line["what"], line["state"], line["saved"], line["not_saved"]) == (0, "Two", "succeeded", 1, [])
    assert run("--all")[1] == 0


def test_it_says_what_it_could_not_do(servers: SimulatedFleet) -> None:
    assert run() == ("", 1, "Say what is to be saved: --worker, --lab or --all.")
    assert run("--lab", "nowhere") == ("", 2, "There is no lab 'nowhere'.")
    assert run("--all") == ("", 3, "Nothing was saved: no worker is running and ready.")
    make_worker(name="asleep", machine_state="stopped", service_state="unknown")
    said, status, sentence = run("--worker", "asleep")
    assert (said, status, sentence) == (
        "asleep: asleep is stopped; labs are saved by CML itself, which must be ready.\n",
        3,
        "Nothing was saved.",
    )
    worker = worker_on(servers[1], name="half")
    lab = lab_on(servers[1], worker)
    servers[1].set_mode("502", paths=[f"/labs/{lab.cml_id}/download"])
    said, status, sentence = run("--worker", "half")
    assert (status, sentence) == (4, "1 of 1 backups did not save everything.")
    assert "0 of 1 labs of half were saved. Not saved: CCNA: VLANs:" in said


def test_beat_asks_for_nights_and_for_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    make_worker()
    for name, task in (("labs_nightly", tasks.back_up_nightly), ("lab_versions", tasks.prune_versions)):
        entry: dict[str, Any] = portal.CELERY_BEAT_SCHEDULE[name]
        assert current_app.tasks[entry["task"]].name == task.name
        task()
