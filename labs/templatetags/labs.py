"""How labs and their pictures are drawn. Nothing here depends on who looks; everything from outside is escaped by the templates."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from django import template
from django.utils.safestring import SafeString

from cmlmanager import runtime
from labs.choices import NodeState, Standing
from labs.models import Lab
from labs.topology import picture_of
from workers.choices import MachineState
from workers.models import Worker, stale_after
from workers.templatetags.fleet import age

register = template.Library()

# What a node is drawn as → heroicons name, mini.
KINDS = {
    "cloud": "cloud",
    "firewall": "shield-check",
    "host": "computer-desktop",
    "router": "arrows-pointing-out",
    "server": "server",
    "switch": "arrows-right-left",
}


@register.simple_tag
def labs_age(worker: Worker | None) -> SafeString:
    """When the worker's labs were last read. They are asked for only while the machine runs."""
    if worker is None:
        return SafeString("–")
    if worker.machine_state != MachineState.RUNNING:
        return age(worker.labs_succeeded_at)
    return age(worker.labs_succeeded_at, stale_after(runtime.value("LABS_INTERVAL")).total_seconds(), f"labs:{worker.pk}")


@register.simple_tag
def nodes_running(lab: Lab) -> int | None:
    """How many nodes run; None when that is not known now."""
    return None if lab.standing in {Standing.AWAY, Standing.GONE} else lab.nodes_running


@register.inclusion_tag("labs/components/topology.html")
def topology(lab: Lab) -> dict[str, Any]:
    """The picture of a lab, with how many nodes are in which state. The table of its nodes tells the same in words."""
    picture = picture_of(lab.topology)
    counts = Counter(NodeState.read(str(node["state"])) for node in lab.topology.get("nodes") or [])
    return {
        "lab": lab,
        "picture": picture,
        "states": [(state, counts[state]) for state in NodeState if counts[state]],
        "kinds": [(kind, KINDS[kind]) for kind in sorted({spot.kind for spot in picture.spots})],
        "sentence": _sentence(len(picture.spots), len(picture.lines)),
    }


def _sentence(nodes: int, links: int) -> str:
    return f"{nodes} node{'' if nodes == 1 else 's'}, {links} link{'' if links == 1 else 's'}"


@register.filter
def nodes_in_order(lab: Lab) -> list[dict[str, Any]]:
    """The nodes for a table, by label as people count (R2 before R10), each with its NodeState and its links' number."""
    ends = Counter(link[end] for link in lab.topology.get("links") or [] for end in ("node_a", "node_b"))
    nodes = [
        node | {"look": NodeState.read(str(node["state"])), "links": ends[node["id"]]}
        for node in lab.topology.get("nodes") or []
    ]
    return sorted(nodes, key=lambda node: (_natural(str(node["label"])), node["id"]))


def _natural(label: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() and len(part) < 12 else (-1, part.lower()) for part in re.split(r"(\d+)", label)
    ]
