"""The fleet page as people meet it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.models import RegionCheck, Sample

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def text(browser: Client, address: str = "/", **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_page_shows_every_fact_of_a_worker(uma: User) -> None:
    make_worker(
        name="ccnp-encor-01", instance_id="i-0abc", license_state="out_of_compliance", labs_running=3, labs_total=8, cpu=42
    )

    page = text(signed_in(uma))

    for word in (
        "ccnp-encor-01",
        "i-0abc",
        "us-east-1",
        "m5zn.metal",
        "Running",
        "Ready",
        "Out of compliance",
        "42 %",
        "30 %",
        "20 %",
    ):
        assert word in page


def test_htmx_gets_the_part_and_everybody_else_the_page(uma: User) -> None:
    make_worker(name="a-worker")
    browser = signed_in(uma)

    whole, part = text(browser), text(browser, **HTMX)

    assert whole.count("<html") == 1
    assert "<html" not in part
    assert "a-worker" in whole
    assert "a-worker" in part
    assert "HX-Request" in browser.get("/")["Vary"]


def test_the_address_holds_page_and_filters(uma: User) -> None:
    for _ in range(60):
        make_worker(region="us-east-1")
    make_worker(region="us-west-2")

    browser = signed_in(uma)

    assert "1–50 of 61 workers" in text(browser)
    assert "51–61 of 61 workers" in text(browser, "/?page=2")
    assert "51–61 of 61 workers" in text(browser, "/?page=99")
    assert "1–25 of 60 workers" in text(browser, "/?region=us-east-1&size=25")
    assert "1–1 of 1 worker" in text(browser, "/?region=us-west-2")


def test_the_four_ways_of_having_nothing_to_show(uma: User, noah: User) -> None:
    browser = signed_in(uma)
    assert browser.get("/").context["empty"] == "no_workers"

    make_worker(name="here")
    assert browser.get("/?q=nowhere").context["empty"] == "no_match"
    assert "q=" not in browser.get("/?q=nowhere").context["clear_url"]

    RegionCheck.objects.create(
        region="us-east-1", failing_since=timezone.now() - timedelta(minutes=5), error="AWS does not answer in us-east-1."
    )
    page = text(browser)
    assert "AWS does not answer in us-east-1." in page
    assert "here" in page

    assert signed_in(noah).get("/").status_code == 403


def test_the_page_subscribes_to_the_rows_it_shows_and_no_others(uma: User) -> None:
    for _ in range(30):
        make_worker()

    answer = signed_in(uma).get("/?size=25")

    shown = {f"channel=row.{worker.pk}" for worker in answer.context["page"].object_list}
    assert set(answer.context["stream_url"].partition("?")[2].split("&")) == shown | {"channel=fleet"}
    assert len(shown) == 25


def test_what_comes_from_outside_is_escaped(uma: User) -> None:
    hostile = "<script>alert(1)</script>"
    worker = make_worker(
        name=hostile, description=hostile, tags={hostile: hostile}, service_state="degraded", service_reasons=[hostile]
    )
    RegionCheck.objects.create(region="us-east-1", failing_since=timezone.now(), error=hostile)
    browser = signed_in(uma)

    for address in ("/", f"/?q={hostile}", f"/?tag={hostile}", f"/workers/{worker.pk}/"):
        page = text(browser, address)
        assert hostile not in page
        assert "&lt;script&gt;" in page


def test_a_user_sees_no_action_buttons_and_an_administrator_does(uma: User, miguel: User, ada: User) -> None:
    worker = make_worker()
    address = f"/workers/{worker.pk}/"

    assert f"{address}connection/" not in text(signed_in(uma), address)
    assert f"{address}connection/" not in text(signed_in(miguel), address)
    assert f"{address}connection/" in text(signed_in(ada), address)


def queries_of(browser: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_queries_do_not_grow_with_rows(uma: User) -> None:
    browser = signed_in(uma)
    moment = timezone.now()

    def add(count: int) -> None:
        for _ in range(count):
            worker = make_worker(tags={"Team": "training"})
            Sample.objects.create(worker=worker, at=moment, source="cml", cpu=50)

    add(5)
    few = queries_of(browser, "/?q=worker&sort=-cpu")
    few_filtered = queries_of(browser, "/?state=running&tag=Team&size=100")
    add(95)

    assert queries_of(browser, "/?q=worker&sort=-cpu") == few
    assert queries_of(browser, "/?state=running&tag=Team&size=100") == few_filtered
    assert few <= 17


def test_no_page_holds_inline_script_or_style(ada: User) -> None:
    import re

    worker = make_worker()
    browser = signed_in(ada)
    for address in ("/", "/?q=nothing", f"/workers/{worker.pk}/", f"/workers/{worker.pk}/connection/", "/account/"):
        page = text(browser, address)
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), address
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page), address
        assert "'unsafe-inline'" not in browser.get(address)["Content-Security-Policy"]
