"""`/api/events/stream` as an ASGI callable beside Django's handler.

Under Django's own handler a streaming response keeps one thread for as long as the page is open; here it costs two tasks and
its socket. What Django's middleware would have done is done by the same Django code: host check, session, security headers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from io import BytesIO
from typing import Any

import redis
from django.core.exceptions import DisallowedHost, RequestDataTooBig, TooManyFieldsSent
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django_eventstream.utils import get_channelmanager

from cmlmanager.live.authorize import Credential, Verdict, credential_of
from cmlmanager.live.channels import InvalidChannelsError, is_of_events
from cmlmanager.live.hub import Listener
from cmlmanager.live.log import EventListener
from cmlmanager.live.messages import LIVE
from cmlmanager.live.service import LiveService, OpenStream, TooManyOfSessionError, TooManyStreamsError, service

logger = logging.getLogger(__name__)

PATH = "/api/events/stream"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CHALLENGE = 'Bearer realm="CML Cloud Manager"'
# Where some clients put a token that belongs into a header.
_NEVER_IN_ADDRESSES = frozenset({"access_token", "token"})
# Milliseconds after which a browser without our script reconnects.
_RETRY = b"retry: 3000\n\n"
# Seconds that the last event of a stream may take when the server is in a hurry to end.
_LAST_WORD = 0.2
# Seconds that a stream of JSON events waits for a Redis that this process has not reached yet.
_UNTIL_READY = 3.0


class ProblemError(Exception):
    """A refusal, as problem details (RFC 9457)."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


