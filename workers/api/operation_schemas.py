"""Operations as the API tells of them. Neither their parameters nor their results are in it, but what a look in EC2 found."""

from __future__ import annotations

import uuid
from datetime import datetime

from pydantic import ConfigDict, Field

from cmlmanager.api.paging import Page
from cmlmanager.api.schemas import In, Out
from workers.choices import ActorKind, OperationKind, OperationState, StepState


class Step(Out):
    """One step of an operation."""

    name: str
    label: str
    state: StepState
    detail: str
    started_at: datetime | None
    finished_at: datetime | None


class Subject(Out):
    """What is meant: a worker, or a lab on it. The id is null when it is gone; the name stays."""

    id: uuid.UUID | None
    name: str


class By(Out):
    """Who asked."""

    kind: ActorKind
    name: str


class OperationRow(Out):
    """One thing that somebody asked for."""

    id: uuid.UUID
    kind: OperationKind
    state: OperationState = Field(description="refused: nothing was done; failed: something may have been.")
    worker: Subject | None
    lab: Subject | None
    by: By
    reason: str
    batch: uuid.UUID | None = Field(description="Shared by what was asked of many at once.")
    sentence: str = Field(description="What came of it, for people; empty while it goes on.")
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class OperationPage(Page[OperationRow]):
    """A page of operations."""


class Operation(OperationRow):
    """One thing that somebody asked for, with its steps."""

    model_config = ConfigDict(frozen=True, title="Operation")

    steps: list[Step]
    detail: str = Field(description="For whoever mends it.")


class AlreadySo(Out):
    """What was asked for is so already: nothing was done."""

    sentence: str = Field(examples=["ccnp-encor-01 is already running; there is nothing to do."])


class Reason(In):
    """Why, for the audit."""

    reason: str = Field(
        "", max_length=500, description="Goes into the timeline and the audit.", examples=["Class begins at nine"]
    )
