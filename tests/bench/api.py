"""The API's list with 10,000 workers: as many queries as with 50, and how long a request takes."""

from __future__ import annotations

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from tests.bench.fleet import make_fleet
from tests.bench.page import FEW, signed_in, times
from tests.bench.report import Goal, Line
from tests.bench.run import Run
from tests.bench.timing import percentile
from workers.models import Worker

LIST = "/api/workers"
FILTERED = f"{LIST}?q=team-07+training&state=running&sort=-cpu&size=100"
_GOAL = Goal(kind="at most", limit=150)


def measure(run: Run) -> list[Line]:
    """Query counts with few and with many workers, then times in this process."""
    many, requests = run.size(10_000), run.size(200)
    now = timezone.now()
    # The bench is one person, and asks for more in a minute than one person may.
    with override_settings(API_READS_PER_MINUTE=1_000_000, REDIS_URL=run.redis_url):
        client = signed_in()
        make_fleet(FEW, now=now)
        few = _queries(client)
        Worker.objects.all().delete()
        make_fleet(many, now=now)
        queries = _queries(client)
        listed = times(lambda: client.get(LIST).status_code, requests)
        filtered = times(lambda: client.get(FILTERED).status_code, requests)
        etag = {"If-None-Match": client.get(LIST)["ETag"]}
        unchanged = times(lambda: 200 if client.get(LIST, headers=etag).status_code == 304 else 0, requests)
    where = f"{many:,} workers, {requests} requests one after another, in this process"
    goal = Goal(kind="at most", limit=few)
    return [
        Line(
            key="api.queries",
            what=f"queries of the API's list with {many:,} workers",
            value=queries,
            goal=goal,
            note=f"with {FEW}: {few}",
        ),
        Line(key="api.p50", what="the API's list, p50", value=percentile(listed, 50), unit="ms", note=where),
        Line(key="api.p95", what="the API's list, p95", value=percentile(listed, 95), unit="ms", goal=_GOAL),
        Line(
            key="api.filter_p95", what="searched, filtered, by CPU, p95", value=percentile(filtered, 95), unit="ms", goal=_GOAL
        ),
        Line(key="api.unchanged_p95", what="answered with 304, p95", value=percentile(unchanged, 95), unit="ms", goal=_GOAL),
    ]


def _queries(client: Client) -> int:
    client.get(LIST)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(LIST)
    if answer.status_code != 200 or len(answer.json()["items"]) != FEW:
        raise RuntimeError(f"The list answered {answer.status_code} without {FEW} workers.")
    return len(captured)
