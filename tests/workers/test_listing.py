"""The fleet page's address: what it filters, how it sorts, what it links to."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from tests.makers import make_worker
from workers.listing import FleetQuery, tiles
from workers.models import Worker

pytestmark = pytest.mark.django_db


def names(address: str) -> list[str]:
    return [worker.name for worker in FleetQuery.parse(QueryDict(address)).apply(Worker.objects.all())]


def test_the_worst_come_first() -> None:
    make_worker(name="well")
    make_worker(name="off", machine_state="stopped", service_state="unknown")
    make_worker(name="degraded", service_state="degraded")
    make_worker(name="unreachable", service_state="unreachable")
    make_worker(name="booting", service_state="starting")
    make_worker(name="lost", machine_state="lost", service_state="unknown")
    make_worker(name="expired", license_state="expired")

    assert names("") == ["expired", "lost", "unreachable", "degraded", "booting", "well", "off"]


def test_terminated_workers_are_listed_only_when_asked_for() -> None:
    make_worker(name="here")
    make_worker(name="gone", machine_state="terminated", service_state="unknown")

    assert names("") == ["here"]
    assert names("gone=1") == ["here", "gone"]
    assert names("state=terminated") == ["gone"]


def test_one_facet_is_either_and_two_facets_are_both() -> None:
    make_worker(name="a", region="us-east-1")
    make_worker(name="b", region="us-west-2")
    make_worker(name="c", region="us-west-2", machine_state="stopped", service_state="unknown")

    assert names("region=us-east-1&region=us-west-2&sort=name") == ["a", "b", "c"]
    assert names("region=us-west-2&state=stopped") == ["c"]


@pytest.mark.parametrize("text", ["ENCOR", "encor-01", "m5zn ENCOR", "i-00000000000abc", "10.9.8.7", "owner=ana", "ana Encor"])
def test_search_finds_every_word_anywhere_in_any_case(text: str) -> None:
    make_worker(name="other", instance_type="c5.12xlarge")
    make_worker(name="ccnp-encor-01", instance_id="i-00000000000abcdef", private_address="10.9.8.7", tags={"Owner": "ana"})

    assert names(f"q={text}") == ["ccnp-encor-01"]


def test_a_tag_is_matched_exactly() -> None:
    make_worker(name="a", tags={"Team": "training"})
    make_worker(name="b", tags={"Team": "train"})
    make_worker(name="c", tags={"XTeam": "training"})
    make_worker(name="d", tags={"team": "training"})

    assert names("tag=Team%3Dtraining") == ["a"]
    assert names("tag=Team&sort=name") == ["a", "b"]
    assert names("tag=Team%3D") == []


def test_unknown_figures_come_last_in_both_directions() -> None:
    make_worker(name="low", cpu=10)
    make_worker(name="high", cpu=90)
    make_worker(name="none", cpu=None)

    assert names("sort=cpu") == ["low", "high", "none"]
    assert names("sort=-cpu") == ["high", "low", "none"]


@pytest.mark.parametrize(
    "address",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=99999999999999999999",
        "size=7",
        "size=²",
        "sort=password",
        "sort=--cpu",
        "state=nonsense",
        "attention=9",
        "q=%00",
    ],
)
def test_nonsense_in_the_address_is_dropped(address: str) -> None:
    make_worker(name="a")

    query = FleetQuery.parse(QueryDict(address))

    assert (query.sort, query.size, query.states, query.attention) == ("attention", 50, (), "")
    assert query.page >= 1


def test_an_address_survives_being_read_and_written() -> None:
    address = "q=bgp+core&region=us-east-1&region=us-west-2&state=running&service=ready&tag=Team%3Dtraining&gone=1&sort=-cpu&size=100&page=3"

    query = FleetQuery.parse(QueryDict(address))

    assert query.url(page=query.page) == f"?{address}"
    assert "page=" not in query.url(sort="name")


def test_each_chip_removes_its_own_filter_and_no_other() -> None:
    query = FleetQuery.parse(QueryDict("q=bgp&region=us-east-1&region=us-west-2&tag=Team"))

    links = {chip["label"]: chip["url"] for chip in query.chips()}

    assert links["Region: us-east-1"] == "?q=bgp&region=us-west-2&tag=Team"
    assert links["“bgp”"] == "?region=us-east-1&region=us-west-2&tag=Team"
    assert links["Tag: Team"] == "?q=bgp&region=us-east-1&region=us-west-2"


def test_tiles_count_every_worker_and_link_to_it() -> None:
    make_worker()
    make_worker(service_state="unreachable")
    make_worker(machine_state="stopping", service_state="unknown")
    make_worker(machine_state="terminated", service_state="unknown")

    found = {tile["name"]: tile for tile in tiles(Worker.objects.all().counts(), FleetQuery())}

    assert {name: tile["count"] for name, tile in found.items()} == {
        "all": 3, "failing": 1, "warning": 0, "running": 2, "moving": 1, "stopped": 0, "lost": 0, "gone": 1,
    }  # fmt: skip
    for tile in found.values():
        assert len(names(tile["url"].removeprefix("?"))) == tile["count"]
