"""Answers to having asked for something."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from ninja.responses import Status

from workers.api import operation_schemas as schemas
from workers.models import Operation

# What an operation that asks for something may answer with.
ASKED: dict[int, Any] = {202: schemas.Operation, 200: schemas.AlreadySo}


def accepted(response: HttpResponse, operation: Operation) -> Status[schemas.Operation]:
    """202: it is recorded, and goes on by itself."""
    response["Location"] = operation_address(operation)
    return Status(202, operation_shown(operation))


def operation_address(operation: Operation) -> str:
    """Where the operation can be read."""
    return reverse("api:operation", args=[operation.pk])


def row_fields(operation: Operation) -> dict[str, Any]:
    """The fields of schemas.OperationRow."""
    return {
        "id": operation.pk,
        "kind": operation.kind,
        "state": operation.state,
        "worker": _subject(operation.worker_id, operation.worker_name),
        "lab": _subject(operation.subject_id, operation.subject_name),
        "by": {"kind": operation.actor_kind, "name": operation.actor_name},
        "reason": operation.reason,
        "batch": operation.batch,
        "sentence": operation.sentence,
        "asked_at": operation.asked_at,
        "started_at": operation.started_at,
        "finished_at": operation.finished_at,
    }


def operation_shown(operation: Operation) -> schemas.Operation:
    """The operation with its steps."""
    steps = [
        schemas.Step(
            name=step["name"],
            label=step["label"],
            state=step["state"],
            detail=step.get("detail", ""),
            started_at=_moment(step.get("started_at")),
            finished_at=_moment(step.get("finished_at")),
        )
        for step in operation.steps
    ]
    return schemas.Operation(**row_fields(operation), steps=steps, detail=operation.detail)


def _subject(identity: Any, name: str) -> dict[str, Any] | None:
    return {"id": identity, "name": name} if identity or name else None


def _moment(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None
