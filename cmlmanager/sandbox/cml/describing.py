"""How labs and what is in them look in answers."""

from __future__ import annotations

import random
import uuid
from typing import Any

from cmlmanager.sandbox.cml.elements import BOOTED, STARTED, Interface, Lab, Link, Node, mac_of
from cmlmanager.sandbox.cml.finding import permissions
from cmlmanager.sandbox.cml.state import CmlState, User

_PROGRESS = {BOOTED: "Booted", STARTED: "Booting"}


def lab_answer(state: CmlState, lab: Lab, user: User) -> dict[str, Any]:
    """A lab without its topology."""
    owner = state.user(user_id=lab.owner)
    answer: dict[str, Any] = {
        "id": lab.id,
        "created": lab.created,
        "modified": lab.modified,
        "lab_title": lab.title,
        "lab_description": lab.description,
        "lab_notes": lab.notes,
        "owner": lab.owner,
        "owner_username": owner.username if owner else "",
        "owner_fullname": owner.fullname if owner else "",
        "state": lab.state,
        "node_count": len(lab.nodes),
        "link_count": len(lab.links),
        "effective_permissions": permissions(state, lab, user),
    }
    if state.is_210:
        return {**answer, "autostart": lab.autostart, "node_staging": lab.node_staging}
    return {**answer, "groups": [_old_group(state, one) for one in lab.associations["groups"]]}


def _old_group(state: CmlState, shared: dict[str, Any]) -> dict[str, str]:
    name = next((group.name for group in state.groups if group.id == shared["id"]), "")
    writes = "lab_edit" in shared["permissions"]
    return {"id": shared["id"], "name": name, "permission": "read_write" if writes else "read_only"}


def tile_answer(state: CmlState, lab: Lab, user: User) -> dict[str, Any]:
    """A lab with its topology, as the tiles of CML's dashboard hold it."""
    by_id = {node.id: node for node in lab.nodes}
    topology = {
        "nodes": [node_answer(state, lab, node, configurations=False) for node in lab.nodes],
        "links": [link_answer(lab, link, by_id) for link in lab.links],
        "annotations": lab.annotations,
        "smart_annotations": lab.smart_annotations,
    }
    return {**lab_answer(state, lab, user), "topology": topology}


def node_answer(
    state: CmlState, lab: Lab, node: Node, *, configurations: bool = True, operational: bool = False
) -> dict[str, Any]:
    """A node. What it runs with is in `operational`, which is null unless asked for."""
    runtime = {
        "compute_id": state.compute_of(node),
        "vnc_key": None,
        "resource_pool": None,
        "iol_app_id": None,
        "serial_consoles": consoles(node),
    }
    kept = {"cpu_limit": 100, "data_volume": 0, "boot_disk_size": 0, "hide_links": False, "parameters": {}, **node.extras}
    answer = {
        "id": node.id,
        "lab_id": lab.id,
        "label": node.label,
        "x": node.x,
        "y": node.y,
        "node_definition": node.node_definition,
        "image_definition": node.image_definition,
        "state": node.state,
        "boot_progress": _PROGRESS.get(node.state, "Not running"),
        "cpus": node.cpus,
        "ram": node.ram,
        "tags": node.tags,
        "pinned_compute_id": None,
        **kept,
        **runtime,
        "operational": None,
    }
    if state.is_210:
        answer = {"priority": None, "pyats": {"username": None, "password": None, "enable_password": None}, **answer}
    if operational:
        sizes = ("boot_disk_size", "cpu_limit", "cpus", "data_volume", "ram", "image_definition")
        answer["operational"] = {**{name: answer[name] for name in sizes}, **runtime}
    if configurations:
        answer["configuration"] = configuration_answer(state, node)
    return answer


def configuration_answer(state: CmlState, node: Node) -> Any:
    """Named files since 2.7, before that one text; null for a node without."""
    files = node.files()
    if not files:
        return None
    if node.node_definition == "external_connector" or state.minor < (2, 7):
        return files[0]["content"]
    return files


def consoles(node: Node) -> list[dict[str, Any]]:
    """The serial consoles of a running node."""
    if not node.runs or not node.ram:
        return []
    return [{"console_key": console_key(node), "label": "Serial0", "device_number": 0}]


def console_key(node: Node) -> str:
    """The key of a node's console, the same for the whole run."""
    return str(uuid.UUID(int=random.Random(f"{node.id}/{node.since.get(STARTED)}").getrandbits(128), version=4))


def link_answer(lab: Lab, link: Link, by_id: dict[str, Node]) -> dict[str, Any]:
    """A link; `by_id` are the lab's nodes."""
    return {
        "id": link.id,
        "lab_id": lab.id,
        "label": link.label,
        "state": lab.link_state(link, by_id),
        "node_a": link.node_a,
        "node_b": link.node_b,
        "interface_a": link.interface_a,
        "interface_b": link.interface_b,
        "link_capture_key": None,
    }


def interface_answer(lab: Lab, node: Node, interface: Interface, *, operational: bool = False) -> dict[str, Any]:
    """An interface."""
    mac = mac_of(interface) if node.runs else interface.mac_address
    runtime = {"mac_address": mac, "src_udp_port": None, "dst_udp_port": None, "device_name": None}
    return {
        "id": interface.id,
        "lab_id": lab.id,
        "node": node.id,
        "label": interface.label,
        "slot": interface.slot,
        "type": interface.type,
        "mac_address": interface.mac_address,
        "is_connected": lab.link_of(interface.id) is not None,
        "state": lab.interface_state(node, interface),
        "operational": runtime if operational else None,
    }
