"""A worker's labs as one file."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from labs.services.versions.archive import archive, archive_name
from workers import access


@require_safe
def worker_labs_archive(request: PersonalRequest, worker_id: uuid.UUID) -> StreamingHttpResponse:
    """The newest version of every lab that is on the worker, sent while it is made; with gone=1 of those that are gone, too."""
    found = access.worker_to_act_on(request, worker_id, "labs.operate_lab")
    now = timezone.now()
    pieces = archive(found, now=now, include_gone=request.GET.get("gone") == "1")
    return StreamingHttpResponse(
        _from_thread(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{archive_name(found, now=now)}"',
            "Cache-Control": "no-store",
        },
    )


async def _from_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    # Under ASGI a plain iterator would be read to its end before the first byte goes out.
    def read() -> bytes | None:
        return next(pieces, None)

    while (piece := await sync_to_async(read)()) is not None:
        yield piece
