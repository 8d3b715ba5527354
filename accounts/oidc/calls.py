"""HTTP calls to the OpenID provider: with time-outs, a size limit, no redirects, and an answer that is a JSON object or an error."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.auth import AuthBase

from accounts.oidc.errors import ProviderAway, ProviderRefused, ProviderSlow

# Bytes; a JWKS of a busy realm has some ten kB, userinfo of somebody in hundreds of groups as many.
MAX_ANSWER = 1024 * 1024
_CHUNK = 16 * 1024


class _Bearer(AuthBase):
    """As `auth`, because a header alone would lose against a line of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def get(url: str, *, bearer: str | None = None) -> dict[str, Any]:
    """The JSON object at `url`. Raises ProviderAway or ProviderRefused."""
    return _call("GET", url, auth=_Bearer(bearer) if bearer else None)


def post(url: str, fields: dict[str, str]) -> dict[str, Any]:
    """The JSON object that answers a form. Raises ProviderAway or ProviderRefused."""
    return _call("POST", url, data=fields)


def _call(method: str, url: str, **options: Any) -> dict[str, Any]:
    place = urlsplit(url)
    where = f"{place.scheme}://{place.netloc}{place.path}"
    deadline = time.monotonic() + 2 * settings.OIDC_TIMEOUT
    try:
        with requests.request(
            method,
            url,
            headers={"Accept": "application/json"},
            timeout=settings.OIDC_TIMEOUT,
            allow_redirects=False,
            stream=True,
            **options,
        ) as response:
            body = _read(response, where, deadline)
    except requests.Timeout as error:
        raise ProviderSlow(f"{where} did not answer within {settings.OIDC_TIMEOUT} seconds.") from error
    except requests.exceptions.SSLError as error:
        raise ProviderAway(f"{where} has a certificate that is not trusted here: {error}") from error
    except (requests.RequestException, OSError) as error:
        raise ProviderAway(f"{where} cannot be reached: {type(error).__name__}.") from error
    answer = _parsed(body)
    if 400 <= response.status_code < 500 and response.status_code not in (404, 408, 429):
        raise ProviderRefused(f"{where} answered {response.status_code}{_reason(answer)}.", _code(answer))
    if response.status_code != 200:
        raise ProviderAway(f"{where} answered {response.status_code}{_reason(answer)}.")
    if answer is None:
        raise ProviderAway(f"{where} answered with something that is no JSON object.")
    return answer


def _read(response: requests.Response, where: str, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ProviderAway(f"{where} answered with more than {MAX_ANSWER // 1024} kB.")
        if time.monotonic() > deadline:
            raise ProviderSlow(f"{where} answered too slowly.")
    return bytes(body)


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _code(answer: dict[str, Any] | None) -> str:
    return str((answer or {}).get("error", ""))[:100]


def _reason(answer: dict[str, Any] | None) -> str:
    """OAuth's error and its description: words for developers, without tokens."""
    described = (answer or {}).get("error_description", "")
    return "".join(f", {text}" for text in (_code(answer), str(described)[:200]) if text)
