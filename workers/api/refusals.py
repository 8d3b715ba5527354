"""How the services' refusals are answered: their own sentences, as problem details. What is so already is no refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from cmlmanager.api.problems import Problem
from workers.api.answers import operation_address
from workers.services.creation import UnableToCreate
from workers.services.importing import UnableToImport
from workers.services.on_demand import UnableToRefresh
from workers.services.operations.asking import UnableToAsk
from workers.services.operations.bulk import UnableToAskMany
from workers.services.records import UnableToDelete


def _unable_to_ask(request: HttpRequest, refusal: UnableToAsk) -> HttpResponse:
    if refusal.already:
        return JsonResponse({"sentence": refusal.sentence})
    more: dict[str, Any] = {"operation": operation_address(refusal.operation)} if refusal.operation else {}
    return Problem("refused", refusal.sentence, **more).response()


def _unable_to_refresh(request: HttpRequest, refusal: UnableToRefresh) -> HttpResponse:
    code = "too-many" if refusal.reason == "rate_limited" else "refused"
    wait = refusal.wait_seconds
    headers = {"Retry-After": str(wait)} if wait else {}
    return Problem(code, refusal.sentence, headers=headers, reason=refusal.reason, retry_after=wait).response()


def _unable_to_create(request: HttpRequest, refusal: UnableToCreate) -> HttpResponse:
    more: dict[str, Any] = {"worker": refusal.worker.pk} if refusal.worker else {}
    return Problem("refused", refusal.sentence, **more).response()


def _sentence(request: HttpRequest, refusal: Any) -> HttpResponse:
    return Problem("refused", refusal.sentence).response()


HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    UnableToAsk: _unable_to_ask,
    UnableToAskMany: _sentence,
    UnableToCreate: _unable_to_create,
    UnableToDelete: _sentence,
    UnableToImport: _sentence,
    UnableToRefresh: _unable_to_refresh,
}
