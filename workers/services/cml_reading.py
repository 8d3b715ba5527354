"""One look at one CML server. Runs in a thread and touches no database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from workers.clients import cml
from workers.models import Worker
from workers.services.connection import UnableToConnect, account_to_learn, client_of, lacks_pin

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
NO_PIN = "No certificate is trusted yet: compare the one that the server shows and trust it under Edit connection."


@dataclass
class Reading:
    """What one look brought: an answer or None for each call, and the errors by call in the order they came."""

    information: cml.SystemInformation | None = None
    account: cml.CmlAccount | None = None  # learnt only now and then
    asked_as: str = ""  # the name of the account that was used
    stats: cml.SystemStats | None = None
    health: cml.SystemHealth | None = None
    licensing: cml.Licensing | None = None
    errors: dict[str, cml.CmlError] = field(default_factory=dict)
    problem: str = ""  # why CML could not be asked at all
    certificate: cml.Certificate | None = None  # what the server showed, when that was not accepted
    seconds: float = 0.0  # how long it took

    @property
    def error(self) -> cml.CmlError | None:
        """The first error, which explains the others."""
        return next(iter(self.errors.values()), None)

    @property
    def refusal(self) -> cml.CmlError | None:
        """Why CML does not let us in, or we do not trust it; None also when only some calls are beyond the account's rights."""
        return next((error for error in self.errors.values() if shuts_out(error)), None)

    @property
    def timed_out(self) -> bool:
        """Whether the server held a thread until a time-out: such a one is asked with care."""
        silent = any(isinstance(error, cml.CmlUnreachable) for error in self.errors.values())
        return silent and self.seconds >= min(settings.CML_CONNECT_TIMEOUT, settings.CML_READ_TIMEOUT)


def shuts_out(error: cml.CmlError) -> bool:
    """Whether this refusal holds for every call: a 403 to a call with a good session means too few rights for that call alone."""
    return isinstance(error, cml.CmlRefused) and not (error.detail.startswith("GET ") and "HTTP 403" in error.detail)


def read(worker: Worker) -> Reading:
    """Ask `worker`'s CML everything but its labs. Never raises: what went wrong is part of the reading.

    All calls together take at most CML_TOTAL_TIMEOUT, and reading a certificate that was refused CML_CONNECT_TIMEOUT more.
    """
    reading = Reading()
    began = time.monotonic()
    if not worker.endpoint:
        reading.problem = "EC2 has given the machine no address yet."
        return reading
    try:
        with cml.deadline(began + settings.CML_TOTAL_TIMEOUT):
            _ask(reading, worker)
    except UnableToConnect as error:
        reading.problem = str(error)
    except Exception:
        # A defect of ours or an answer nobody foresaw must not stop the rest of the fleet: it is logged once, and the worker says so.
        logger.exception("Reading CML of %s failed", worker)
        reading.problem = "The portal could not understand this CML; the log has the details."
    if isinstance(reading.error, cml.CmlCertificateRefused):
        reading.certificate = _certificate(worker)
    reading.seconds = time.monotonic() - began
    return reading


def _ask(reading: Reading, worker: Worker) -> None:
    if lacks_pin(worker):
        reading.errors["system_information"] = cml.CmlCertificateRefused(NO_PIN)
        return
    client = client_of(worker)
    reading.information = _call(reading, "system_information", client.system_information)
    if reading.information is None:
        return
    if not client.username:
        reading.problem = "The portal has no account on this CML: an administrator can set one under Edit connection."
        return
    reading.asked_as = client.username
    if account_to_learn(worker, client.username, now=timezone.now()):
        reading.account = _call(reading, "account", client.account)
        if isinstance(reading.errors.get("account"), cml.CmlNotFound):
            del reading.errors["account"]  # old versions do not tell; signing in works otherwise
    reading.stats = _call(reading, "system_stats", client.system_stats)
    reading.health = _call(reading, "system_health", client.system_health)
    reading.licensing = _call(reading, "licensing", client.licensing)


def _call(reading: Reading, name: str, call: Callable[[], Answer]) -> Answer | None:
    # After a time-out or a refusal the other calls would only wait or knock again: a wrong password must not lock the account.
    if any(isinstance(error, cml.CmlUnreachable) or shuts_out(error) for error in reading.errors.values()):
        return None
    try:
        return call()
    except cml.CmlError as error:
        reading.errors[name] = error
        return None


def _certificate(worker: Worker) -> cml.Certificate | None:
    """What the server shows, for a person to compare; None when it shows nothing any more."""
    try:
        return cml.certificate_of(worker.endpoint, timeout=settings.CML_CONNECT_TIMEOUT)
    except (cml.CmlError, ValueError) as error:
        logger.info("The certificate of %s cannot be read: %s", worker, error)
        return None
