"""Cisco's own client library, unchanged, works against the simulated CML over HTTPS that it verifies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from virl2_client import ClientLibrary
from virl2_client.exceptions import APIError, LabNotFound
from virl2_client.models import Lab

from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, SimulatedFleet, start_simulated_cml

# the library hands httpx a file's name, which httpx would rather not have
pytestmark = pytest.mark.filterwarnings("ignore:.verify=<str>. is deprecated:DeprecationWarning")
TOPOLOGY = """
nodes:
  - {id: n0, label: r1, node_definition: iosv, x: 0, y: 0, configuration: "hostname r1\\n",
     interfaces: [{id: i0, label: Loopback0, type: loopback}, {id: i1, label: GigabitEthernet0/0, slot: 0, type: physical}]}
  - {id: n1, label: outside, node_definition: external_connector, x: 160, y: 0, configuration: NAT,
     interfaces: [{id: i0, label: port, slot: 0, type: physical}]}
links:
  - {id: l0, n1: n0, i1: i1, n2: n1, i2: i0}
lab: {title: From a file, description: "", notes: "", version: 0.3.0}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    specs = [ServerSpec(demo="ccnp-encor-01"), ServerSpec(demo="devnet-sandbox")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs, speed=25) as fleet:
        yield fleet


@pytest.fixture(params=[0, 1], ids=["2.9", "2.10"])
def server(fleet: SimulatedFleet, request: pytest.FixtureRequest) -> SimulatedCml:
    return fleet[request.param]


@pytest.fixture
def library(server: SimulatedCml, tmp_path: Path) -> ClientLibrary:
    """Trusts the server's own certificate and no other."""
    (tmp_path / "ca.pem").write_text(server.certificate)
    return ClientLibrary(
        server.base_url,
        USERNAME,
        PASSWORD,
        ssl_verify=str(tmp_path / "ca.pem"),
        raise_for_auth_failure=True,
        convergence_wait_time=0.05,
    )


def converged(lab: Lab) -> None:
    lab.wait_until_lab_converged(max_iterations=200, wait_time=0.05)  # type: ignore[arg-type]


def test_it_connects_lists_and_reads(library: ClientLibrary) -> None:
    assert library.is_system_ready()
    assert library.get_lab_list() == []
    labs = library.all_labs(show_all=True)
    assert len(labs) in (5, 8)
    lab = next(lab for lab in labs if lab.is_active())
    assert lab.owner in ("ana", "tomas")
    assert {node.state for node in lab.nodes()} == {"BOOTED"}
    assert len(lab.links()) >= len(lab.nodes()) - 1
    lab.sync()
    assert all(node.cpu_usage > 0 for node in lab.nodes() if node.node_definition != "external_connector")
    assert [found.id for found in library.find_labs_by_title(str(lab.title))] == [lab.id]


def test_a_lab_is_imported_started_stopped_wiped_and_removed(library: ClientLibrary) -> None:
    before = set(library.get_lab_list(show_all=True))
    lab = library.import_lab(TOPOLOGY, title="Mine")
    assert set(library.get_lab_list(show_all=True)) - before == {lab.id}
    assert (lab.title, [node.label for node in lab.nodes()]) == ("Mine", ["r1", "outside"])
    assert lab.state() == "DEFINED_ON_CORE"

    lab.start(wait=False)
    assert lab.state() == "STARTED"
    assert lab.has_converged() is False
    converged(lab)
    lab.sync_states()
    assert {node.state for node in lab.nodes()} == {"BOOTED"}
    assert {link.state for link in lab.links()} == {"STARTED"}
    lab.get_node_by_label("r1").extract_configuration()
    assert "hostname r1" in lab.download()
    with pytest.raises(APIError, match="Cannot delete a running lab"):
        library.remove_lab(lab)

    lab.stop(wait=False)
    converged(lab)
    assert lab.state() == "STOPPED"
    lab.wipe(wait=False)
    assert lab.state() == "DEFINED_ON_CORE"
    library.remove_lab(lab)
    assert set(library.get_lab_list(show_all=True)) == before
    with pytest.raises(LabNotFound):
        library.join_existing_lab(str(lab.id))


def test_a_lab_is_built_by_hand(library: ClientLibrary) -> None:
    lab = library.create_lab("By hand", description="d")
    lab.wait_for_convergence = False
    one = lab.create_node("one", "iosv", 0, 0, populate_interfaces=True)
    other = lab.create_node("other", "alpine", 100, 0)
    link = lab.connect_two_nodes(one, other)
    assert [found.id for found in lab.links()] == [link.id]
    one.label = "first"
    lab.sync()
    assert lab.get_node_by_label("first").id == one.id
    link.remove()
    one.remove()
    lab.remove()


def test_the_licence_is_read_registered_and_given_back(library: ClientLibrary, server: SimulatedCml) -> None:
    licensing = library.licensing
    licensing.wait_interval = 0.05
    server.set_fault("unlicensed")
    assert licensing.status()["registration"]["status"] == "NOT_REGISTERED"
    assert licensing.register_wait("NDExMjQ4M2UtMGI0Ni00") is True
    assert licensing.status()["authorization"]["status"] == "IN_COMPLIANCE"
    with pytest.raises(APIError, match="Cannot de-register when nodes are running"):
        licensing.deregister()
    assert licensing.set_product_license("CML_Enterprise") is True
    assert licensing.set_default_transport() is True
    assert licensing.renew_authorization() is True


def test_the_system_is_read_and_changed(library: ClientLibrary) -> None:
    system = library.system_management
    assert len(system.compute_hosts) == 1
    assert system.controller.hostname == "cml-controller"
    assert system.maintenance_mode is False
    assert len(system.get_telemetry_events()) > 100
    assert system.get_external_connectors()[0]["label"] == "NAT"
    assert library.get_system_health()["valid"] is True
    assert library.get_system_stats()["computes"]
    assert {kind["id"] for kind in library.definitions.node_definitions()} >= {"iosv", "external_connector"}
    assert {user["username"] for user in library.user_management.users()} >= {"admin"}
    assert library.group_management.groups() == []
    assert library.resource_pool_management.resource_pools == {}
    assert library.logout() is True


def test_without_verification_it_works_too(fleet: SimulatedFleet) -> None:
    library = ClientLibrary(fleet[0].base_url, USERNAME, PASSWORD, ssl_verify=False, raise_for_auth_failure=True)

    assert library.system_info()["ready"] is True
