"""Bounds that one web process keeps, whatever its pages do."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import override_settings

from cmlmanager.live import service as service_module
from cmlmanager.live.authorize import Credential, Verdict
from cmlmanager.live.hub import Listener
from cmlmanager.live.messages import Message
from cmlmanager.live.service import LiveService, TooManyOfSessionError, TooManyStreamsError
from cmlmanager.live.stream import _serve

SCOPE = {"type": "http", "method": "GET", "path": "/api/events/stream", "headers": [(b"host", b"localhost")]}


def of(session_key: str, user_id: str) -> tuple[Credential, Verdict]:
    """Somebody who may stay."""
    return Credential(session_key=session_key), Verdict(user_id, frozenset())


@override_settings(LIVE_MAX_STREAMS=2, LIVE_MAX_STREAMS_PER_SESSION=1)
def test_a_full_process_takes_no_more_and_takes_again_when_somebody_left() -> None:
    async def main() -> None:
        live = LiveService()
        first = live.open(Listener([]), *of("a", "1"))
        with pytest.raises(TooManyOfSessionError):
            live.open(Listener([]), *of("a", "1"))
        second = live.open(Listener([]), *of("b", "2"))
        with pytest.raises(TooManyStreamsError):
            live.open(Listener([]), *of("c", "3"))
        live.close(first)
        live.open(Listener([]), *of("a", "1"))
        assert live.snapshot()["streams"] == 2
        live.close(second)
        assert live.snapshot()["streams"] == 1

    asyncio.run(main())


def test_the_gauges_tell_what_happened() -> None:
    async def main() -> None:
        live = LiveService()
        listener = Listener(["fleet"])
        live.open(listener, *of("a", "1"))
        live.hub.deliver([Message(channel="fleet", type="x", data="<i></i>")] * 2)
        listener.take()
        assert live.snapshot() == {
            "streams": 1,
            "delivered": 1,
            "coalesced": 1,
            "dropped": 0,
            "reader_connected": False,
            "heartbeat_age": None,
        }

    asyncio.run(main())


class Browser:
    """The other end of an ASGI call."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.sent: list[bytes] = []
        self.gone = asyncio.Event()
        self._stuck = stuck

    async def receive(self) -> MutableMapping[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message.get("body", b""))
        if self._stuck and len(self.sent) > 1:
            await asyncio.Event().wait()


async def serve(live: LiveService, browser: Browser) -> None:
    listener = Listener([])
    stream = live.open(listener, *of("a", "1"))
    try:
        await _serve(browser.receive, browser.send, ASGIRequest(SCOPE, BytesIO()), listener)
    finally:
        live.close(stream)


@override_settings(REDIS_URL="redis://127.0.0.1:9/0")
def test_a_quiet_stream_is_kept_alive_and_ends_when_its_page_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_TICK", 0.01)
    monkeypatch.setattr(service_module, "_QUIET", 0.02)

    async def main() -> None:
        live, browser = LiveService(), Browser()
        live.start()
        task = asyncio.create_task(serve(live, browser))
        async with asyncio.timeout(5):
            while browser.sent.count(b": keep-alive\n\n") < 2:
                await asyncio.sleep(0.01)
            browser.gone.set()
            await task
        assert live.snapshot()["streams"] == 0
        await live.stop()

    asyncio.run(main())


@override_settings(REDIS_URL="redis://127.0.0.1:9/0")
def test_a_page_that_takes_nothing_for_long_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_TICK", 0.01)
    monkeypatch.setattr(service_module, "_STUCK", 0.05)

    async def main() -> None:
        live, browser = LiveService(), Browser(stuck=True)
        live.start()
        async with asyncio.timeout(5):
            await serve(live, browser)
        assert live.snapshot()["streams"] == 0
        await live.stop()

    asyncio.run(main())


@override_settings(REDIS_URL="redis://127.0.0.1:9/0")
def test_stopping_the_service_ends_every_stream() -> None:
    async def main() -> None:
        live, browser = LiveService(), Browser()
        live.start()
        task = asyncio.create_task(serve(live, browser))
        while not browser.sent:
            await asyncio.sleep(0)
        await live.stop()
        async with asyncio.timeout(5):
            await task
        assert browser.sent[-1] == b""

    asyncio.run(main())
