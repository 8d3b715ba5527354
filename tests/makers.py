"""Rows for tests, with believable defaults."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from workers.models import Worker
from workers.services.fleet_refresh import tag_text

_numbers = itertools.count(1)


def make_worker(**overrides: Any) -> Worker:
    """A running, ready worker; anything can be said otherwise."""
    number = next(_numbers)
    moment = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    fields: dict[str, Any] = {
        "name": f"worker-{number:03}",
        "region": "us-east-1",
        "instance_id": f"i-{number:017x}",
        "instance_type": "m5zn.metal",
        "zone": "us-east-1a",
        "public_address": f"127.78.{number // 250}.{number % 250 + 1}",
        "private_address": f"10.20.{number // 250}.{number % 250 + 1}",
        "machine_state": "running",
        "machine_state_since": moment,
        "service_state": "ready",
        "license_state": "registered",
        "cpu": 40.0,
        "cpu_source": "cml",
        "memory": 30.0,
        "disk": 20.0,
        "nodes_running": 5,
        "nodes_total": 9,
        "labs_running": 2,
        "labs_total": 4,
        "aws_checked_at": moment,
        "aws_succeeded_at": moment,
    }
    fields |= overrides
    fields.setdefault("tag_text", tag_text(fields.get("tags", {})))
    return Worker.objects.create(**fields)
