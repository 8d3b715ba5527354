"""What CML tells of the inside of labs: nodes, links, their states and their traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.clients.cml.reading import coordinate, integer, mapping, number, sequence, text

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class LabNode:
    """One node. `state`: DEFINED_ON_CORE STOPPED STARTED QUEUED BOOTED DISCONNECTED, and STARTING since 2.10.

    `x` and `y` are its place in CML's picture, in pixels, y downwards; `ram` in bytes. What the asked call does not tell is
    "" or None; `image_definition` is "" too when the node takes its definition's newest.
    """

    node_id: str
    lab_id: str
    label: str
    x: int | None
    y: int | None
    node_definition: str
    image_definition: str
    state: str
    cpus: int | None
    ram: int | None
    boot_progress: str
    compute_id: str
    tags: tuple[str, ...]

    @classmethod
    def read(cls, value: Any) -> LabNode:
        node = {"id": value} if isinstance(value, str) else mapping(value)
        ram = integer(node.get("ram"))
        return cls(
            node_id=text(node.get("id")),
            lab_id=text(node.get("lab_id")),
            label=text(node.get("label")),
            x=coordinate(node.get("x")),
            y=coordinate(node.get("y")),
            node_definition=text(node.get("node_definition")),
            image_definition=text(node.get("image_definition")),
            state=text(node.get("state")),
            cpus=integer(node.get("cpus")),
            ram=None if ram is None else integer(ram * _MEBIBYTE),
            boot_progress=text(node.get("boot_progress")),
            compute_id=text(node.get("compute_id")),
            tags=tuple(filter(None, map(text, sequence(node.get("tags"))))),
        )


@dataclass(frozen=True, kw_only=True)
class LabLink:
    """One link between two nodes, by their ids. `state`: DEFINED_ON_CORE, STOPPED or STARTED, "" when not told."""

    link_id: str
    node_a: str
    node_b: str
    state: str
    label: str

    @classmethod
    def read(cls, value: Any) -> LabLink:
        link = mapping(value)
        return cls(
            link_id=text(link.get("id")),
            node_a=text(link.get("node_a")) or text(link.get("n1")),  # n1 and n2 in GET /labs/{lab_id}/topology
            node_b=text(link.get("node_b")) or text(link.get("n2")),
            state=text(link.get("state")),
            label=text(link.get("label")),
        )


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The nodes and links of a lab. `version` is that of CML's topology schema, such as "0.3.0", "" when not told."""

    nodes: tuple[LabNode, ...]
    links: tuple[LabLink, ...]
    version: str = ""

    @classmethod
    def read(cls, value: Any) -> Topology | None:
        """None for what is no object."""
        if not isinstance(value, dict):
            return None
        return cls(
            nodes=tuple(LabNode.read(node) for node in sequence(value.get("nodes"))),
            links=tuple(LabLink.read(link) for link in sequence(value.get("links"))),
            version=text(mapping(value.get("lab")).get("version")),
        )


@dataclass(frozen=True, kw_only=True)
class ElementStates:
    """The state of everything in a lab, by id."""

    nodes: Mapping[str, str]
    links: Mapping[str, str]
    interfaces: Mapping[str, str]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> ElementStates:
        nodes, links, interfaces = (
            {text(name): text(state) for name, state in mapping(answer.get(kind)).items()}
            for kind in ("nodes", "links", "interfaces")
        )
        return cls(nodes=nodes, links=links, interfaces=interfaces)


@dataclass(frozen=True, kw_only=True)
class NodeStats:
    """A running node's use of its host: `cpu_percent` as CML counts it (above 100 with several CPUs), disk in bytes.

    `seconds_in_state`: STARTED goes on counting after BOOTED has begun.
    """

    cpu_percent: float | None
    disk_read: int | None
    disk_written: int | None
    seconds_in_state: Mapping[str, float]

    @classmethod
    def read(cls, value: Any) -> NodeStats:
        stats = mapping(value)
        times = {text(state): number(given) for state, given in mapping(stats.get("times")).items()}
        return cls(
            cpu_percent=number(stats.get("cpu_usage")),
            disk_read=integer(stats.get("block0_rd_bytes")),
            disk_written=integer(stats.get("block0_wr_bytes")),
            seconds_in_state={state: seconds for state, seconds in times.items() if seconds is not None},
        )


@dataclass(frozen=True, kw_only=True)
class LinkStats:
    """What crossed a link since it started, in both directions of its first end."""

    read_bytes: int | None
    read_packets: int | None
    written_bytes: int | None
    written_packets: int | None
    drops: int | None

    @classmethod
    def read(cls, value: Any) -> LinkStats:
        stats = mapping(value)
        return cls(
            read_bytes=integer(stats.get("readbytes")),
            read_packets=integer(stats.get("readpackets")),
            written_bytes=integer(stats.get("writebytes")),
            written_packets=integer(stats.get("writepackets")),
            drops=integer(stats.get("drops")),
        )


@dataclass(frozen=True, kw_only=True)
class SimulationStats:
    """A running lab's nodes and links, by id. CML's own description says arrays; real servers answer objects."""

    nodes: Mapping[str, NodeStats]
    links: Mapping[str, LinkStats]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> SimulationStats:
        return cls(
            nodes={name: NodeStats.read(value) for name, value in _by_id(answer.get("nodes")).items()},
            links={name: LinkStats.read(value) for name, value in _by_id(answer.get("links")).items()},
        )


def _by_id(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {identity: item for item in value if (identity := text(mapping(item).get("id")))}
    return {text(name): item for name, item in mapping(value).items()}
