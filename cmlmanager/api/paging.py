"""Lists a page at a time: how they are asked for, and how they are answered, with links in the body and in the Link header."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, Field

from cmlmanager.api.schemas import Out

Item = TypeVar("Item")
MOST = 200
DEFAULT = 50


class PageQuery(BaseModel):
    """Which page. A list's own filters inherit from this."""

    page: int = Field(1, ge=1, le=1_000_000, description="The page, from 1 on. One behind the last has no items.")
    size: int = Field(DEFAULT, ge=1, le=MOST, description=f"Items a page, at most {MOST}.")


class PageLinks(Out):
    """Addresses of other pages of the same list, relative to the portal; null where there is none."""

    self: str
    first: str
    previous: str | None
    next: str | None
    last: str


class Page(Out, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    page: int
    size: int
    total: int = Field(description="How many items match in all.")
    pages: int = Field(description="How many pages they fill; at least 1.")
    links: PageLinks


def paged(
    request: HttpRequest,
    response: HttpResponse,
    found: QuerySet[Any],
    query: PageQuery,
    show: Callable[[list[Any]], Iterable[Any]],
) -> dict[str, Any]:
    """The fields of a Page of `found`, whose rows `show` makes into items; sets the Link header (RFC 8288). Two queries and those of `show`."""
    total = found.count()
    pages = max(1, -(-total // query.size))
    first = (query.page - 1) * query.size
    rows = list(found[first : first + query.size]) if first < total else []
    links = PageLinks(
        self=_address(request, query.page),
        first=_address(request, 1),
        previous=_address(request, min(query.page - 1, pages)) if query.page > 1 else None,
        next=_address(request, query.page + 1) if query.page < pages else None,
        last=_address(request, pages),
    )
    relations = {"first": links.first, "prev": links.previous, "next": links.next, "last": links.last}
    response["Link"] = ", ".join(f'<{address}>; rel="{name}"' for name, address in relations.items() if address)
    items = list(show(rows))
    return {"items": items, "page": query.page, "size": query.size, "total": total, "pages": pages, "links": links}


def _address(request: HttpRequest, page: int) -> str:
    query = request.GET.copy()
    query["page"] = str(page)
    return f"{request.path}?{query.urlencode()}"
