"""What the simulated CML answers to every call of the portal's client, held against names and types written down here.

The tables are the reference's recorded answers of 2.9.1 and what 2.10 changed; an answer has exactly these fields. They are kept
apart from the simulator on purpose: whoever changes an answer has to say so here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from cmlmanager.sandbox.cml.licence import NODE_FEATURE
from tests.sandbox.shapes import (
    BOOL_OR_NULL,
    LAB_STATES,
    NODE_STATES,
    NUMBER,
    TEXT_OR_NULL,
    WHOLE_OR_NULL,
    By,
    Named,
    Shape,
    aware,
    iso,
    naive,
    one_of,
    or_null,
    uuid,
    wrong,
)
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, SimulatedFleet, signed_in, start_simulated_cml

# --- the tables: what is in both versions, and what only one has

SIZES = {"used": NUMBER, "free": NUMBER, "total": NUMBER}
STATS = {
    "computes": By(
        {
            "*": {
                "hostname": str,
                "is_controller": bool,
                "stats": {
                    "cpu": {
                        "count": int,
                        "percent": NUMBER,
                        "model": str,
                        "hyperthreading": bool,
                        "predicted": int,
                        "load": [NUMBER],
                    },
                    "memory": SIZES,
                    "disk": SIZES,
                    "dominfo": dict.fromkeys(
                        [
                            "total_nodes",
                            "total_orphans",
                            "running_nodes",
                            "running_orphans",
                            "allocated_cpus",
                            "allocated_memory",
                        ],
                        int,
                    ),
                },
            }
        }
    ),
    "all": {"cpu": {"count": int, "percent": NUMBER}, "memory": SIZES, "disk": SIZES},
    "controller": {"disk": SIZES},
}
CHECKS = (
    "kvm_vmx_enabled enough_cpus lld_connected lld_synced libvirt fabric device_mux refplat_images_available docker_shim valid"
)
ATTEMPT = {
    "succeeded": or_null(naive),
    "attempted": or_null(naive),
    "scheduled": or_null(naive),
    "status": TEXT_OR_NULL,
    "failure": TEXT_OR_NULL,
    "success": TEXT_OR_NULL,
}
LICENSING = {
    "registration": {
        "status": one_of({"NOT_REGISTERED", "IN_PROGRESS", "COMPLETED", "FAILED", "EXPIRED"}),
        "smart_account": TEXT_OR_NULL,
        "virtual_account": TEXT_OR_NULL,
        "expires": or_null(naive),
        "register_time": ATTEMPT,
        "renew_time": ATTEMPT,
    },
    "authorization": {"status": str, "expires": or_null(naive), "renew_time": ATTEMPT},
    "features": [
        {
            "id": Named("a regid", lambda value: re.fullmatch(r"[a-zA-Z\d._,-]{1,128}", value)),
            "name": str,
            "description": str,
            "in_use": int,
            "status": str,
            "version": str,
            "min": int,
            "max": int,
            "minEndDate": TEXT_OR_NULL,
            "maxEndDate": TEXT_OR_NULL,
        }
    ],
    "reservation_mode": bool,
    "transport": {"default_ssms": str, "ssms": TEXT_OR_NULL, "proxy": {"server": TEXT_OR_NULL, "port": WHOLE_OR_NULL}},
    "udi": {"hostname": str, "product_uuid": str},
    "product_license": {"active": str, "is_enterprise": bool},
}
CONSOLES = [{"console_key": uuid, "label": str, "device_number": int}]
NODE = {
    "id": uuid,
    "lab_id": uuid,
    "label": str,
    "x": int,
    "y": int,
    "node_definition": str,
    "image_definition": TEXT_OR_NULL,
    "state": one_of(NODE_STATES),
    "boot_progress": one_of({"Not running", "Booting", "Booted"}),
    "cpus": int,
    "cpu_limit": WHOLE_OR_NULL,
    "ram": WHOLE_OR_NULL,
    "data_volume": WHOLE_OR_NULL,
    "boot_disk_size": WHOLE_OR_NULL,
    "hide_links": bool,
    "parameters": {},
    "tags": [str],
    "compute_id": or_null(uuid),
    "pinned_compute_id": or_null(uuid),
    "resource_pool": or_null(uuid),
    "vnc_key": TEXT_OR_NULL,
    "iol_app_id": WHOLE_OR_NULL,
    "serial_consoles": CONSOLES,
    "operational": None,
}
NODE_210 = {"priority": WHOLE_OR_NULL, "pyats": dict.fromkeys(("username", "password", "enable_password"), TEXT_OR_NULL)}
LINK = {
    "id": uuid,
    "lab_id": uuid,
    "label": str,
    "state": one_of(LAB_STATES),
    **dict.fromkeys(("node_a", "node_b", "interface_a", "interface_b"), uuid),
}
LAB = {
    "id": uuid,
    "created": aware,
    "modified": aware,
    "lab_title": str,
    "lab_description": str,
    "lab_notes": str,
    "owner": uuid,
    "owner_username": str,
    "owner_fullname": str,
    "state": one_of(LAB_STATES),
    "node_count": int,
    "link_count": int,
    "effective_permissions": [one_of({"lab_view", "lab_admin", "lab_exec", "lab_edit"})],
}
LAB_29 = {"groups": [{"id": uuid, "name": str, "permission": str}]}
STAGING = {"enabled": bool, "start_remaining": bool, "abort_on_failure": bool}
AUTOSTART = {"enabled": bool, "priority": WHOLE_OR_NULL, "delay": WHOLE_OR_NULL}
LAB_210 = {"autostart": AUTOSTART, "node_staging": STAGING}
NODE_IN_TOPOLOGY = {
    "id": uuid,
    "label": str,
    "x": int,
    "y": int,
    "node_definition": str,
    "image_definition": TEXT_OR_NULL,
    **dict.fromkeys(("cpus", "ram", "cpu_limit", "data_volume", "boot_disk_size"), WHOLE_OR_NULL),
    "hide_links": bool,
    "parameters": {},
    "tags": [str],
    "interfaces": [Named("an interface", lambda value: {"id", "label", "type", "mac_address"} <= set(value))],
}
LAB_IN_TOPOLOGY = {"version": str, "title": str, "description": str, "notes": str, "owner": uuid}
USER = {
    "id": uuid,
    "username": str,
    "fullname": str,
    "description": str,
    "email": TEXT_OR_NULL,
    "admin": bool,
    "groups": [uuid],
    "associations": [dict],
    "resource_pool": or_null(uuid),
    "tour_version": str,
    "pubkey_info": str,
    "created": aware,
    "modified": aware,
    "directory_dn": TEXT_OR_NULL,
    "labs": [uuid],
}
NOTICE = {
    "id": uuid,
    "level": one_of({"INFO", "SUCCESS", "WARNING", "ERROR"}),
    "label": str,
    "content": str,
    "enabled": bool,
    "activated": or_null(aware),
    "acknowledged": By({"*": bool}),
    "groups": [uuid],
}
HOST = {
    "id": uuid,
    "server_address": str,
    "hostname": str,
    **dict.fromkeys(("is_simulator", "is_connector", "is_connected", "is_synced"), bool),
    "admission_state": one_of({"UNREGISTERED", "REGISTERED", "ONLINE", "READY"}),
    "node_counts": dict.fromkeys(("total_nodes", "total_orphans", "running_nodes", "running_orphans"), WHOLE_OR_NULL),
}
TRAFFIC = dict.fromkeys(("readbytes", "readpackets", "writebytes", "writepackets", "drops"), int)
BUSY = {
    "cpu_usage": NUMBER,
    "block0_rd_bytes": int,
    "block0_wr_bytes": int,
    "times": {"QUEUED": int, "STARTED": int, "BOOTED": int},
}
IMAGE = dict.fromkeys(("id", "node_definition_id", "label", "description", "disk_image", "schema_version"), str)


def table(is_210: bool) -> dict[str, Shape]:
    """The shape of each answer by call; {lab} is the id of a running lab."""
    node, lab = (NODE | NODE_210, LAB | LAB_210) if is_210 else (NODE, LAB | LAB_29)
    health = dict.fromkeys(CHECKS.split(), BOOL_OR_NULL)
    controller: dict[str, Shape] = dict.fromkeys(("core_connected", "nodes_loaded", "images_loaded", "valid"), bool)
    information: dict[str, Shape] = {"version": str, "ready": bool, "allow_ssh_pubkey_auth": bool, "oui": TEXT_OR_NULL}
    topology_lab = LAB_IN_TOPOLOGY
    if is_210:
        health |= dict.fromkeys(("cpu_overload", "memory_overload", "disk_overload"), BOOL_OR_NULL)
        controller |= dict.fromkeys(("airhandler", "dispatcher", "ipsnooper", "pcapdemux"), BOOL_OR_NULL)
        information |= {"timeout": int, "features": [str]}
        topology_lab = topology_lab | {"autostart": AUTOSTART, "node_staging": STAGING}
    shapes: dict[str, Shape] = {
        "/system_information": information,
        "/system_stats": STATS,
        "/system_health": {
            "valid": BOOL_OR_NULL,
            "computes": By({"*": health | {"admission_state": str, "is_controller": bool, "hostname": str}}),
            "is_licensed": BOOL_OR_NULL,
            "is_enterprise": bool,
            "controller": controller,
        },
        "/system/compute_hosts": [HOST if is_210 else HOST | {"nodes": [uuid]}],
        "/system/maintenance_mode": {"maintenance_mode": bool, "notice": or_null(uuid), "resolved_notice": or_null(NOTICE)},
        "/system/notices": [NOTICE],
        "/licensing": LICENSING,
        "/telemetry": {"opt_in": one_of({"accepted", "declined", "unset"}) if is_210 else BOOL_OR_NULL, "show_modal": bool},
        "/telemetry/events": [{"category": str, "timestamp": iso, "data": dict}],
        "/users": [USER | {"opt_in": str if is_210 else BOOL_OR_NULL}],
        "/labs?show_all=true": [uuid],
        "/labs/{lab}": lab,
        "/labs/{lab}/state": one_of(LAB_STATES),
        "/labs/{lab}/check_if_converged": bool,
        "/labs/{lab}/lab_element_state": {
            "nodes": By({"*": one_of(NODE_STATES)}),
            "links": By({"*": one_of(LAB_STATES)}),
            "interfaces": By({"*": one_of(LAB_STATES)}),
        },
        "/labs/{lab}/nodes?data=true&operational=false&exclude_configurations=true": [node],
        "/nodes?operational=false&exclude_configurations=true": [node],
        "/labs/{lab}/topology?exclude_configurations=true": {
            "lab": topology_lab,
            "nodes": [NODE_IN_TOPOLOGY],
            "links": [LINK | {"conditioning": dict}],
            "annotations": [dict],
            "smart_annotations": [dict],
        },
        "/labs/{lab}/simulation_stats": {"nodes": By({"*": BUSY}), "links": By({"*": TRAFFIC})},
        "/labs/{lab}/events": [dict],
        "/labs/{lab}/associations": {"groups": [dict], "users": [dict]},
        "/populate_lab_tiles": {
            "lab_tiles": By(
                {
                    "*": lab
                    | {"topology": {"nodes": [node], "links": [LINK], "annotations": [dict], "smart_annotations": [dict]}}
                }
            )
        },
        "/image_definitions": [IMAGE | {"read_only": bool}],
    }
    if is_210:
        shapes["/diagnostics/dispatcher"] = [{"key": uuid, "connection": str, "clients": int, "last_used": aware}]
        shapes["/authentication"] = {"username": str, "id": uuid, "admin": bool, "error": TEXT_OR_NULL}
    return shapes


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    specs = [ServerSpec(demo="ccnp-encor-01"), ServerSpec(demo="devnet-sandbox")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs, speed=0) as fleet:
        for server in fleet:
            with signed_in(server) as client:
                client.post("/system/notices", json={"level": "INFO", "label": "Hello", "enabled": True})
        fleet[1].set_fault("")  # registered
        yield fleet


@pytest.fixture(scope="module")
def clients(fleet: SimulatedFleet) -> Iterator[list[httpx.Client]]:
    with signed_in(fleet[0]) as old, signed_in(fleet[1]) as new:
        yield [old, new]


def running_lab(client: httpx.Client) -> str:
    tiles = client.get("/populate_lab_tiles").json()["lab_tiles"]
    return next(lab for lab, tile in tiles.items() if tile["state"] == "STARTED")


@pytest.mark.parametrize(
    ("number", "call"), [(0, call) for call in table(False)] + [(1, call) for call in table(True)], ids=str
)
def test_an_answer_has_the_fields_and_types_of_a_real_one(clients: list[httpx.Client], number: int, call: str) -> None:
    client = clients[number]

    answer = client.get(call.replace("{lab}", running_lab(client)))

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content not in (b"[]", b"{}") or "associations" in call or "events" in call or "dispatcher" in call
    assert wrong(answer.json(), table(number == 1)[call], call) == []


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_written_answers_as_a_real_one(fleet: SimulatedFleet, clients: list[httpx.Client], number: int) -> None:
    server: SimulatedCml = fleet[number]
    client = clients[number]
    lab = running_lab(client)
    node = client.get(f"/labs/{lab}/nodes").json()[0]
    text = client.get(f"/labs/{lab}/download").text
    login = client.post("/auth_extended", json={"username": USERNAME, "password": PASSWORD}).json()
    account = {"username": str, "id": uuid, "token": str, "admin": bool, "error": TEXT_OR_NULL}
    assert wrong(login, account) == []
    assert wrong(client.put(f"/labs/{lab}/nodes/{node}/extract_configuration").json(), str) == []
    made = client.post("/import", params={"title": "Copy"}, content=text.encode()).json()
    assert wrong(made, {"id": uuid, "warnings": or_null([str])}) == []
    notice = client.post("/system/notices", json={"level": "INFO", "label": "x"}).json()
    assert wrong(notice, NOTICE) == []
    assert wrong(client.patch(f"/system/notices/{notice['id']}", json={"enabled": True}).json(), NOTICE) == []
    mode = table(number == 1)["/system/maintenance_mode"]
    assert wrong(client.patch("/system/maintenance_mode", json={"notice": notice["id"]}).json(), mode) == []
    server.set_fault("unlicensed")
    empty = [
        ("PUT", f"/labs/{lab}/stop", None),
        ("PUT", f"/labs/{lab}/wipe", None),
        ("DELETE", f"/labs/{lab}", None),
        ("DELETE", f"/system/notices/{notice['id']}", None),
        ("PUT", "/licensing/product_license", "CML_Enterprise"),
        ("POST", "/licensing/registration", {"token": "NDExMjQ4M2UtMGI0Ni00", "reregister": False}),
        ("PUT", "/licensing/registration/renew", None),
        ("PUT", "/licensing/authorization/renew", None),
        ("PATCH", "/licensing/features", [{"id": NODE_FEATURE, "count": 20}]),
        ("PUT", f"/labs/{made['id']}/start", None),
    ]
    for method, path, body in empty:
        answer = client.request(method, path, json=body) if body is not None else client.request(method, path)
        assert (path, answer.status_code, answer.content) == (path, 204, b"")


def test_the_check_finds_what_is_wrong() -> None:
    good = {"id": "90f84e38-a71c-4d57-8d90-00fa8a197385", "names": ["a"], "size": 1.5}
    shape = {"id": uuid, "names": [str], "size": NUMBER}
    assert wrong(good, shape) == []
    for bad in (
        {**good, "id": "x"},
        {**good, "names": [1]},
        {**good, "names": "a"},
        {**good, "size": True},
        {**good, "size": None},
        {**good, "more": 1},
        {"id": good["id"]},
        [],
    ):
        assert wrong(bad, shape)
