"""A hundred CML servers read until none is due, in parallel and one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.conf import settings
from django.utils import timezone
from requests.adapters import HTTPAdapter

from tests.bench.report import Line
from tests.bench.run import Run
from tests.bench.timing import seconds_of
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedFleet, eventually, start_simulated_cml
from workers.clients.cml import client as cml_client
from workers.clients.cml.tokens import tokens
from workers.models import Worker
from workers.services import cml_refresh

DELAY_MS = 50
_DEMOS = ("ccnp-encor-01", "ccnp-encor-02", "sp-core-research", "ccna-evening")


def measure(run: Run) -> list[Line]:
    """All servers met for the first time, then again with sessions kept; the same code with one thread instead of sixteen beside it."""
    count = run.size(100)
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD
    specs = [ServerSpec(demo=_DEMOS[n % len(_DEMOS)], address=f"127.150.{n // 250}.{n % 250 + 1}") for n in range(count)]
    with start_simulated_cml(run.folder / "cml", servers=specs) as fleet:
        eventually(lambda: len(fleet.reports()) == count, within=60)
        _meet(fleet)
        with patch.object(cml_refresh, "PARALLEL", 1):
            _again()  # not counted: what the servers do once in their life is no cost of a refresh
            _forget_sessions()
            first_plain = seconds_of(_again)
            plain = seconds_of(_again)
            with _delayed():
                far_plain = seconds_of(_again)
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
            note=f"{DELAY_MS} ms of waiting added to each request, in the client, for both",
        ),
        Line(
            key="cml.calls",
            what="HTTP calls a worker, again",
            value=again_calls,
            plain=first_calls,
            note="system_information, system_stats, system_health and licensing. Plain version: signing in each time",
        ),
    ]


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


def _again() -> None:
    Worker.objects.update(cml_due_at=None)
    _until_none_is_due()


def _check(count: int) -> None:
    """Every server must have answered, or the numbers mean nothing. Raises RuntimeError."""
    answered = Worker.objects.exclude(cml_succeeded_at=None).count()
    if answered != count:
        raise RuntimeError(f"{answered} of {count} CML servers were read.")


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
