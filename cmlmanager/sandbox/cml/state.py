"""What a simulated CML server keeps over restarts: hardware, users, labs and licence, in one JSON file."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from cmlmanager.sandbox.cml.licence import Licence

T = TypeVar("T")
ADMIN_ID = "00000000-0000-4000-a000-000000000000"


def cml_time(moment: datetime | None = None) -> str:
    """A time as CML writes it in labs: `2025-12-06T11:11:28+00:00`; now when none is given."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")


@dataclass(kw_only=True)
class Node:
    """A node of a lab. `ram` is in MB, `x` and `y` are pixels on the canvas."""

    id: str
    label: str
    x: int
    y: int
    node_definition: str
    image_definition: str | None
    cpus: int
    ram: int
    state: str


@dataclass(kw_only=True)
class Link:
    """A link between two nodes, which are given by their ids."""

    id: str
    node_a: str
    node_b: str
    state: str


@dataclass(kw_only=True)
class Lab:
    """A lab; `owner` is a user's id, `created` and `modified` are in CML's notation."""

    id: str
    title: str
    description: str
    notes: str
    owner: str
    state: str
    created: str
    modified: str
    nodes: list[Node] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def set_state(self, state: str) -> None:
        """Bring the lab with its nodes and links to DEFINED_ON_CORE, STOPPED or STARTED."""
        self.state = state
        self.modified = cml_time()
        for node in self.nodes:
            node.state = "BOOTED" if state == "STARTED" else state
        for link in self.links:
            link.state = state


@dataclass(kw_only=True)
class User:
    """An account. All accounts of a server have its one password."""

    id: str
    username: str
    fullname: str
    admin: bool = False
    created: str = field(default_factory=cml_time)


@dataclass(kw_only=True)
class CmlState:
    """Everything that a server keeps. `base_load` is its CPU percentage with no node running."""

    instance_id: str
    hostname: str
    version: str
    cpus: int
    memory_gib: int
    disk_gib: int
    base_load: float
    compute_id: str
    product_uuid: str
    created_at: float
    jwt_secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    licence: Licence = field(default_factory=Licence)
    users: list[User] = field(default_factory=list)
    labs: dict[str, Lab] = field(default_factory=dict)

    def user(self, *, username: str = "", user_id: str = "") -> User | None:
        """The account with this name or id."""
        return next((user for user in self.users if username == user.username or (user_id and user_id == user.id)), None)

    def running_nodes(self) -> int:
        """Number of booted nodes in all labs."""
        return sum(node.state == "BOOTED" for lab in self.labs.values() for node in lab.nodes)

    def active_nodes(self) -> int:
        """Number of nodes that run or are about to."""
        return sum(node.state not in ("DEFINED_ON_CORE", "STOPPED") for node in self.nodes())

    def nodes(self) -> list[Node]:
        """All nodes of all labs."""
        return [node for lab in self.labs.values() for node in lab.nodes]

    def renew_secret(self) -> None:
        """Void every token signed so far."""
        self.jwt_secret = secrets.token_hex(32)

    def save(self, path: Path) -> None:
        """Replace the file at once, so that a process killed meanwhile leaves the old or the new state, never half of one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> CmlState:
        """The state in `path`. Raises FileNotFoundError, or ValueError, KeyError or TypeError for a file that is not one."""
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        labs = {}
        for lab in raw["labs"].values():
            parts = {"nodes": [_made(Node, n) for n in lab["nodes"]], "links": [_made(Link, k) for k in lab["links"]]}
            labs[lab["id"]] = _made(Lab, {**lab, **parts})
        users = [_made(User, user) for user in raw["users"]]
        return _made(cls, {**raw, "licence": _made(Licence, raw["licence"]), "users": users, "labs": labs})


def _made(kind: type[T], raw: dict[str, Any]) -> T:
    """An object of what a file has of its fields: files of older versions lack some and have others."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in raw.items() if name in known})
