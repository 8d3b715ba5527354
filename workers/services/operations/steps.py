"""What a step is given and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

from workers.choices import OperationState
from workers.clients import aws, cml
from workers.models import Operation, Worker
from workers.services import connection, places

MAX_ATTEMPTS = 8  # of one step, for errors that may pass: about five minutes


@dataclass(frozen=True)
class Done:
    """The step is done; `detail` for the page."""

    detail: str = ""


@dataclass(frozen=True)
class Finished:
    """The step is done and makes the rest needless."""

    detail: str = ""


@dataclass(frozen=True)
class Wait:
    """Ask again in `seconds`."""

    seconds: float
    detail: str = ""


Outcome = Done | Finished | Wait


class Stopped(Exception):
    """The operation ends here. `nothing_done` says that it is a refusal, which left everything as it was."""

    def __init__(self, sentence: str, *, detail: str = "", nothing_done: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail
        self.nothing_done = nothing_done


@dataclass(frozen=True, kw_only=True)
class Task:
    """One step to do, now."""

    operation: Operation
    step: dict[str, Any]
    now: datetime

    @property
    def worker(self) -> Worker:
        """The worker, as it is in the database now. Raises Stopped when it was deleted meanwhile."""
        if self.operation.worker is None:
            raise Stopped("The worker's record was deleted meanwhile.")
        return self.operation.worker

    @property
    def aws(self) -> aws.AwsClient:
        """The client of the worker's account and region, or of those in the parameters. Raises AwsError for an account that is gone."""
        worker, parameters = self.operation.worker, self.operation.parameters
        if worker:
            return places.client_of(region=worker.region, account=worker.account)
        return places.client_of(region=parameters["region"], account=parameters.get("account", ""))

    @property
    def cml(self) -> cml.CmlClient:
        """The client of the worker's CML. Raises Stopped when the portal has no way to speak to it."""
        if not self.worker.endpoint:
            raise Stopped(f"EC2 has given {self.worker} no address.", nothing_done=True)
        try:
            return connection.client_of(self.worker)
        except connection.UnableToConnect as error:
            raise Stopped(f"The portal cannot speak to CML on {self.worker}: {error}", nothing_done=True) from error

    @property
    def is_last_attempt(self) -> bool:
        """Whether an error that may pass ends the operation this time."""
        return self.operation.attempts + 1 >= MAX_ATTEMPTS

    def remember(self, **facts: Any) -> bool:
        """Keep facts in the operation's result at once, whatever kills the process afterwards; False when it is no longer ours."""
        self.operation.result |= facts
        mine = Operation.objects.filter(
            pk=self.operation.pk, lease_owner=self.operation.lease_owner, state=OperationState.RUNNING
        )
        return bool(mine.update(result=self.operation.result))

    def lasted(self) -> timedelta:
        """How long this step has been going on."""
        started = parse_datetime(self.step["started_at"])
        return self.now - started if started else timedelta()


Handler = Callable[[Task], Outcome]
