"""Files of comma-separated values, streamed: UTF-8, times ISO 8601 in UTC, nothing in them that a spreadsheet takes for a formula."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

# What makes a spreadsheet take a cell for a formula. Source: OWASP, "CSV Injection".
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(cell: object) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def utc_cell(at: datetime) -> str:
    """ "2026-11-23T14:03:09.000Z"."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Echo:
    """What csv.writer writes is what its writerow returns."""

    def write(self, line: str) -> str:
        return line


def lines_of(
    headings: Sequence[str], chunks: Iterable[Sequence[Sequence[object]]], *, most: int, too_many: str
) -> Iterator[str]:
    """The file, a chunk of rows at a time: at most `most` rows, and the sentence `too_many` at its end when there are more."""
    write = csv.writer(_Echo()).writerow
    yield write(headings)
    room = most
    for chunk in chunks:
        yield "".join(write([safe(cell) for cell in row]) for row in chunk[:room])
        if len(chunk) > room:
            yield write([too_many])
            return
        room -= len(chunk)


def csv_answer(request: HttpRequest, name: str, lines: Iterator[str]) -> StreamingHttpResponse:
    """The lines as a file to be saved as `name`, sent while they are read. `name` is ASCII without quotes."""
    return StreamingHttpResponse(
        _from_thread(lines) if isinstance(request, ASGIRequest) else lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _from_thread(lines: Iterator[str]) -> AsyncIterator[str]:
    # Under ASGI a plain iterator would be read to its end before the first byte goes out.
    def read() -> str | None:
        return next(lines, None)

    while (chunk := await sync_to_async(read)()) is not None:
        yield chunk
