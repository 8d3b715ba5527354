"""Operations on labs in tests: a simulated CML on which everything happens at once, its worker, and labs to do something with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from labs.models import Lab
from labs.services.operations import importing, requests
from labs.services.refresh import refresh_labs
from tests.makers import make_worker
from tests.operating import by
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, client_of, start_simulated_cml
from workers.choices import OperationKind
from workers.clients.cml.tokens import tokens
from workers.models import Operation, Worker


@pytest.fixture(scope="module")
def cml_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCml]:
    """One fresh server for the module."""
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=[ServerSpec()], speed=0) as fleet:
        yield fleet[0]


@pytest.fixture
def server(cml_process: SimulatedCml, settings: Any) -> SimulatedCml:
    """Well-behaved and without a lab."""
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD
    tokens.clear()
    cml_process.change(mode="none", fault="")
    client = client_of(cml_process)
    for lab_id in client.lab_ids():
        client.stop_lab(lab_id)
        client.wipe_lab(lab_id)
        client.delete_lab(lab_id)
    return cml_process


def yaml_of(*, title: str = "CCNA: VLANs", nodes: int = 2, version: str = "0.3.0", **of_nodes: str) -> str:
    """A lab as CML downloads it, as far as the portal reads it."""
    kinds = {"node_definition": "alpine", "image_definition": "alpine-base-3-21-3"} | of_nodes
    needs = "".join(f", {key}: {value}" for key, value in kinds.items())
    lines = [f"lab: {{title: {title!r}, description: '', notes: '', version: {version}}}", "nodes:"]
    lines += [f"  - {{id: n{n}, label: h{n}, x: {n * 100}, y: 0{needs}, interfaces: []}}" for n in range(nodes)]
    return "\n".join([*lines, "links: []", ""])


def worker_on(server: SimulatedCml, **overrides: Any) -> Worker:
    """The worker of this server, ready."""
    fields = {"name": "w", "address_kind": "custom", "custom_endpoint": server.base_url, "cml_version": "2.9.1+build.7"}
    return make_worker(**(fields | overrides))


def lab_on(server: SimulatedCml, worker: Worker, **of_yaml: Any) -> Lab:
    """A lab that CML has and the portal has read."""
    made = client_of(server).import_lab(yaml_of(**of_yaml))
    refreshed(worker)
    return Lab.objects.get(cml_id=made.lab_id)


def refreshed(worker: Worker) -> None:
    """Its labs read now."""
    refresh_labs(now=timezone.now(), only=[worker.pk])


def ask(kind: OperationKind, lab: Lab, person: User) -> Operation:
    """As the buttons do."""
    return requests.ask(kind=kind, lab=Lab.objects.select_related("worker").get(pk=lab.pk), by=by(person), now=timezone.now())


def ask_import(worker: Worker, text: str, person: User, title: str = "", **more: Any) -> Operation:
    """As the import page does."""
    return importing.ask_import(worker=worker, text=text, title=title, by=by(person), now=timezone.now(), **more)


def titles(server: SimulatedCml) -> list[str]:
    """Of the labs in CML."""
    return sorted(tile.title for tile in client_of(server).lab_tiles())
