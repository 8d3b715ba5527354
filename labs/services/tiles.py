"""Tiles as CML tells them, as fields of a lab: which are whole, and which say the same as before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from labs.choices import LabState, NodeState
from workers.clients import cml

LONGEST = 128  # characters of a label, an id or the name of a definition: more is no name


def is_odd(tile: cml.Lab) -> bool:
    """Whether a tile tells only that its lab is there: half an answer."""
    return not tile.title or not tile.state


def by_id(tiles: Iterable[cml.Lab]) -> dict[str, cml.Lab]:
    """CML's id → tile. Of several with one id, the last that tells anything."""
    found: dict[str, cml.Lab] = {}
    for tile in tiles:
        if tile.lab_id and (tile.lab_id not in found or not is_odd(tile)):
            found[tile.lab_id] = tile
    return found


def told(tile: cml.Lab) -> dict[str, Any]:
    """What `tile` tells, as fields of a lab. A field that it does not tell is not in it."""
    fields: dict[str, Any] = {
        "title": tile.title[:255],
        "owner_id": tile.owner_id[:64],
        "owner_username": tile.owner_username[:64],
        "owner_fullname": tile.owner_fullname[:128],
        "node_count": tile.node_count,
        "link_count": tile.link_count,
        "cml_created_at": tile.created_at,
        "cml_modified_at": tile.modified_at,
    }
    fields = {name: value for name, value in fields.items() if value not in ("", None)}
    if tile.state:
        fields |= {"state": tile.state if tile.state in LabState.values else "", "state_text": tile.state[:64]}
    if is_odd(tile):
        return fields
    # Of a whole tile these may truly be empty.
    fields |= {"description": tile.description, "notes": tile.notes, "associations": [asdict(group) for group in tile.groups]}
    topology = tile.topology if isinstance(tile, cml.LabTile) else None
    if topology is None or (not topology.nodes and tile.node_count):
        return fields
    return fields | _picture(topology)


def digest_of(tile: cml.Lab) -> str:
    """The same for tiles that tell the same; "" for an odd one, which is never the whole truth."""
    if is_odd(tile):
        return ""
    return hashlib.sha256(json.dumps(told(tile), sort_keys=True, default=str).encode()).hexdigest()


def _picture(topology: cml.Topology) -> dict[str, Any]:
    """Nodes and links as Lab.topology has them, in the order of their ids: CML's own order may change."""
    nodes = [_node(node) for node in sorted(topology.nodes, key=lambda node: node.node_id) if node.node_id]
    links = [
        {
            "id": link.link_id[:LONGEST],
            "node_a": link.node_a[:LONGEST],
            "node_b": link.node_b[:LONGEST],
            "state": link.state[:32],
        }
        for link in sorted(topology.links, key=lambda link: link.link_id)
    ]
    definitions = sorted({node["node_definition"] for node in nodes if node["node_definition"]})
    return {
        "topology": {"nodes": nodes, "links": links},
        "nodes_running": sum(NodeState.read(node["state"]).is_running for node in nodes),
        "node_definitions": "".join(f"\n{name}" for name in definitions) + ("\n" if definitions else ""),
    }


def _node(node: cml.LabNode) -> dict[str, Any]:
    return {
        "id": node.node_id[:LONGEST],
        "label": node.label[:LONGEST],
        "x": node.x,
        "y": node.y,
        "node_definition": node.node_definition[:LONGEST],
        "image_definition": node.image_definition[:LONGEST],
        "state": node.state[:32],
        "cpus": node.cpus,
        "ram": node.ram,
    }
