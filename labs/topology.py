"""Where the nodes and links of a lab go in its picture. CML's coordinates keep their order and proportions as far as labels can be read.

All lengths are pixels of the picture at its natural size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.choices import NodeState

NODE = 36  # side of a node's square
CELL_HEIGHT = 68  # what a node takes with its label, and the room around
NARROWEST, WIDEST = 62, 120  # the same from side to side: as its labels need
LABEL_DROP = 31  # from a node's middle to the base line of its label
CHARACTER = 6.6  # mean width of the label's font at 12 px
WIDEST_LABEL = 160
MARGIN = 14
DETOUR = 28  # how far the middle of a link goes around a node that is in its way
LARGEST = 3_600  # of either side: labs with far outliers are squeezed
MOST_NODES = 300  # beyond that a picture shows nothing
TALLER = 1.8  # how much further apart rows may be drawn than columns
FLAT = 2.4  # width to height from which on that is done
ROUNDS, PUSHES = 40, 800_000  # of pushing apart what overlaps, and how many pairs are looked at for it


@dataclass
class Spot:
    """One node in the picture: its middle, its label as far as there is room, and how it is shown."""

    node: dict[str, Any]
    x: float
    y: float
    room: float = NARROWEST

    @property
    def state(self) -> NodeState:
        return NodeState.read(self.node["state"])

    @property
    def name(self) -> str:
        return str(self.node["label"] or self.node["id"][:8])

    @property
    def label(self) -> str:
        """The name, cut to the room that there is."""
        longest = max(4, int(self.room / CHARACTER))
        return self.name if len(self.name) <= longest else self.name[: longest - 1].rstrip() + "…"

    @property
    def title(self) -> str:
        """Everything, for whoever points at it."""
        parts = [self.name, str(self.node["node_definition"]), str(self.state.label).lower()]
        return ", ".join(part for part in parts if part)

    @property
    def kind(self) -> str:
        return kind_of(str(self.node["node_definition"]))


@dataclass
class Line:
    """One link in the picture, as an SVG path; parallel ones are bent apart."""

    path: str
    title: str
    is_up: bool


@dataclass
class Picture:
    """What is drawn: `width` and `height` at natural size; `left_out` says why nothing is ("")."""

    spots: list[Spot] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    width: int = 0
    height: int = 0
    left_out: str = ""

    @property
    def span(self) -> int:
        """The natural width in steps of 200, so that a style sheet knows whether the picture fits."""
        return min(18, -(-self.width // 200))


# A word of a node definition's id → what it is drawn as. The first that fits; routers are what is left.
_KINDS = (
    (("external_connector", "ext-conn", "cloud", "internet"), "cloud"),
    (("l2", "switch", "nxos", "cat9000", "unmanaged", "bridge"), "switch"),
    (("asa", "ftd", "fmc", "firewall", "fortinet", "palo", "panos"), "firewall"),
    (("desktop", "alpine", "ubuntu", "debian", "windows", "client", "host", "kali"), "host"),
    (("server", "trex", "wan_em", "dns", "radius", "ise", "coreos", "docker", "chrome", "nginx"), "server"),
)


def kind_of(definition: str) -> str:
    """What a node is drawn as: cloud, switch, firewall, host, server or router."""
    lowered = definition.lower()
    return next((kind for words, kind in _KINDS if any(word in lowered for word in words)), "router")


def picture_of(topology: dict[str, Any]) -> Picture:
    """The picture of a lab's topology (see Lab.topology)."""
    nodes: list[dict[str, Any]] = topology.get("nodes") or []
    if not nodes:
        return Picture(left_out="There is nothing to draw.")
    if len(nodes) > MOST_NODES:
        return Picture(left_out=f"{len(nodes)} nodes are too many for a picture; the table has them all.")
    cell = _cell(nodes)
    spots = _placed(nodes, cell)
    _push_apart(spots, cell)
    _move_to_corner(spots, cell)
    _give_room(spots, cell)
    width = max(spot.x for spot in spots) + _half(spots) + MARGIN
    height = max(spot.y for spot in spots) + LABEL_DROP + 8 + MARGIN
    return Picture(spots, _lines(spots, topology.get("links") or []), round(width), round(height))


def _half(spots: Iterable[Spot]) -> float:
    return max(NODE / 2, *(len(spot.label) * CHARACTER / 2 for spot in spots))


def _cell(nodes: Sequence[dict[str, Any]]) -> float:
    """How wide a node's place is, so that nine in ten labels need not be cut, as long as they are of usual length."""
    lengths = sorted(len(str(node["label"])) for node in nodes)
    return min(WIDEST, max(NARROWEST, lengths[int((len(lengths) - 1) * 0.9)] * CHARACTER + 12))


