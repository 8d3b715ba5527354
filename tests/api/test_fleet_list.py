"""The fleet's list: the page's filters and orders, at a number of queries that does not grow."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.listing import SORTS

pytestmark = pytest.mark.django_db


def names(browser: Client, query: str) -> list[str]:
    answer = browser.get(f"/api/workers?{query}")
    assert answer.status_code == 200
    return [one["name"] for one in answer.json()["items"]]


def test_filters_are_those_of_the_page(uma: User) -> None:
    make_worker(name="a", region="us-east-1", machine_state="running", tags={"Team": "x"}, tag_text="\nTeam=x\n", cpu=10)
    make_worker(name="b", region="us-west-2", machine_state="stopped", service_state="unknown", cpu=90)
    make_worker(name="c", region="us-west-2", machine_state="terminated", service_state="unknown", cpu=None)
    browser = signed_in(uma)

    assert names(browser, "sort=name") == ["a", "b"]
    assert names(browser, "gone=true&sort=name") == ["a", "b", "c"]
    assert names(browser, "region=us-west-2") == ["b"]
    assert names(browser, "state=running&state=terminated&sort=name") == ["a", "c"]
    assert names(browser, "attention=off") == ["b"]
    assert names(browser, "tag=Team%3Dx") == ["a"]
    assert names(browser, "q=A&service=ready") == ["a"]
    assert names(browser, "sort=-cpu") == ["b", "a"]
    assert names(browser, "alerts=true") == []


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{key}" for key in SORTS), "attention"])
def test_every_order_of_the_page_is_one_of_the_api(sort: str, uma: User) -> None:
    make_worker(name="w")
    assert names(signed_in(uma), f"sort={sort}") == ["w"]


def test_a_worker_says_what_its_row_says_and_what_may_be_asked(miguel: User) -> None:
    worker = make_worker(name="w", machine_state="stopped", service_state="unknown")
    browser = signed_in(miguel)
    browser.post(f"/api/workers/{worker.pk}/start", {}, content_type="application/json")

    row: dict[str, Any] = browser.get("/api/workers").json()["items"][0]
    detail = browser.get(f"/api/workers/{worker.pk}").json()

    assert row["operation"] == detail["operation"]
    assert row["operation"]["kind"] == "start"
    assert detail["machine"]["state"] == "stopped"
    assert set(detail["actions"]) == {"start", "stop", "tags"}
    assert "on its way" in detail["actions"]["start"]
    assert [gate["name"] for gate in detail["gates"]][:2] == ["running", "checks"]


def test_queries_do_not_grow_with_workers(uma: User) -> None:
    def queries(address: str) -> int:
        browser.get(address)
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(address).status_code == 200
        return len(captured)

    browser = signed_in(uma)
    addresses = (
        "/api/workers?size=200",
        "/api/workers?q=w&state=running&sort=-cpu",
        "/api/operations",
        "/api/workers?alerts=true",
    )
    for number in range(3):
        make_worker(name=f"w{number}")
    few = [queries(address) for address in addresses]
    for number in range(60):
        make_worker(name=f"more{number}")

    assert [queries(address) for address in addresses] == few
