"""Tags of one worker."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from pydantic import Field

from accounts.requests import PersonalRequest
from cmlmanager.api.problems import FieldError, Problem
from cmlmanager.api.schemas import escaped
from workers import access, tag_rules
from workers.api.answers import ASKED, accepted
from workers.api.operation_schemas import Reason
from workers.asker import asker
from workers.choices import OperationKind
from workers.models import Worker
from workers.services.operations import asking

router = Router(tags=["Worker actions"])


class TagChanges(Reason):
    """Tags to set and to remove; the others stay as EC2 has them."""

    set: dict[str, str] = Field({}, max_length=tag_rules.MOST_TAGS, examples=[{"Team": "training"}])
    remove: list[str] = Field([], max_length=tag_rules.MOST_TAGS, examples=[["Owner"]])

    def parameters(self) -> dict[str, Any]:
        """As the operation wants them."""
        return {"set": self.set, "remove": list(dict.fromkeys(self.remove))}


def check_tags(body: TagChanges, worker: Worker | None) -> None:
    """Raises Problem (422) for what EC2 would not take; `worker` None: for many workers."""
    found: list[FieldError] = []

    def note(pointer: str, *sentences: str) -> None:
        found.extend({"place": "body", "pointer": pointer, "detail": sentence} for sentence in sentences if sentence)

    for key, value in body.set.items():
        wrong_key = tag_rules.change_error(worker, key) if worker else tag_rules.key_error(key) or tag_rules.bulk_error(key)
        note(f"/set/{escaped(key)}", wrong_key or ("" if key else "A tag needs a key."), tag_rules.value_error(key, value))
    for number, key in enumerate(body.remove):
        both = "This tag is to be set, too." if key in body.set else ""
        note(f"/remove/{number}", tag_rules.removal_error(key) or both)
    if not body.set and not body.remove:
        note("", "Name at least one tag to set or to remove.")
    elif worker and not found:
        note("/set", tag_rules.too_many(worker, body.set, body.remove))
    if found:
        raise Problem("invalid", "Nothing was done: see `errors`.", errors=found[:50])


@router.patch("workers/{uuid:worker_id}/tags", response=ASKED, operation_id="changeTags", summary="Change tags")
def change_tags(request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, body: TagChanges) -> Any:
    """Set and remove tags in EC2. The tag Name is the worker’s name."""
    found = access.worker_to_act_on(request, worker_id, "workers.tag_worker")
    check_tags(body, found)
    operation = asking.ask(
        kind=OperationKind.TAG,
        worker=found,
        by=asker(request, body.reason),
        now=timezone.now(),
        parameters=body.parameters(),
    )
    return accepted(response, operation)
