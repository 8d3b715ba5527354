"""What goes wrong, as problem details: RFC 9457, application/problem+json. One table of kinds; docs and schema read it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its status, its title, and what whoever gets it can do."""

    status: int
    title: str
    advice: str


KINDS: dict[str, Kind] = {
    "bad-request": Kind(400, "The request cannot be read", "Mend the request; the detail says where."),
    "unauthenticated": Kind(401, "Nobody is signed in", "Send a bearer token, or sign in."),
    "csrf": Kind(403, "The CSRF token is missing or wrong", "Send the page’s token as X-CSRFToken, or use a bearer token."),
    "no-role": Kind(403, "This account has no role", "Ask an administrator of the portal for a role."),
    "forbidden": Kind(403, "Not allowed", "Ask somebody whose role may do it, or an administrator for another role or token."),
    "not-found": Kind(404, "There is no such thing", "Look at the address; the thing may be gone, or not yours to see."),
    "method-not-allowed": Kind(405, "This address does not take that method", "The Allow header names those that it takes."),
    "refused": Kind(409, "Not now", "The detail says why, and when it can be tried again. Nothing was done."),
    "repeat-in-flight": Kind(
        409, "The first request with this key is still being done", "Ask again with the same key in a second."
    ),
    "length-required": Kind(411, "The length of the body is not said", "Send Content-Length."),
    "too-large": Kind(413, "The body is too large", "Send less at once."),
    "not-json": Kind(415, "The body is not JSON", "Send application/json in UTF-8."),
    "invalid": Kind(422, "Some values are not right", "Mend what `errors` points at. Nothing was done."),
    "key-reused": Kind(422, "The idempotency key belongs to another request", "Take a new key for each new request."),
    "too-many": Kind(429, "Too many requests", "Wait for as many seconds as Retry-After says."),
    "internal": Kind(500, "The portal made a mistake", "Nothing that you can mend; its log has the details."),
    "unavailable": Kind(503, "The portal cannot answer now", "Ask again after as many seconds as Retry-After says."),
}
_BY_STATUS = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    409: "refused",
}
_BY_STATUS |= {411: "length-required", 413: "too-large", 415: "not-json", 422: "invalid", 429: "too-many", 503: "unavailable"}


class FieldError(TypedDict):
    """What is wrong with one value: where it was given, a JSON pointer (RFC 6901) to it there, and a sentence."""

    place: str
    pointer: str
    detail: str


class Problem(Exception):
    """A refusal. `code` is one of KINDS, `detail` a sentence for this occurrence; `more` are further members of the answer."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.more = more

    @property
    def status(self) -> int:
        """Its HTTP status."""
        return KINDS[self.code].status

    def response(self) -> HttpResponse:
        """The answer."""
        kind = KINDS[self.code]
        body: dict[str, Any] = {
            "type": f"/api/docs#problem-{self.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = self.errors
        content = json.dumps(body | self.more, cls=DjangoJSONEncoder)
        return HttpResponse(content, status=kind.status, content_type=CONTENT_TYPE, headers=self.headers)


def code_of(status: int) -> str:
    """The code of a problem of which nothing but the HTTP status is known."""
    return _BY_STATUS.get(status, "internal" if status >= 500 else "bad-request")


def invalid(place: str, pointer: str, detail: str) -> Problem:
    """One value is not right. `place` is body, query, path or header; `pointer` such as "/reason"."""
    return Problem("invalid", detail, errors=[{"place": place, "pointer": pointer, "detail": detail}])
