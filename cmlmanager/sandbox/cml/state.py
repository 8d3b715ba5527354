"""What a simulated CML server keeps over restarts, in one JSON file: hardware, accounts, labs, licence, notices and what was done."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from cmlmanager.sandbox.cml.elements import BOOTED, Interface, Lab, Link, Node, cml_time, wire
from cmlmanager.sandbox.cml.licence import Licence

T = TypeVar("T")
_TOLD = 5000  # the newest things told to telemetry; a real server keeps them all
ADMIN_ID = "00000000-0000-4000-a000-000000000000"


@dataclass(kw_only=True)
class User:
    """An account. All accounts of a server have its one password, but for those made through the API."""

    id: str
    username: str
    fullname: str
    admin: bool = False
    created: str = field(default_factory=cml_time)
    description: str = ""
    email: str | None = None
    groups: list[str] = field(default_factory=list)
    password: str | None = field(default=None, repr=False)


@dataclass(kw_only=True)
class Group:
    """A group of accounts, given by their ids."""

    id: str
    name: str
    description: str = ""
    members: list[str] = field(default_factory=list)
    created: str = field(default_factory=cml_time)


@dataclass(kw_only=True)
class Notice:
    """A banner in CML's own pages; `acknowledged` says by whom."""

    id: str
    level: str
    label: str
    content: str = ""
    enabled: bool = False
    activated: str | None = None
    acknowledged: dict[str, bool] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class CmlState:
    """Everything that a server keeps. `base_load` is its CPU percentage with no node running.

    `compute_id` is the controller, which starts nodes too; `more_computes` are the hosts beside it; `admissions` the states of hosts
    that somebody took out of service. `telemetry` holds what was done as `[category, epoch seconds, data]`, oldest first.
    """

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
    groups: list[Group] = field(default_factory=list)
    labs: dict[str, Lab] = field(default_factory=dict)
    more_computes: list[str] = field(default_factory=list)
    admissions: dict[str, str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    maintenance: bool = False
    maintenance_notice: str | None = None
    telemetry_opt_in: bool | None = None
    telemetry: list[list[Any]] = field(default_factory=list)
    due: float | None = None

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def is_210(self) -> bool:
        """Whether the version is 2.10 or newer, which changed several answers."""
        return self.minor >= (2, 10)

    def computes(self) -> dict[str, str]:
        """Host names of the compute hosts by their ids; the first is the controller."""
        others = {compute: f"cml-compute-{n}" for n, compute in enumerate(self.more_computes, start=1)}
        return {self.compute_id: self.hostname, **others}

    def compute_of(self, node: Node) -> str | None:
        """The host that a running node runs on, None for one that does not run."""
        hosts = list(self.computes())
        return hosts[int(node.id[:8], 16) % len(hosts)] if node.runs else None

    def user(self, *, username: str = "", user_id: str = "") -> User | None:
        """The account with this name or id."""
        return next((user for user in self.users if username == user.username or (user_id and user_id == user.id)), None)

    def running_nodes(self) -> int:
        """Number of booted nodes in all labs."""
        return sum(node.state == BOOTED for lab in self.labs.values() for node in lab.nodes)

    def active_nodes(self) -> int:
        """Number of nodes that run or are about to, of the kinds that need a licence."""
        return sum(node.active and node.definition.licensed for node in self.nodes())

    def nodes(self) -> list[Node]:
        """All nodes of all labs."""
        return [node for lab in self.labs.values() for node in lab.nodes]

    def settle(self, now: float) -> None:
        """Bring licence and labs to where they are at this moment; costs nothing while nothing is due."""
        self.licence.settle(now)
        if self.due is not None and self.due <= now:
            for lab in self.labs.values():
                for at, node, reached in lab.settle(now):
                    self._tell_node(lab, node, reached, at)
            self.schedule()

    def _tell_node(self, lab: Lab, node: Node, reached: str, at: float) -> None:
        category = {"STARTED": "start_node", "BOOTED": "boot_node", "STOPPED": "stop_node"}.get(reached)
        if category:
            self.tell(category, at, lab_id=lab.id, node_id=node.id, node_definition=node.node_definition)

    def schedule(self) -> None:
        """Work out when the next thing happens."""
        self.due = min((due for lab in self.labs.values() if (due := lab.due()) is not None), default=None)

    def tell(self, category: str, at: float, **data: Any) -> None:
        """Remember what was done, when telemetry is on."""
        if self.telemetry_opt_in:
            self.telemetry = [*self.telemetry[1 - _TOLD :], [category, at, data]]

    def renew_secret(self) -> None:
        """Void every token signed so far."""
        self.jwt_secret = secrets.token_hex(32)

    def save(self, path: Path) -> None:
        """Replace the file at once, so that a process killed meanwhile leaves the old or the new state, never half of one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(self, default=vars), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> CmlState:
        """The state in `path`. Raises FileNotFoundError, or ValueError, KeyError or TypeError for a file that is not one."""
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        parts = {
            "licence": _made(Licence, raw["licence"]),
            "users": [_made(User, user) for user in raw["users"]],
            "groups": [_made(Group, group) for group in raw.get("groups", [])],
            "notices": [_made(Notice, notice) for notice in raw.get("notices", [])],
            "labs": {lab["id"]: _lab(lab) for lab in raw["labs"].values()},
        }
        return _made(cls, {**raw, **parts})


def _lab(raw: dict[str, Any]) -> Lab:
    nodes = [
        _made(Node, {**node, "interfaces": [_made(Interface, one) for one in node.get("interfaces", [])]})
        for node in raw["nodes"]
    ]
    links = [_made(Link, link) for link in raw["links"]]
    wire(nodes, links)
    return _made(Lab, {**raw, "nodes": nodes, "links": links})


def _made(kind: type[T], raw: dict[str, Any]) -> T:
    """An object of what a file has of its fields: files of older versions lack some and have others."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in raw.items() if name in known})
