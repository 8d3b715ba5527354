"""Three hundred CML servers: read until none is due, and kept fresh over several intervals while some of them hang."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.conf import settings
from django.utils import timezone
from requests.adapters import HTTPAdapter

from tests.bench.report import Goal, Line
from tests.bench.run import Run
from tests.bench.timing import seconds_of
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedFleet, eventually, start_simulated_cml
from workers.clients.cml import client as cml_client
from workers.clients.cml.tokens import tokens
from workers.models import Worker
from workers.services import cml_refresh, cml_story

DELAY_MS = 50
SAMPLE = 10  # of the far servers every tenth is asked one after another: all would take more than a minute
# Seconds: the interval, and until a hanging server is given up (as the defaults, one to ten); how many intervals the run with them lasts.
INTERVAL, TIMEOUT, ROUNDS = 15, 1.5, 3
HANGING = 5  # every fifth hangs
_DEMOS = ("ccnp-encor-01", "ccnp-encor-02", "sp-core-research", "ccna-evening")


def measure(run: Run) -> list[Line]:
    """All servers met for the first time, then again with sessions kept, then over some intervals; beside each the same code with one thread."""
    count = run.size(300)
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD
    specs = [ServerSpec(demo=_DEMOS[n % len(_DEMOS)], address=f"127.150.{n // 250}.{n % 250 + 1}") for n in range(count)]
    with start_simulated_cml(run.folder / "cml", servers=specs) as fleet:
        eventually(lambda: len(fleet.reports()) == count, within=60)
        _meet(fleet)
        rounds = _rounds(fleet, count)
        fair = _fair(fleet, count)
    return [*rounds, *fair]


def _rounds(fleet: SimulatedFleet, count: int) -> list[Line]:
    with _one_thread():
        _again()  # not counted: what the servers do once in their life is no cost of a refresh
        _forget_sessions()
        first_plain = seconds_of(_again)
        plain = seconds_of(_again)
        with _delayed():
            far_plain = seconds_of(lambda: _again(every=SAMPLE)) * SAMPLE
    _forget_sessions()
    before = _requests(fleet)
    first = seconds_of(_again)
    first_calls = (_requests(fleet) - before) / count
    before = _requests(fleet)
    again = seconds_of(_again)
    again_calls = (_requests(fleet) - before) / count
    with _delayed():
        far = seconds_of(_again)
    _check(count)
    return [
        Line(
            key="cml.first_seconds",
            what=f"{count} CML servers until none is due, as a new process",
            value=first,
            unit="s",
            plain=first_plain,
            note="with TLS handshake and sign-in. Plain version: one server after another. All servers are one process on this machine, "
            "without the network's delay, so that 16 at once gain little here",
        ),
        Line(key="cml.first_calls", what="HTTP calls a worker, as a new process", value=first_calls),
        Line(
            key="cml.seconds",
            what=f"again, {count} servers, sessions kept",
            value=again,
            unit="s",
            plain=plain,
        ),
        Line(
            key="cml.far_seconds",
            what=f"the same, {DELAY_MS} ms away",
            value=far,
            unit="s",
            plain=far_plain,
            note=f"{DELAY_MS} ms of waiting added to each request, in the client, for both. Plain version: every {SAMPLE}th server, "
            f"times {SAMPLE}",
        ),
        Line(
            key="cml.calls",
            what="HTTP calls a worker, again",
            value=again_calls,
            plain=first_calls,
            note="system_information, system_stats, system_health and licensing. Plain version: signing in each time",
        ),
    ]


def _fair(fleet: SimulatedFleet, count: int) -> list[Line]:
    """How old what is known of the healthy servers becomes while every fifth server hangs."""
    hanging = fleet[::HANGING]
    seconds = INTERVAL * ROUNDS
    for server in hanging:
        server.set_mode("timeout")
    addresses = {server.base_url for server in hanging}
    with _short_limits():
        with _one_thread(), patch.object(cml_story, "patience", lambda timeouts: 1):
            oldest_plain, looks_plain = _oldest(addresses, seconds=seconds)
        oldest, looks = _oldest(addresses, seconds=seconds)
    for server in hanging:
        server.set_mode("none")
    healthy = count - len(hanging)
    return [
        Line(
            key="cml.oldest_seconds",
            what=f"oldest knowledge of a healthy server among {count}, {len(hanging)} of which hang",
            value=oldest,
            unit="s",
            plain=oldest_plain,
            goal=Goal(kind="at most", limit=2 * INTERVAL),
            note=f"over {seconds} s, one process, each due every {INTERVAL} s, a hanging one given up after {TIMEOUT} s. Plain version: one "
            "server after another; a server that it never reached counts as old as the run is long, though it would have become older",
        ),
        Line(
            key="cml.looks",
            what="looks at each healthy server in that time",
            value=looks / healthy,
            plain=looks_plain / healthy,
            goal=Goal(kind="at least", limit=ROUNDS - 1),
        ),
    ]


def _oldest(hanging: set[str], *, seconds: float) -> tuple[float, int]:
    """The longest time between two looks at a healthy server (or the run's ends), and the number of looks at them."""
    began = timezone.now()
    past = began - timedelta(hours=3)
    # Due in their turn, as after a while of running: not all at once.
    Worker.objects.update(cml_due_at=None, labs_due_at=began + timedelta(hours=1), machine_state_since=past, cml_timeouts=0)
    for place, worker in enumerate(Worker.objects.order_by("pk")):
        due = began + timedelta(seconds=INTERVAL * place / Worker.objects.count())
        Worker.objects.filter(pk=worker.pk).update(cml_due_at=due, cml_succeeded_at=began)
    seen: dict[Any, datetime] = dict.fromkeys(
        Worker.objects.exclude(custom_endpoint__in=hanging).values_list("pk", flat=True), began
    )
    longest, looks = 0.0, 0
    keep = cml_refresh._keep

    def noted(worker: Worker, reading: Any) -> None:
        nonlocal longest, looks
        keep(worker, reading)
        if worker.pk in seen:
            now = timezone.now()
            longest, looks = max(longest, (now - seen[worker.pk]).total_seconds()), looks + 1
            seen[worker.pk] = now

    with patch.object(cml_refresh, "_keep", noted):
        end = time.monotonic() + seconds
        with patch.object(cml_refresh, "LAST_CLAIM", seconds):
            while time.monotonic() < end:
                cml_refresh.refresh_cml(now=timezone.now())
                time.sleep(0.5)  # beat's tick
    ended = timezone.now()
    return max(longest, *((ended - at).total_seconds() for at in seen.values())), looks


def _meet(fleet: SimulatedFleet) -> None:
    Worker.objects.bulk_create(
        Worker(
            name=server.instance_id,
            region="us-east-1",
            instance_id=server.instance_id,
            machine_state="running",
            address_kind="custom",
            custom_endpoint=server.base_url,
        )
        for server in fleet
    )


def _requests(fleet: SimulatedFleet) -> int:
    return sum(sum(report["requests"].values()) for report in fleet.reports())


def _until_none_is_due() -> None:
    while cml_refresh.refresh_cml(now=timezone.now()):
        pass


def _again(*, every: int = 1) -> None:
    Worker.objects.update(cml_due_at=timezone.now() + timedelta(hours=1))
    chosen = list(Worker.objects.order_by("pk").values_list("pk", flat=True)[::every])
    Worker.objects.filter(pk__in=chosen).update(cml_due_at=None)
    _until_none_is_due()


def _check(count: int) -> None:
    """Every server must have answered, or the numbers mean nothing. Raises RuntimeError."""
    answered = Worker.objects.exclude(cml_succeeded_at=None).count()
    if answered != count:
        raise RuntimeError(f"{answered} of {count} CML servers were read.")


@contextmanager
def _one_thread() -> Iterator[None]:
    with patch.object(cml_refresh, "PARALLEL", 1), patch.object(cml_refresh, "SUSPECTS", 1):
        yield


@contextmanager
def _short_limits() -> Iterator[None]:
    names = {"CML_INTERVAL": INTERVAL, "CML_READ_TIMEOUT": TIMEOUT, "CML_CONNECT_TIMEOUT": TIMEOUT}
    before = {name: getattr(settings, name) for name in names}
    for name, value in names.items():
        setattr(settings, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


@contextmanager
def _delayed() -> Iterator[None]:
    """Each request waits as if the server were far away: what is near answers before a second thread can be of use."""
    send = HTTPAdapter.send

    def later(*args: Any, **options: Any) -> Any:
        time.sleep(DELAY_MS / 1000)
        return send(*args, **options)

    with patch.object(HTTPAdapter, "send", later):
        yield


def _forget_sessions() -> None:
    """As a new process would: no connection and no token."""
    cml_client._clients.forget()
    tokens.clear()
