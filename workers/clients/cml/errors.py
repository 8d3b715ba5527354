"""What can go wrong with a CML server, as exceptions that carry a sentence for the operator and the technical detail apart."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import requests
import urllib3.exceptions

from workers.clients.reach import NotAllowed

LONGEST_DESCRIPTION = 500
_TELLING = 8  # so many characters of a secret in a row tell something of it


class CmlError(Exception):
    """A call to a CML server failed.

    `sentence` says what happened and what to do, fit for a person; `detail` is for the log and the technical view;
    `description` are CML's own words, shortened, "" when it said none.
    `retryable` tells whether the same call may succeed a little later without anybody doing anything. `maybe_done` is
    true of a write that CML may have carried out although its answer did not arrive: look before repeating it.
    No text ever holds a password or a token.
    """

    retryable_by_default: ClassVar[bool] = False

    def __init__(self, sentence: str, detail: str = "", retryable: bool | None = None, *, description: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail
        self.description = description
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.maybe_done = False

    def uncertain(self) -> CmlError:
        """This error as that of a write whose outcome nobody knows."""
        self.maybe_done = True
        self.sentence = f"{self.sentence} CML may have done it all the same: look before you repeat it."
        self.args = (self.sentence,)
        return self


class CmlUnreachable(CmlError):
    """Nothing answers: refused, no route, unknown name, or a time-out."""

    retryable_by_default = True


class CmlNotReady(CmlError):
    """Something answers, but CML is not up behind it: nginx's 502, 503 and 504, connections cut while booting, maintenance."""

    retryable_by_default = True


class CmlRefused(CmlError):
    """CML does not let us in: wrong user name or password, or too few rights."""


class CmlCertificateRefused(CmlRefused):
    """We do not accept the server's TLS certificate under the worker's TLS policy. Nothing was sent to it."""


class CmlNotFound(CmlError):
    """CML does not know the object (404)."""


class CmlConflict(CmlError):
    """CML is in a state that does not allow the call (409)."""


class CmlRejected(CmlError):
    """CML found the call's content wrong (400, 422); the sentence quotes its description."""


class CmlNodesRunning(CmlRejected):
    """CML does not release its licence while nodes run (one of the two meanings of 400 on deregistration)."""


class CmlUnexpected(CmlError):
    """The answer is not what CML answers: not JSON, wrong shape, empty or too large."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and every error inside it: requests, urllib3 and ssl wrap each other through arguments, reasons and causes."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = (*current.args, getattr(current, "reason", None), current.__cause__, current.__context__)
        pending.extend(item for item in inner if isinstance(item, BaseException))


def from_transport(
    error: BaseException, *, where: str, connect_timeout: float, read_timeout: float, total_timeout: float
) -> CmlError:
    """The exception for a call that got no complete HTTP answer. Its type and text come from the innermost causes known."""
    causes = list(chain(error))
    detail = technical(causes)
    refused = _refused(causes, where, detail)
    if refused:
        return refused
    if _any(causes, (socket.gaierror, urllib3.exceptions.NameResolutionError, UnicodeError)):
        return CmlUnreachable(f"The name in {where} cannot be resolved: check the worker's address.", detail)
    if _any(causes, (requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError)) and not _any(
        causes, (ConnectionRefusedError,)
    ):
        return CmlUnreachable(
            f"{where} did not answer within {connect_timeout:g} s: check that the instance runs and that its security group "
            "lets the portal in.",
            detail,
        )
    if _any(causes, (TimeoutError, requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError)):
        return CmlUnreachable(
            f"CML at {where} took too long to answer (it has {read_timeout:g} s for each read and {total_timeout:g} s in all): "
            "try again, and look at the server's load if this persists.",
            detail,
        )
    if _is_cut(causes):
        return CmlNotReady(f"{where} cut the connection: CML is probably still starting, try again in a minute.", detail)
    return CmlUnreachable(
        f"Nothing answers at {where}: check that the instance runs and that its security group lets the portal in.", detail
    )


def was_sent(error: BaseException) -> bool:
    """Whether the request may have reached the server: false only when no connection came about."""
    kinds = (
        requests.exceptions.ConnectTimeout,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.NameResolutionError,
        socket.gaierror,
        ConnectionRefusedError,
    )
    causes = list(chain(error))
    return not _any(causes, kinds) and not any(map(_is_certificate_problem, causes))


def _refused(causes: list[BaseException], where: str, detail: str) -> CmlError | None:
    """What we ourselves do not accept: the address, or the certificate."""
    if _any(causes, (NotAllowed,)):
        sentence = (
            f"{where} leads to an address that is never connected to, such as a metadata service: correct the worker's address."
        )
        return CmlUnreachable(sentence, detail, retryable=False)
    for cause in causes:
        if _is_certificate_problem(cause):
            return CmlCertificateRefused(
                f"The TLS certificate of {where} is not accepted: check that this is the right server, "
                "then update the worker's TLS policy (its fingerprint or its CA).",
                detail,
            )
    return None


def technical(causes: list[BaseException]) -> str:
    """The innermost cause in one line. Transport errors have addresses and reasons in their text, no headers and no bodies."""
    innermost = causes[-1]
    return f"{type(innermost).__name__}: {innermost}"[:LONGEST_DESCRIPTION]


def _any(causes: list[BaseException], kinds: tuple[type[BaseException], ...]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _is_certificate_problem(cause: BaseException) -> bool:
    # urllib3 has no own type for a fingerprint that does not match: it raises its SSLError with this text.
    return isinstance(cause, ssl.SSLCertVerificationError) or (
        isinstance(cause, urllib3.exceptions.SSLError) and "Fingerprints did not match" in str(cause)
    )


def _is_cut(causes: list[BaseException]) -> bool:
    kinds = (
        ConnectionResetError,
        ConnectionAbortedError,
        BrokenPipeError,
        ssl.SSLError,
        http.client.HTTPException,
        urllib3.exceptions.ProtocolError,
    )
    refused = any(isinstance(c, ConnectionRefusedError) or getattr(c, "errno", None) == errno.EHOSTUNREACH for c in causes)
    return _any(causes, kinds) and not refused


@dataclass(frozen=True)
class _StatusMeaning:
    """What an HTTP status of CML means. `sentence` may use {where}, {username}, {status} and {said}, CML's own words."""

    kind: type[CmlError]
    sentence: str
    when_silent: str = ""
    retryable: bool | None = None


