"""One look at one CML server. Runs in a thread and touches no database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from workers.clients import cml
from workers.models import Worker
from workers.services.connection import UnableToConnect, client_of

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass
class Reading:
    """What one look brought: an answer or None for each call, and the errors by call in the order they came."""

    information: cml.SystemInformation | None = None
    stats: cml.SystemStats | None = None
    health: cml.SystemHealth | None = None
    licensing: cml.Licensing | None = None
    errors: dict[str, cml.CmlError] = field(default_factory=dict)
    problem: str = ""  # why CML could not be asked at all

    @property
    def error(self) -> cml.CmlError | None:
        """The first error, which explains the others."""
        return next(iter(self.errors.values()), None)


def read(worker: Worker) -> Reading:
    """Ask `worker`'s CML everything but its labs. Never raises: what went wrong is part of the reading."""
    reading = Reading()
    if not worker.endpoint:
        reading.problem = "EC2 has given the machine no address yet."
        return reading
    try:
        client = client_of(worker)
        _ask(reading, client)
    except UnableToConnect as error:
        reading.problem = str(error)
    except Exception:
        # A defect of ours or an answer nobody foresaw must not stop the rest of the fleet: it is logged once, and the worker says so.
        logger.exception("Reading CML of %s failed", worker)
        reading.problem = "The portal could not understand this CML; the log has the details."
    return reading


def _ask(reading: Reading, client: cml.CmlClient) -> None:
    reading.information = _call(reading, "system_information", client.system_information)
    if reading.information is None:
        return
    if not client.username:
        reading.problem = "The portal has no account on this CML: an administrator can set one under Edit connection."
        return
    reading.stats = _call(reading, "system_stats", client.system_stats)
    reading.health = _call(reading, "system_health", client.system_health)
    reading.licensing = _call(reading, "licensing", client.licensing)


def _call(reading: Reading, name: str, call: Callable[[], Answer]) -> Answer | None:
    # After a time-out or a refusal the other calls would only wait or knock again: a wrong password must not lock the account.
    if any(isinstance(error, cml.CmlUnreachable | cml.CmlRefused) for error in reading.errors.values()):
        return None
    try:
        return call()
    except cml.CmlError as error:
        reading.errors[name] = error
        return None
