"""The web process: Django for everything but the live stream, which is served beside it (see cmlmanager.live.stream)."""

from __future__ import annotations

import gc
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cmlmanager.settings")

from django.core.asgi import get_asgi_application

from cmlmanager.observability import start_tracing

start_tracing()
_django = get_asgi_application()

# Only now: these import parts of Django that need its settings and applications.
from cmlmanager.live.service import service  # noqa: E402
from cmlmanager.live.stream import PATH, event_stream  # noqa: E402


async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"] == PATH:
        await event_stream(scope, receive, send)
    else:
        await _django(scope, receive, send)  # type: ignore[arg-type]


async def _lifespan(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]], send: Callable[[MutableMapping[str, Any]], Awaitable[None]]
) -> None:
    """Django's handler knows no lifespan."""
    await receive()
    service().start()
    _spare_the_collector()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await service().stop()
    await send({"type": "lifespan.shutdown.complete"})


def _spare_the_collector() -> None:
    """Keep full garbage collections away from the stream: they were what its slowest deliveries waited for.

    What is loaded by now (Django, the models, the libraries) lives as long as the process: walking it again and again is work
    for nothing. A burst to a thousand pages makes many short-lived objects, which reference counting frees by itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
