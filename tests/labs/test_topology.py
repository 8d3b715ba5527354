"""The picture of a lab: everything in it, nothing over anything else, whatever CML's coordinates are."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest

from cmlmanager.sandbox.cml.topology import topology as demo_topology
from labs.topology import CELL_HEIGHT, LABEL_DROP, NODE, Picture, Spot, kind_of, picture_of
from tests.labs.makers import link, node


def drawn(nodes: list[dict[str, Any]], links: list[dict[str, Any]] | None = None) -> Picture:
    return picture_of({"nodes": nodes, "links": links or []})


def box(spot: Spot) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a node with its state's disc and its label, whose letters are about 6.6 wide."""
    half = max(NODE / 2 + 5, len(spot.label) * 6.6 / 2)
    return spot.x - half, spot.y - NODE / 2 - 5, spot.x + half, spot.y + LABEL_DROP + 4


def overlap(one: Spot, other: Spot) -> bool:
    a, b = box(one), box(other)
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


def overlaps(picture: Picture) -> list[tuple[str, str]]:
    return [(a.name, b.name) for a, b in itertools.combinations(picture.spots, 2) if overlap(a, b)]


def assert_inside(picture: Picture) -> None:
    for spot in picture.spots:
        left, top, right, bottom = box(spot)
        assert left >= -1
        assert top >= -1
        assert right <= picture.width + 1
        assert bottom <= picture.height + 1


def demo(count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A topology of the sandbox."""
    nodes, links = demo_topology(count, seed=f"seed {count}")
    fields = ("id", "label", "x", "y", "node_definition", "image_definition", "state", "cpus", "ram")
    return [{name: getattr(one, name) for name in fields} for one in nodes], [
        {"id": one.id, "node_a": one.node_a, "node_b": one.node_b, "state": "STARTED"} for one in links
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 12, 38, 60])
def test_nothing_covers_anything_else_in_a_usual_lab(count: int) -> None:
    nodes, links = demo(count)

    picture = drawn(nodes, links)

    assert len(picture.spots) == count
    assert len(picture.lines) == len(links)
    assert overlaps(picture) == []
    assert_inside(picture)


def test_forty_nodes_fit_a_desk_at_their_natural_size() -> None:
    picture = drawn(*demo(38))

    assert picture.width <= 1_440
    assert picture.height <= 600


@pytest.mark.parametrize("seed", range(6))
def test_forty_nodes_thrown_anywhere_are_parted(seed: int) -> None:
    chance = random.Random(seed)
    nodes = [node(n, label=f"router-number-{n}", x=chance.randint(-300, 300), y=chance.randint(-200, 200)) for n in range(40)]

    picture = drawn(nodes)

    assert overlaps(picture) == []
    assert_inside(picture)


@pytest.mark.parametrize("count", [2, 30])
def test_nodes_in_one_place_are_parted(count: int) -> None:
    assert overlaps(drawn([node(n, x=0, y=0) for n in range(count)])) == []


def test_what_is_left_of_another_stays_left_of_it() -> None:
    nodes, links = demo(38)

    places = {spot.node["id"]: spot for spot in drawn(nodes, links).spots}

    for one, other in itertools.combinations(nodes, 2):
        if one["y"] == other["y"] and one["x"] < other["x"]:
            assert places[one["id"]].x < places[other["id"]].x
        if one["y"] < other["y"]:
            assert places[one["id"]].y < places[other["id"]].y


def test_nodes_without_a_place_are_drawn_below_the_others() -> None:
    nodes = [node(1), node(2), *(node(n, x=None, y=None) for n in range(3, 20))]

    picture = drawn(nodes)

    assert len(picture.spots) == 19
    assert overlaps(picture) == []
    lowest = max(spot.y for spot in picture.spots if spot.node["label"] in {"r1", "r2"})
    assert all(spot.y >= lowest + CELL_HEIGHT for spot in picture.spots if spot.node["x"] is None)


def test_an_outlier_does_not_make_the_picture_endless() -> None:
    picture = drawn([node(1), node(2), node(3, x=2_000_000_000, y=-2_000_000_000)])

    assert picture.width < 5_000
    assert picture.height < 5_000
    assert overlaps(picture) == []


def test_a_long_label_is_cut_and_its_title_says_all() -> None:
    long = "a-router-with-a-very-long-name-indeed"

    spots = {spot.name: spot for spot in drawn([node(1, label=long), node(2, label="r2"), node(3, label="")]).spots}

    assert spots[long].label.endswith("…")
    assert spots[long].title == f"{long}, iosv, defined"
    assert spots["r2"].label == "r2"
    assert "00000000" in spots, "without a label the beginning of its id"


def test_links_to_nowhere_and_to_oneself_are_left_out_and_parallel_ones_are_bent_apart() -> None:
    one, two = node(1), node(2)
    lost = {"id": "x", "node_a": one["id"], "node_b": "gone", "state": "STARTED"}
    links = [link(one, two, "STARTED"), link(two, one), link(one, two), link(one, one), lost]

    lines = drawn([one, two], links).lines

    assert len(lines) == 3
    assert len({line.path for line in lines}) == 3
    assert [line.is_up for line in lines] == [True, False, False]
    assert lines[0].title == "r1 – r2"


def test_too_many_nodes_are_said_and_many_are_quick() -> None:
    assert "are too many for a picture" in drawn([node(n) for n in range(301)]).left_out
    chance = random.Random(1)
    nodes = [node(n, x=chance.randint(0, 50), y=chance.randint(0, 50)) for n in range(300)]

    start = time.process_time()
    picture = drawn(nodes)

    assert time.process_time() - start < 2.5
    assert_inside(picture)


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ("iosv", "router"),
        ("cat8000v", "router"),
        ("iosvl2", "switch"),
        ("nxosv9000", "switch"),
        ("unmanaged_switch", "switch"),
        ("asav", "firewall"),
        ("alpine", "host"),
        ("server", "server"),
        ("external_connector", "cloud"),
        ("", "router"),
    ],
)
def test_a_definition_is_drawn_as_what_it_is(definition: str, kind: str) -> None:
    assert kind_of(definition) == kind


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_link_goes_around_a_node_that_is_in_its_way(axis: str) -> None:
    other_axis = {"x": "y", "y": "x"}[axis]
    nodes = [node(n, **{axis: n * 100, other_axis: 0}) for n in range(3)]

    near, far = drawn(nodes, [link(nodes[0], nodes[1]), link(nodes[2], nodes[0])]).lines

    assert "L" in near.path
    assert "Q" in far.path
    control = [float(number) for number in far.path.split("Q")[1].split(" ")[:2]]
    middle = drawn(nodes).spots[1]
    # Upwards or to the left, by half of the way to the control point, and clear of the node's square.
    offset = getattr(middle, other_axis) - control[{"x": 1, "y": 0}[axis]]
    assert offset / 2 > NODE / 2
