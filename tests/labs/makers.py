"""Labs for tests, with believable defaults."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from labs.models import Lab
from tests.makers import make_worker
from workers.models import Worker


def node(number: int, **overrides: Any) -> dict[str, Any]:
    """A node as Lab.topology has it; they stand in a row."""
    fields: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{number:012x}",
        "label": f"r{number}",
        "x": number * 160,
        "y": 0,
        "node_definition": "iosv",
        "image_definition": "iosv-159-3-m10",
        "state": "DEFINED_ON_CORE",
        "cpus": 1,
        "ram": 768 * 1024 * 1024,
    }
    return fields | overrides


def link(one: dict[str, Any], other: dict[str, Any], state: str = "DEFINED_ON_CORE") -> dict[str, Any]:
    """A link as Lab.topology has it."""
    return {"id": str(uuid.uuid4()), "node_a": one["id"], "node_b": other["id"], "state": state}


def make_lab(worker: Worker | None = None, /, **overrides: Any) -> Lab:
    """A stopped lab of two routers on a running worker; anything can be said otherwise."""
    moment = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    nodes = [node(1), node(2)]
    fields: dict[str, Any] = {
        "worker": worker or make_worker(labs_succeeded_at=moment),
        "cml_id": str(uuid.uuid4()),
        "title": "CCNA: VLANs",
        "state": "STOPPED",
        "state_text": "STOPPED",
        "state_since": moment,
        "owner_id": "7d3c1f0e-0000-4000-8000-000000000001",
        "owner_username": "mei",
        "node_count": 2,
        "link_count": 1,
        "nodes_running": 0,
        "topology": {"nodes": nodes, "links": [link(*nodes)]},
        "node_definitions": "\niosv\n",
        "first_seen_at": moment,
        "last_seen_at": moment,
    }
    fields |= overrides
    fields.setdefault("worker_name", str(fields["worker"]))
    return Lab.objects.create(**fields)
