"""Versions in tests: two simulated CML servers over HTTPS, their workers, labs on them, and versions without any server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from labs.choices import LabVersionReason
from labs.models import Lab, LabVersion
from labs.services.refresh import refresh_labs
from labs.services.versions.keeping import Circumstances, keep
from tests.makers import make_worker
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, SimulatedFleet, client_of, start_simulated_cml
from workers.clients.cml.tokens import tokens
from workers.models import Worker
from workers.services import record


@pytest.fixture(scope="module")
def cml_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    """Two fresh servers for the module, on which everything happens at once."""
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=[ServerSpec(), ServerSpec()], speed=0) as fleet:
        yield fleet


@pytest.fixture
def servers(cml_processes: SimulatedFleet, settings: Any) -> SimulatedFleet:
    """Well-behaved and without a lab."""
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD
    tokens.clear()
    for server in cml_processes:
        server.change(mode="none", fault="")
        client = client_of(server)
        for lab_id in client.lab_ids():
            client.stop_lab(lab_id)
            client.wipe_lab(lab_id)
            client.delete_lab(lab_id)
    return cml_processes


def yaml_of(title: str = "CCNA: VLANs", *, nodes: int = 2, configuration: str = "hostname r", links: int = 0) -> str:
    """A lab as CML writes it, as far as the portal reads it."""
    kind = "node_definition: alpine, image_definition: alpine-base-3-21-3, interfaces: []"
    lines = [f"lab: {{title: {title!r}, description: '', notes: '', version: 0.2.2}}", "nodes:" if nodes else "nodes: []"]
    lines += [
        f"  - {{id: n{n}, label: h{n}, x: {n * 100}, y: 0, {kind}, configuration: '{configuration}{n}'}}" for n in range(nodes)
    ]
    lines += ["links:" if links else "links: []"]
    lines += [f"  - {{id: l{n}, n1: n{n}, n2: n{n + 1}, i1: i0, i2: i1}}" for n in range(links)]
    return "\n".join([*lines, ""])


def worker_on(server: SimulatedCml, **overrides: Any) -> Worker:
    """The worker of this server, ready."""
    fields = {"address_kind": "custom", "custom_endpoint": server.base_url, "cml_version": "2.9.1+build.7"}
    return make_worker(**(fields | overrides))


def lab_on(server: SimulatedCml, worker: Worker, text: str = "") -> Lab:
    """A lab that CML has and the portal has read."""
    made = client_of(server).import_lab(text or yaml_of())
    refresh_labs(now=timezone.now(), only=[worker.pk])
    return Lab.objects.select_related("worker").get(cml_id=made.lab_id)


def version_of(
    lab: Lab,
    text: str = "",
    *,
    why: LabVersionReason = LabVersionReason.ASKED,
    now: datetime | None = None,
    days_ago: float = 0,
) -> LabVersion:
    """A version, kept now or so many days ago."""
    at = (now or timezone.now()) - timedelta(days=days_ago)
    return keep(lab=lab, text=text or yaml_of(), of=Circumstances(why=why, actor=record.SYSTEM), now=at).version