_NOT_READY = _StatusMeaning(
    CmlNotReady, "CML at {where} is not ready (HTTP {status}): it is starting or under maintenance, try again later."
)
_REJECTED = _StatusMeaning(CmlRejected, "CML at {where} rejected the request: {said}.", "it does not say why")
_FAILED = _StatusMeaning(
    CmlUnexpected, "CML at {where} failed inside (HTTP {status}): {said}.", "look at its log if this persists", retryable=True
)
_STRANGE = _StatusMeaning(
    CmlUnexpected, "{where} answered HTTP {status}, which CML never does: check that this address is a CML server."
)
_MEANINGS = {
    400: _REJECTED,
    401: _StatusMeaning(CmlRefused, "CML at {where} refuses each new session of {username}: sign in there by hand and check."),
    403: _StatusMeaning(CmlRefused, "CML at {where} does not let {username} do this: use an administrator's account."),
    404: _StatusMeaning(CmlNotFound, "CML at {where} does not know this: {said}.", "it may have been deleted there"),
    409: _StatusMeaning(
        CmlConflict, "CML at {where} cannot do this now: {said}. Try again later.", "something else is in progress there"
    ),
    413: _StatusMeaning(CmlRejected, "CML at {where} does not take so much at once (HTTP 413): make it smaller."),
    422: _REJECTED,
    **dict.fromkeys((429, 502, 503, 504), _NOT_READY),
}


def from_status(status: int, body: bytes, *, call: str, where: str, username: str, secrets: Iterable[str] = ()) -> CmlError:
    """The exception for an HTTP answer that is no success, redirects included: CML's API sends none.

    `secrets` went to the server with the request; what it quotes of them is taken out.
    """
    meaning = _MEANINGS.get(status, _FAILED if status >= 500 else _STRANGE)
    said = description(body, secrets=secrets)
    sentence = meaning.sentence.format(
        where=where, username=username or "an anonymous caller", status=status, said=said or meaning.when_silent
    )
    return meaning.kind(sentence, f"{call}: HTTP {status}: {said}".rstrip(": "), meaning.retryable, description=said)


def description(body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """CML's own words in an error body `{"code", "description"}`, in one line; empty when it holds none.

    `description` is a string, a string that holds JSON (validation errors since 2.7), or a list of validation errors.
    """
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(parsed, dict):
        return ""
    value = parsed.get("description")
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    said = " ".join(_words(value).split())[: 8 * LONGEST_DESCRIPTION]
    for secret in secrets:
        said = _without(said, secret)
    return said[:LONGEST_DESCRIPTION].rstrip(".")


def _without(said: str, secret: str) -> str:
    """What CML said, less every word that has eight or more characters in a row of the secret: validators quote shortened input."""

    def hide(word: re.Match[str]) -> str:
        found = word[0]
        shared = any(found[at : at + _TELLING] in secret for at in range(len(found) - _TELLING + 1))
        return "[hidden]" if shared else found

    return re.sub(rf"\S{{{_TELLING},}}", hide, said.replace(secret, "[hidden]")) if secret else said


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_words, value[:20])))
    if not isinstance(value, dict):
        return ""
    message = value.get("message") or value.get("msg")
    if isinstance(message, str):
        place = value.get("location") or value.get("loc") or []
        names = [str(part) for part in place if part != "body"] if isinstance(place, list) else []
        return f"{'.'.join(names)}: {message}" if names else message
    return "; ".join(f"{name}: {words}" for name, inner in value.items() if (words := _words(inner)))