def _placed(nodes: Sequence[dict[str, Any]], cell: float) -> list[Spot]:
    """Each node at its place, spread so far that neighbours do not cover each other. Those without a place go below, in rows."""
    spots = [Spot(node, node["x"], node["y"]) for node in nodes if node["x"] is not None and node["y"] is not None]
    width, height = _span([spot.x for spot in spots]), _span([spot.y for spot in spots])
    # Wide and flat topologies leave no way for their links: their rows are drawn further apart.
    taller = min(TALLER, max(1.0, width / FLAT / height)) if height else 1.0
    for spot in spots:
        spot.y *= taller
    scale = _scale(spots, cell)
    for spot in spots:
        spot.x, spot.y = spot.x * scale, spot.y * scale
    left = min((spot.x for spot in spots), default=0.0)
    below = max((spot.y for spot in spots), default=-CELL_HEIGHT) + 1.5 * CELL_HEIGHT
    lost = [node for node in nodes if node["x"] is None or node["y"] is None]
    return spots + [Spot(node, left + index % 10 * cell, below + index // 10 * CELL_HEIGHT) for index, node in enumerate(lost)]


def _scale(spots: Sequence[Spot], cell: float) -> float:
    """Picture pixels per CML pixel: so many that nine in ten nodes keep clear of their nearest neighbour, and the whole has an end."""
    needed = sorted(max((_apart(one, other, cell) for other in spots if other is not one), default=0.0) for one in spots)
    if not needed or needed[-1] == 0.0:
        return 1.0
    wanted = needed[int((len(needed) - 1) * 0.9)]
    spans = (_span([spot.x for spot in spots]), _span([spot.y for spot in spots]))
    most = min((LARGEST / span for span in spans if span > LARGEST / 2), default=2.0)
    return max(1e-9, min(max(wanted, 0.2), 2.0, most))


def _span(places: Sequence[float]) -> float:
    return max(places) - min(places) if places else 0.0


def _apart(one: Spot, other: Spot, cell: float) -> float:
    """The scale at which two nodes do not cover each other; 0 for two in one place, which no scale parts."""
    distances = ((cell, abs(one.x - other.x)), (CELL_HEIGHT, abs(one.y - other.y)))
    return min((size / distance for size, distance in distances if distance), default=0.0)


def _push_apart(spots: list[Spot], cell: float) -> None:
    """Move what still overlaps, along the axis on which less is missing."""
    for _ in range(min(ROUNDS, PUSHES // len(spots) ** 2)):
        moved = False
        spots.sort(key=lambda spot: (spot.x, spot.y))
        for index, one in enumerate(spots):
            for other in spots[index + 1 :]:
                if other.x - one.x >= cell:
                    break
                moved |= _push(one, other, cell)
        if not moved:
            return


def _push(one: Spot, other: Spot, cell: float) -> bool:
    missing_x, missing_y = cell - (other.x - one.x), CELL_HEIGHT - abs(other.y - one.y)
    if missing_x <= 0.5 or missing_y <= 0.5:
        return False
    if missing_x <= missing_y:
        one.x -= missing_x / 2
        other.x += missing_x / 2
    else:
        upper, lower = (one, other) if one.y <= other.y else (other, one)
        upper.y -= missing_y / 2
        lower.y += missing_y / 2
    return True


def _move_to_corner(spots: list[Spot], cell: float) -> None:
    left = min(spot.x for spot in spots) - cell / 2 - MARGIN
    top = min(spot.y for spot in spots) - NODE / 2 - MARGIN
    for spot in spots:
        spot.x, spot.y = round(spot.x - left, 1), round(spot.y - top, 1)


def _give_room(spots: list[Spot], cell: float) -> None:
    """A label may be as wide as the way to the next node of its row allows."""
    for spot in spots:
        row = (abs(other.x - spot.x) for other in spots if other is not spot and abs(other.y - spot.y) < CELL_HEIGHT - NODE / 2)
        spot.room = min(WIDEST_LABEL, max(cell, min(row, default=WIDEST_LABEL)) - 4, 2 * spot.x)


def _lines(spots: list[Spot], links: Sequence[dict[str, Any]]) -> list[Line]:
    places = {spot.node["id"]: spot for spot in spots}
    drawn: Counter[tuple[str, ...]] = Counter()
    lines = []
    for link in links:
        ends = [places.get(link["node_a"]), places.get(link["node_b"])]
        one, other = ends
        if one is None or other is None or one is other:
            continue
        pair = tuple(sorted((link["node_a"], link["node_b"])))
        if pair[0] != link["node_a"]:
            one, other = other, one
        bend = _bend(drawn[pair]) or _around(one, other, spots)
        drawn[pair] += 1
        state = NodeState.read(link["state"])
        lines.append(Line(_path(one, other, bend), f"{one.name} – {other.name}", state == NodeState.STARTED))
    return lines


def _bend(index: int) -> int:
    """How far the middle of the n-th parallel link is off: 0, 14, -14, 28, …"""
    return (index + 1) // 2 * 14 * (1 if index % 2 else -1)


def _around(one: Spot, other: Spot, spots: Iterable[Spot]) -> int:
    """How far a link is bent that would run through a third node: upwards, or to the left, where no labels are."""
    dx, dy = other.x - one.x, other.y - one.y
    square = dx * dx + dy * dy
    for third in spots:
        if third is one or third is other or not square:
            continue
        along = ((third.x - one.x) * dx + (third.y - one.y) * dy) / square
        off = abs((third.x - one.x) * dy - (third.y - one.y) * dx) / square**0.5
        if 0 < along < 1 and off < NODE / 2:
            return -DETOUR if dx > 0 or (dx == 0 and dy < 0) else DETOUR
    return 0


def _path(one: Spot, other: Spot, bend: int) -> str:
    start, end = f"M{one.x:g} {one.y:g}", f"{other.x:g} {other.y:g}"
    if not bend:
        return f"{start}L{end}"
    dx, dy = other.x - one.x, other.y - one.y
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    # Half of the way to the control point is where the middle of the curve comes to be.
    x, y = (one.x + other.x) / 2 - dy / length * bend * 2, (one.y + other.y) / 2 + dx / length * bend * 2
    return f"{start}Q{x:.1f} {y:.1f} {end}"
