"""Topologies for seeded labs: a core ring, a distribution tier homed to it, an access tier below, on a readable canvas."""

from __future__ import annotations

import random
from itertools import pairwise

from cmlmanager.sandbox.cml.elements import Link, Node, wire

SPACING = 160  # pixels between neighbours and between tiers

# node definition, image definition, CPUs, RAM in MB, label prefix; by tier from the top
_TIERS: tuple[tuple[tuple[str, str | None, int, int, str], ...], ...] = (
    (("cat8000v", "cat8000v-17-16-01a", 2, 4096, "core"), ("iosxrv9000", "iosxrv9000-25-1-1", 4, 20480, "p")),
    (("iol-xe", "iol-xe-17-16-01a", 1, 768, "dist"), ("iosv", "iosv-159-3-m10", 1, 768, "r")),
    (
        ("ioll2-xe", "ioll2-xe-17-16-01a", 1, 768, "acc"),
        ("alpine", "alpine-base-3-21-3", 1, 512, "host"),
        ("external_connector", None, 0, 0, "ext"),
    ),
)


def topology(count: int, *, seed: str) -> tuple[list[Node], list[Link]]:
    """`count` nodes and their links, the same shape for the same seed, all of them DEFINED_ON_CORE; ids are new each time."""
    chance = random.Random(seed)
    sizes = _tier_sizes(count)
    tiers = [_tier(level, size, widest=max(sizes), chance=chance) for level, size in enumerate(sizes)]
    links = _ring(tiers[0])
    for above, below in pairwise(tiers):
        links += _homed(below, above)
    nodes = [node for tier in tiers for node in tier]
    wire(nodes, links)
    return nodes, links


def _tier_sizes(count: int) -> tuple[int, int, int]:
    core = min(count, max(1, min(4, count // 5)))
    distribution = min(count - core, max(1, count // 3))
    return core, distribution, count - core - distribution


def _tier(level: int, size: int, *, widest: int, chance: random.Random) -> list[Node]:
    definition, image, cpus, ram, prefix = chance.choice(_TIERS[level][:2])
    nodes = []
    for position in range(size):
        # one way out of the lab at the end of the lowest tier, as most labs have
        if level == 2 and position == size - 1 and size > 1:
            definition, image, cpus, ram, prefix = _TIERS[2][2]
        nodes.append(
            Node(
                label=f"{prefix}-{position + 1}",
                x=round((position - (size - 1) / 2) * SPACING * (widest / max(size, 1)) ** 0.5),
                y=(level - 1) * SPACING,
                node_definition=definition,
                image_definition=image,
                cpus=cpus,
                ram=ram,
            )
        )
    return nodes


def _link(a: Node, b: Node) -> Link:
    return Link(node_a=a.id, node_b=b.id)


def _ring(tier: list[Node]) -> list[Link]:
    links = [_link(a, b) for a, b in pairwise(tier)]
    return [*links, _link(tier[-1], tier[0])] if len(tier) > 2 else links


def _homed(below: list[Node], above: list[Node]) -> list[Link]:
    """Each lower node to the upper one over it; routers and switches to its neighbour too."""
    links = []
    for position, node in enumerate(below):
        first = position * len(above) // len(below) if above else 0
        links += [_link(node, above[first])] if above else []
        if len(above) > 1 and node.node_definition not in ("alpine", "external_connector"):
            links.append(_link(node, above[(first + 1) % len(above)]))
    return links
