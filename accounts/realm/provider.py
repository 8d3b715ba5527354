"""Asking Keycloak, as a browser or the portal would. Redirects are not followed and answers are bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

LARGEST = 1024 * 1024  # bytes of one answer; Keycloak's are a few KiB


class Silent(Exception):
    """No answer came; the message says why, as a sentence."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str
    document: Any  # the body as JSON; None when it is none

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    def says(self, key: str) -> str:
        """A text of a JSON object, "" when there is none."""
        value = self.document.get(key) if isinstance(self.document, dict) else None
        return value if isinstance(value, str) else ""


class Provider:
    """One conversation. Each request waits at most `timeout` seconds for a connection, and as long between two parts of the answer."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def get(self, url: str, parameters: Mapping[str, str] | None = None) -> Answer:
        """Raises Silent."""
        return self._ask("GET", url, params=parameters)

    def post(self, url: str, form: Mapping[str, str], *, auth: tuple[str, str] | None = None) -> Answer:
        """Raises Silent. `auth`: name and password for HTTP basic authentication."""
        return self._ask("POST", url, data=form, auth=auth)

    def _ask(self, method: str, url: str, **options: Any) -> Answer:
        try:
            # Without a session: a cookie of one question must not change the answer to the next.
            with requests.request(method, url, timeout=self._timeout, allow_redirects=False, stream=True, **options) as answer:
                text = answer.raw.read(LARGEST, decode_content=True).decode(errors="replace")
                return Answer(answer.status_code, answer.headers, text, _document(text))
        except requests.exceptions.SSLError as error:
            raise Silent(f"Its TLS certificate is not accepted ({_reason(error)}).") from error
        except requests.exceptions.Timeout as error:
            raise Silent(f"No answer came within {self._timeout:g} seconds.") from error
        except requests.exceptions.ConnectionError as error:
            raise Silent(f"No connection: {_reason(error)}.") from error
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise Silent(f"The request failed: {_reason(error)}.") from error


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _reason(error: BaseException) -> str:
    """The innermost error's words: requests wraps urllib3's, which wrap the system's."""
    text = str(error)
    for sign, words in (
        ("Name or service not known", "the name is not known to DNS"),
        ("Temporary failure in name resolution", "DNS does not answer"),
        ("No address associated", "the name has no address in DNS"),
        ("Connection refused", "the connection was refused"),
        ("Network is unreachable", "the network is unreachable"),
        ("No route to host", "there is no route to it"),
        ("Connection reset", "the connection was cut"),
        ("Remote end closed", "the connection was closed without an answer"),
        ("self-signed certificate", "it is signed by nobody known here"),
        ("unable to get local issuer certificate", "it is signed by nobody known here"),
        ("certificate has expired", "it has expired"),
        ("Hostname mismatch", "it is for another name"),
        ("doesn't match", "it is for another name"),
        ("WRONG_VERSION_NUMBER", "it does not speak TLS there"),
    ):
        if sign in text:
            return words
    return type(error).__name__
