"""The fleet page with 10,000 workers: as many queries as with 50, and how long a request takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from unittest.mock import patch

import httpx
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from tests.bench.fleet import add_samples, make_fleet
from tests.bench.report import Goal, Line
from tests.bench.run import Run
from tests.bench.timing import percentile
from tests.live.portal import COOKIE, Portal
from workers import dressing
from workers.models import Worker
from workers.sparklines import attach_sparklines

FEW = 50
_GOAL = Goal(kind="at most", limit=150)


def measure(run: Run) -> list[Line]:
    """Query counts with few and with many workers, then times in this process and through a real uvicorn."""
    many, requests = run.size(10_000), run.size(200)
    now = timezone.now()
    client = signed_in()
    make_fleet(FEW, now=now)
    add_samples(now=now)
    queries_few = _queries(client)
    Worker.objects.all().delete()
    make_fleet(many, now=now)
    samples = add_samples(now=now)
    queries_many = _queries(client)
    address = reverse("fleet")
    with patch.object(dressing, "attach_sparklines", _one_by_one):
        queries_plain = _queries(client)
    inside, plain = _in_turns(client, address, requests)
    served = _through_uvicorn(run, client, address, requests)
    searched = _through_uvicorn(run, client, f"{address}?q=team-07+training&sort=-cpu", requests // 4)
    where = f"{many:,} workers, {samples:,} samples, {requests} requests one after another"
    return [
        Line(
            key="page.queries",
            what=f"queries of the fleet page with {many:,} workers",
            value=queries_many,
            plain=queries_plain,
            goal=Goal(kind="at most", limit=queries_few),
            note=f"the goal is what it takes with {FEW}. Plain version: the sparklines' samples read a row at a time, 50 rows shown",
        ),
        Line(key="page.p50", what="fleet page from uvicorn, p50", value=percentile(served, 50), unit="ms", note=where),
        Line(key="page.p95", what="fleet page from uvicorn, p95", value=percentile(served, 95), unit="ms", goal=_GOAL),
        Line(
            key="page.inside_p50",
            what="the same in this process (Django's test client), p50",
            value=percentile(inside, 50),
            unit="ms",
            plain=percentile(plain, 50),
        ),
        Line(
            key="page.inside_p95",
            what="the same in this process, p95",
            value=percentile(inside, 95),
            unit="ms",
            plain=percentile(plain, 95),
            goal=_GOAL,
            note="no network and no server: what the view, the database and the templates take",
        ),
        Line(
            key="page.search_p95",
            what="search in 8 fields, ordered by CPU, from uvicorn, p95",
            value=percentile(searched, 95),
            unit="ms",
            goal=_GOAL,
            note=f"two words over {many:,} workers, {requests // 4} requests",
        ),
    ]


def signed_in() -> Client:
    person = User.objects.create_user(username="bench")
    person.groups.add(Group.objects.get(name=Role.USER.value))
    client = Client()
    client.force_login(person, backend="accounts.local.backend.LocalBackend")
    return client


def _queries(client: Client) -> int:
    client.get(reverse("fleet"))
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(reverse("fleet"))
    # A page without its rows would be quick too.
    if answer.content.count(b'id="row.') != FEW or answer.status_code != 200:
        raise RuntimeError(f"The fleet page answered {answer.status_code} without {FEW} rows.")
    return len(captured)


def _in_turns(client: Client, address: str, count: int) -> tuple[list[float], list[float]]:
    """Times of the page and of its plain version, ten of each in turn, so that both meet the same other work of the machine."""
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(0, count, 10):
        ours += times(lambda: client.get(address).status_code, 10, warm_up=1)
        with patch.object(dressing, "attach_sparklines", _one_by_one):
            plain += times(lambda: client.get(address).status_code, 10, warm_up=1)
    return ours, plain


def times(request: Callable[[], int], count: int, *, warm_up: int = 5) -> list[float]:
    """Milliseconds of each of `count` requests. Raises RuntimeError for any answer but 200."""
    for _ in range(warm_up):
        request()
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        status = request()
        taken.append((time.perf_counter() - started) * 1000)
        if status != 200:
            raise RuntimeError(f"The page answered {status}.")
    return taken


def _through_uvicorn(run: Run, client: Client, address: str, count: int) -> list[float]:
    portal = Portal(run.folder, run.redis_url)
    portal.environment["DJANGO_SETTINGS_MODULE"] = "cmlmanager.settings"
    portal.start()
    try:
        # A browser's cookie, over a connection that stays open, as a browser's does.
        cookies = {COOKIE: str(client.session.session_key)}
        with httpx.Client(base_url=portal.url, cookies=cookies, trust_env=False, timeout=30) as browser:
            return times(lambda: browser.get(address).status_code, count)
    finally:
        portal.kill()


def _one_by_one(workers: Iterable[Worker], *, now: datetime) -> list[Worker]:
    """`attach_sparklines` as it is first written: a query for each row."""
    return [attach_sparklines([worker], now=now)[0] for worker in workers]
