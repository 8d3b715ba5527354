"""The plain version of the live stream: Starlette, a StreamingResponse and an asyncio queue for each page. Nothing else.

No sign-in, no permissions, no Redis, no merging, no bounds: the least that such a stream can cost under the same server.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

_queues: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)


async def stream(request: Request) -> StreamingResponse:
    """`text/event-stream` of the channels asked for."""
    channels = request.query_params.getlist("channel")

    async def events() -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        for channel in channels:
            _queues[channel].add(queue)
        try:
            yield b"event: hello\ndata: {}\n\n"
            while True:
                yield await queue.get()
        finally:
            for channel in channels:
                _queues[channel].discard(queue)

    return StreamingResponse(events(), media_type="text/event-stream")


async def publish(request: Request) -> Response:
    """A list of [channel, type, data]: each is encoded once and queued at every page that asked for its channel."""
    for channel, kind, data in await request.json():
        wire = f"event: {kind}\ndata: {data}\n\n".encode()
        for queue in _queues[channel]:
            queue.put_nowait(wire)
    return Response(status_code=204)


app = Starlette(routes=[Route("/api/events/stream", stream), Route("/publish", publish, methods=["POST"])])