async def event_stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request for the stream."""
    live = service()
    live.start()
    request = ASGIRequest(scope, BytesIO())
    opened = None
    try:
        credential, verdict, channels = await _authorize(live, request)
        if _is_probe(request):
            await _respond(send, request, HttpResponse(b'{"ok": true}', content_type="application/json"))
            return
        opened = _open(live, await _listener(live, request, channels), credential, verdict)
        await _serve(receive, send, request, opened.listener)
    except ProblemError as problem:
        await _respond(send, request, _problem_response(problem))
    except OSError:
        # Servers that say so when the page has gone (ASGI 2.4): there is nobody left to tell.
        logger.debug("A live stream ended because its page has gone.")
    finally:
        if opened is not None:
            live.close(opened)


async def _authorize(live: LiveService, request: ASGIRequest) -> tuple[Credential, Verdict, frozenset[str]]:
    """Credential, verdict and channels of a request that may be served. Raises ProblemError otherwise."""
    if request.method != "GET":
        raise ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, "Ask for the stream with GET.", Allow="GET")
    try:
        request.get_host()
        channels = frozenset(get_channelmanager().get_channels_for_request(request, {}))
    except (InvalidChannelsError, DisallowedHost) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from error
    except (TooManyFieldsSent, RequestDataTooBig) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The query has too many parameters.") from error
    if not _NEVER_IN_ADDRESSES.isdisjoint(request.GET):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Send the token in the Authorization header: addresses end up in logs.")
    channels |= {LIVE}
    credential = credential_of(request)
    verdict = await _ask(live, credential, channels) if credential else Verdict(None, channels)
    if verdict.user_id is None:
        challenge = _CHALLENGE + (', error="invalid_token"' if credential.authorization else "")
        detail = verdict.refusal or "Sign in to get live updates."
        raise ProblemError(HTTPStatus.UNAUTHORIZED, detail, WWW_Authenticate=challenge)
    if verdict.denied:
        names = ", ".join(sorted(verdict.denied)[:5])
        raise ProblemError(HTTPStatus.FORBIDDEN, f"You may not read: {names}. Ask an administrator of the portal for a role.")
    return credential, verdict, channels


async def _ask(live: LiveService, credential: Credential, channels: frozenset[str]) -> Verdict:
    try:
        return await live.authorizer.ask(credential, channels)
    except (DatabaseError, TimeoutError) as error:
        logger.warning("A live stream was refused because the database did not answer: %s", error)
        detail = "Permissions cannot be checked at the moment. Try again in a few seconds."
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, Retry_After="5") from error


def _is_probe(request: ASGIRequest) -> bool:
    """A script that lost its stream asks for JSON to learn why: EventSource does not tell the status."""
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/event-stream" not in accept


async def _listener(live: LiveService, request: ASGIRequest, channels: frozenset[str]) -> Listener:
    """What the stream listens with: news of pages, or JSON events from where the client was. Raises ProblemError."""
    if not any(is_of_events(channel) for channel in channels):
        return Listener(channels)
    try:
        async with asyncio.timeout(_UNTIL_READY):
            while not live.log.is_ready:
                await asyncio.sleep(0.05)
            listener = EventListener(channels, live.log, live.archive)
            last_id = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
            if last_id:
                await listener.resume(last_id)
    except (redis.RedisError, OSError, TimeoutError) as error:
        detail = "Events cannot be read at the moment. Try again in a few seconds."
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, Retry_After="5") from error
    return listener


def _open(live: LiveService, listener: Listener, credential: Credential, verdict: Verdict) -> OpenStream:
    try:
        return live.open(listener, credential, verdict)
    except TooManyOfSessionError:
        detail = "Too many pages of this session, or streams of this token, get live updates. Close some of them."
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, detail, Retry_After="30") from None
    except TooManyStreamsError:
        detail = "This server cannot take more live streams. Try again in a minute."
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, Retry_After="60") from None


async def _serve(receive: Receive, send: Send, request: ASGIRequest, listener: Listener) -> None:
    """Send to one page until it leaves, it may no longer listen, or the server ends."""
    response = HttpResponse(content_type="text/event-stream; charset=utf-8", headers={"X-Accel-Buffering": "no"})
    watcher = asyncio.create_task(_end_on_disconnect(receive, listener))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": _headers(request, response)})
        hello = {"channels": len(listener.channels) - 1, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        await _send_body(send, listener, _RETRY + listener.hello(json.dumps(hello)))
        while True:
            await listener.wait()
            if listener.ended:
                break
            body = await listener.body()
            if body and not listener.ended:
                await _send_body(send, listener, body)
        await send({"type": "http.response.body", "body": listener.farewell, "more_body": False})
    except asyncio.CancelledError:
        # Only a server that is shutting down, or our own tick for a page that takes nothing, cancels this task. An orderly end
        # instead of the exception keeps a stack trace for each open page out of the log.
        await _end_quickly(send)
    finally:
        watcher.cancel()


async def _send_body(send: Send, listener: Listener, body: bytes) -> None:
    # A page that does not read makes `send` wait: no task or buffer of ours grows, its news is coalesced meanwhile.
    listener.sending_since = listener.sent_at = time.monotonic()
    await send({"type": "http.response.body", "body": body, "more_body": True})
    listener.sending_since = None


async def _end_quickly(send: Send) -> None:
    try:
        async with asyncio.timeout(_LAST_WORD):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        logger.debug("A live stream was given up: its page takes nothing.")


async def _end_on_disconnect(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()


def _problem_response(problem: ProblemError) -> HttpResponse:
    body = {"type": "about:blank", "title": problem.status.phrase, "status": problem.status.value, "detail": problem.detail}
    return HttpResponse(
        json.dumps(body), status=problem.status, content_type="application/problem+json", headers=problem.headers
    )


async def _respond(send: Send, request: ASGIRequest, response: HttpResponse) -> None:
    response.headers["Content-Length"] = str(len(response.content))
    await send({"type": "http.response.start", "status": response.status_code, "headers": _headers(request, response)})
    await send({"type": "http.response.body", "body": response.content})


def _headers(request: ASGIRequest, response: HttpResponse) -> list[tuple[bytes, bytes]]:
    """The response's headers with those that Django's SecurityMiddleware adds to every page."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Cookie, Authorization, Accept"
    SecurityMiddleware(lambda _: response).process_response(request, response)
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
