"""The API itself: its routers behind the gate, and its schema."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from django.urls import URLPattern, path
from ninja import NinjaAPI

from cmlmanager.api import errors, openapi, whoami
from cmlmanager.api.gate import guarded
from cmlmanager.api.schemas import StrictParser
from cmlmanager.context import VERSION
from workers.api import refusals, routers

DESCRIPTION = """
Everything that the portal’s pages can do, for programs. [docs/api.md](/api/docs) tells more.

* **Who asks**: a bearer token (`Authorization: Bearer cmlm_…`, or an access token of Keycloak), or a session with its CSRF token. The same
  roles as on the pages.
* **What is asked for is not done at once**: it is recorded, and answered with 202 and an operation. Read the operation, or listen to
  `/api/events/stream`. What is so already is answered with 200, what is not possible now with 409 and the reason.
* **Errors** are problem details (RFC 9457). **Lists** come a page at a time. **ETags** save reading what has not changed.
* **Repeats**: send `Idempotency-Key` with a POST, and it is done once however often it is sent.
* Times are UTC (ISO 8601), percentages 0–100, sizes bytes, money decimal strings in USD.
"""


def build() -> NinjaAPI:
    """The API with every router. Routers of an app are listed by the app."""
    api = NinjaAPI(
        title="CML Cloud Manager",
        version=VERSION,
        description=DESCRIPTION.strip(),
        parser=StrictParser(),
        urls_namespace="api",
        openapi_url=None,
        docs_url=None,
    )
    errors.handle_errors(api)
    for kind, handler in refusals.HANDLERS.items():
        api.add_exception_handler(kind, handler)
    for router in (whoami.router, *routers.ROUTERS):
        api.add_router("", router)
    return api


_api = build()


@cache
def schema() -> dict[str, Any]:
    """The OpenAPI document."""
    return openapi.complete(dict(_api.get_openapi_schema(path_prefix="/api/")))


def urlpatterns() -> list[URLPattern]:
    """Every operation's address behind the gate."""
    patterns: dict[str, URLPattern] = {}
    for found in _api.urls[0]:
        # django-ninja has a converter of its own for UUIDs, and a pattern for each method of an address: the first names it.
        if isinstance(found, URLPattern):
            patterns.setdefault(str(found.pattern).replace("<uuidstr:", "<uuid:"), found)
    del patterns[""]  # its own root, which serves nothing
    return [path(route, guarded(found.callback, _parameters(route)), name=found.name) for route, found in patterns.items()]


def _parameters(route: str) -> dict[str, frozenset[str]]:
    """Method → the names of the query's parameters that it knows."""
    methods = schema()["paths"]["/api/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)]
    return {
        method.upper(): frozenset(one["name"] for one in operation["parameters"] if one.get("in") == "query")
        for method, operation in methods.items()
    }
