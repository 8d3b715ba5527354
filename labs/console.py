"""How a person reaches the consoles of a lab's nodes: commands to copy, which are shown and never run."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from labs.choices import NodeState
from labs.models import Lab


@dataclass(frozen=True)
class Console:
    """`ssh` opens CML's console server, `open` in it one node's first line. `node` is that node's label."""

    ssh: str
    open: str
    node: str


def console_of(lab: Lab) -> Console | None:
    """The commands for a running node of the lab, else for any; None when the worker has no address or nothing is there."""
    nodes = lab.topology.get("nodes") or []
    host = urlsplit(lab.worker.endpoint).hostname if lab.worker and not lab.is_gone else ""
    if not host or not nodes:
        return None
    node = next((one for one in nodes if NodeState.read(one["state"]).is_running), nodes[0])
    # A title with a slash or a line break would name another place, or be another command: then CML's ids are used.
    title = lab.title if _is_one_name(lab.title) else lab.cml_id
    label = node["label"] if _is_one_name(node["label"]) else node["id"]
    return Console(f"ssh USER@{host}", f"open /{title}/{label}/0", node["label"] or node["id"])


def _is_one_name(text: str) -> bool:
    return bool(text.strip()) and text.isprintable() and "/" not in text and "\\" not in text and text == text.strip()
