"""Labs with their nodes, interfaces and links, and how they come from one state to the next in the course of time.

A node on its way has an agenda of states with the moments at which it reaches them; `Lab.settle` moves it along. What a link, an
interface or the lab itself shows follows from the nodes, so nothing else is kept of it.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cmlmanager.sandbox.cml.definitions import NodeDefinition, default_configuration, definition
from cmlmanager.sandbox.cml.pace import Pace

DEFINED, STOPPED, QUEUED, STARTING, STARTED, BOOTED = "DEFINED_ON_CORE", "STOPPED", "QUEUED", "STARTING", "STARTED", "BOOTED"
_RUNS = (STARTED, BOOTED)
_IDLE = (DEFINED, STOPPED)
# Seconds: until the first node is launched, between two launches, what a launch takes, between two halts.
QUEUE, LAUNCH, LAUNCHING, HALT = 1.0, 1.5, 0.7, 0.8
_REMEMBERED = 500  # a lab's newest events


def cml_time(moment: datetime | float | None = None) -> str:
    """A time as CML writes it in labs: `2025-12-06T11:11:28+00:00`; now when none is given."""
    if isinstance(moment, int | float):
        moment = datetime.fromtimestamp(moment, UTC)
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")


def new_id() -> str:
    """The id of a new element."""
    return str(uuid.uuid4())


@dataclass(kw_only=True)
class Interface:
    """A port of a node. `slot` is None for a loopback; `held` says that somebody stopped it by hand."""

    id: str = field(default_factory=new_id)
    label: str
    slot: int | None
    type: str = "physical"
    mac_address: str | None = None
    held: bool = False


@dataclass(kw_only=True)
class Node:
    """A node of a lab. `ram` is in MB, `x` and `y` are pixels on the canvas.

    `agenda` holds `[epoch seconds, state]`, earliest first; `since` when it entered the states of its present run; `configuration` is
    what somebody gave it, None for its definition's own; `extras` are the fields that are only kept and given back.
    """

    id: str = field(default_factory=new_id)
    label: str
    x: int
    y: int
    node_definition: str
    image_definition: str | None
    cpus: int
    ram: int
    state: str = DEFINED
    configuration: list[dict[str, str]] | None = None
    tags: list[str] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)
    interfaces: list[Interface] = field(default_factory=list)
    agenda: list[list[Any]] = field(default_factory=list)
    since: dict[str, float] = field(default_factory=dict)

    @property
    def definition(self) -> NodeDefinition:
        """What kind of node it is."""
        return definition(self.node_definition)

    @property
    def active(self) -> bool:
        """Whether it runs or is about to."""
        return self.state not in _IDLE

    @property
    def runs(self) -> bool:
        """Whether it has been launched."""
        return self.state in _RUNS

    def files(self) -> list[dict[str, str]]:
        """Its configuration as named files, none for a kind that takes no configuration."""
        if self.configuration is not None:
            return self.configuration
        text = default_configuration(self.node_definition, self.label)
        return [{"name": self.definition.file, "content": text}] if text else []

    def start(self, *, at: float, queued: float, pace: Pace, starting: bool) -> None:
        """Be queued at `queued`, launched at `at`, and booted when its kind takes no longer. `starting`: show the launch, as 2.10 does."""
        self._enter(QUEUED, queued)
        launched = at + pace.lasts(LAUNCHING)
        shown = [[at, STARTING]] if starting else []
        self.agenda = [*shown, [launched, STARTED], [launched + pace.lasts(self.definition.boots), BOOTED]]

    def stop(self, *, at: float) -> None:
        """Be stopped at `at`."""
        self.agenda = [[at, STOPPED]]

    def settle(self, now: float) -> list[tuple[float, str, str]]:
        """Reach what has become due: the moments with the state before and the one reached."""
        reached = []
        while self.agenda and self.agenda[0][0] <= now:
            at, state = self.agenda.pop(0)
            reached.append((at, self.state, state))
            self._enter(state, at)
        return reached

    def _enter(self, state: str, at: float) -> None:
        self.state = state
        self.since = {} if state in _IDLE else {**self.since, state: at}

    def new_interface(self, *, slot: int | None = None) -> Interface:
        """Add the interface in this slot, or in the first free one. Raises ValueError when there is none."""
        taken = {one.slot for one in self.interfaces}
        chosen = next((n for n in range(self.definition.most) if n not in taken), None) if slot is None else slot
        if chosen is None or chosen in taken or chosen >= self.definition.most:
            raise ValueError(f"no free slot on {self.label}")
        made = Interface(label=self.definition.port(chosen), slot=chosen)
        self.interfaces.append(made)
        return made

    def new_loopback(self) -> None:
        """Add Loopback0, when its kind has one."""
        if self.definition.loopback:
            self.interfaces.append(Interface(label="Loopback0", slot=None, type="loopback"))


@dataclass(kw_only=True)
class Link:
    """A link between two interfaces of two nodes, all given by their ids; `held` says that somebody stopped it by hand."""

    id: str = field(default_factory=new_id)
    node_a: str
    node_b: str
    interface_a: str = ""
    interface_b: str = ""
    label: str = ""
    held: bool = False
    conditioning: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Lab:
    """A lab; `owner` is a user's id, `created` and `modified` are in CML's notation.

    `empty_state` is the state while it has no node. `events` are what `/events` gives, newest last.
    """

    id: str
    title: str
    description: str
    notes: str
    owner: str
    created: str
    modified: str
    nodes: list[Node] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    empty_state: str = DEFINED
    associations: dict[str, Any] = field(default_factory=lambda: {"groups": [], "users": []})
    autostart: dict[str, Any] = field(default_factory=lambda: {"enabled": False, "priority": None, "delay": None})
    node_staging: dict[str, Any] = field(
        default_factory=lambda: {"enabled": False, "start_remaining": True, "abort_on_failure": False}
    )
    annotations: list[dict[str, Any]] = field(default_factory=list)
    smart_annotations: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """STARTED while any node runs or is about to, DEFINED_ON_CORE while none ever ran, otherwise STOPPED."""
        if not self.nodes:
            return self.empty_state
        if any(node.active for node in self.nodes):
            return STARTED
        return DEFINED if all(node.state == DEFINED for node in self.nodes) else STOPPED

    @property
    def converged(self) -> bool:
        """Whether nothing is on its way."""
        return not any(node.agenda for node in self.nodes)

    def node(self, node_id: str) -> Node | None:
        """The node with this id."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def interface(self, interface_id: str) -> tuple[Node, Interface] | None:
        """The interface with this id, and its node."""
        return next(((node, one) for node in self.nodes for one in node.interfaces if one.id == interface_id), None)

    def link_of(self, interface_id: str) -> Link | None:
        """The link that this interface is an end of."""
        return next((link for link in self.links if interface_id in (link.interface_a, link.interface_b)), None)

    def interface_state(self, node: Node, interface: Interface) -> str:
        """Follows the node, unless stopped by hand."""
        return STOPPED if interface.held and node.runs else _following(node)

    def link_state(self, link: Link, by_id: dict[str, Node]) -> str:
        """STARTED when both its nodes run and nobody stopped it by hand."""
        states = [_following(by_id[end]) for end in (link.node_a, link.node_b)]
        if states == [DEFINED, DEFINED]:
            return DEFINED
        return STARTED if states == [STARTED, STARTED] and not link.held else STOPPED

    def start(self, nodes: Iterable[Node], *, now: float, pace: Pace, starting: bool = False) -> None:
        """Launch these nodes one after another."""
        waiting = [node for node in nodes if not node.active]
        for position, node in enumerate(waiting):
            node.start(at=now + pace.lasts(QUEUE + LAUNCH * position), queued=now, pace=pace, starting=starting)
            self.tell("STATE_CHANGED", "NODE", node.id, at=now, data={"state": QUEUED})

    def stop(self, nodes: Iterable[Node], *, now: float, pace: Pace) -> None:
        """Halt these nodes one after another; what is only queued leaves the queue at once."""
        halted = 0
        for node in nodes:
            if node.active:
                halted += node.runs
                node.stop(at=now + (pace.lasts(HALT * halted) if node.runs else 0))

    def wipe(self, nodes: Iterable[Node], *, now: float) -> None:
        """Forget what these nodes, which do not run, have on their disks."""
        for node in nodes:
            if node.state == STOPPED:
                node.state = DEFINED
                self.tell("STATE_CHANGED", "NODE", node.id, at=now, data={"state": DEFINED}, previous={"state": STOPPED})
        self.modified = cml_time(now)

    def set_state(self, state: str) -> None:
        """Be at once DEFINED_ON_CORE, STOPPED or STARTED with everything in it, as if nothing took time."""
        now = datetime.now(UTC).timestamp()
        self.modified, self.empty_state = cml_time(now), state
        for node in self.nodes:
            node.agenda, node.since = [], {}
            node.state = BOOTED if state == STARTED else state
            if state == STARTED:
                node.since = dict.fromkeys((QUEUED, STARTED, BOOTED), now)

    def due(self) -> float | None:
        """When the next thing happens in it."""
        return min((node.agenda[0][0] for node in self.nodes if node.agenda), default=None)

    def settle(self, now: float) -> list[tuple[float, Node, str]]:
        """Bring every node along: who reached which state when, in the order of time."""
        reached = [(at, node, before, state) for node in self.nodes if node.agenda for at, before, state in node.settle(now)]
        reached.sort(key=lambda one: one[0])
        for at, node, before, state in reached:
            self.tell("STATE_CHANGED", "NODE", node.id, at=at, data={"state": state}, previous={"state": before})
            self.modified = cml_time(at)
        return [(at, node, state) for at, node, _, state in reached]

    def tell(self, event: str, kind: str, element: str, *, at: float, **change: dict[str, Any]) -> None:
        """Remember an event; `change` may hold `data` and `previous`."""
        told = {
            "lab_id": self.id,
            "event": event,
            "element_type": kind,
            "element_id": element,
            "data": {},
            "previous": {},
            **change,
        }
        self.events = [*self.events[1 - _REMEMBERED :], {**told, "timestamp": datetime.fromtimestamp(at, UTC).isoformat()}]


def wire(nodes: Iterable[Node], links: Iterable[Link]) -> None:
    """Give every link that has no interfaces new ones, and a label."""
    by_id = {node.id: node for node in nodes}
    for link in links:
        if not link.interface_a:
            a, b = by_id[link.node_a], by_id[link.node_b]
            one, other = a.new_interface(), b.new_interface()
            link.interface_a, link.interface_b = one.id, other.id
            link.label = f"{a.label}-{one.label}<->{b.label}-{other.label}"


def mac_of(interface: Interface) -> str:
    """The hardware address that a running interface has: its own, or one made up by CML."""
    made = random.Random(interface.id)
    return interface.mac_address or "52:54:00:" + ":".join(f"{made.randrange(256):02x}" for _ in range(3))


def _following(node: Node) -> str:
    return STARTED if node.runs else (DEFINED if node.state == DEFINED else STOPPED)
