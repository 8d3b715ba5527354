"""What a run logs is kept with it: bounded, and without secrets."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

MOST_LINES = 200  # of one run; what comes after is counted
LONGEST_LINE = 400
_HIDDEN = "[secret]"
# What looks like a secret, wherever it comes from; the installation's own are known literally.
_SUSPICIOUS = re.compile(
    r"(?i)\bA[A-Z]IA[A-Z0-9]{12,}\b"
    r"|(?<=bearer )[\w.~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?<=password=)\S+|(?<=token=)\S+|(?<=secret=)\S+"
    r"|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*"
)
_SECRET_SETTINGS = ("SECRET_KEY", "CML_PASSWORD", "EMAIL_HOST_PASSWORD", "OIDC_CLIENT_SECRET")
_SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "OIDC_RP_CLIENT_SECRET")
_SHORTEST = 6  # a shorter "secret" would blank out ordinary words


@lru_cache(maxsize=1)
def _own_secrets() -> tuple[str, ...]:
    known = [getattr(settings, name, "") for name in _SECRET_SETTINGS] + [
        os.environ.get(name, "") for name in _SECRET_VARIABLES
    ]
    known += [*settings.SECRETS_KEYS, urlsplit(settings.REDIS_URL).password, settings.DATABASES["default"].get("PASSWORD")]
    return tuple(sorted({str(one) for one in known if one and len(str(one)) >= _SHORTEST}, key=len, reverse=True))


def without_secrets(text: str) -> str:
    """`text` with the installation's secrets, and what looks like one, blanked out."""
    for secret in _own_secrets():
        text = text.replace(secret, _HIDDEN)
    return _SUSPICIOUS.sub(_HIDDEN, text)


class Lines:
    """The lines of one run."""

    def __init__(self) -> None:
        self.kept: list[list[str]] = []
        self.left_out = 0

    def add(self, level: str, logger: str, text: str) -> None:
        """Keep one line, or count it when there are enough."""
        if len(self.kept) >= MOST_LINES:
            self.left_out += 1
            return
        short = without_secrets(" ".join(text.split()))
        cut = short if len(short) <= LONGEST_LINE else short[: LONGEST_LINE - 1] + "…"
        self.kept.append([datetime.now(UTC).isoformat(timespec="milliseconds"), level, logger, cut])


_current: ContextVar[Lines | None] = ContextVar("lines of this run", default=None)
# The runs of this process. Services do their work in threads, which do not inherit the context: with one run, the line is its.
_open: list[Lines] = []


class _Keeper(logging.Handler):
    """On the root logger: gives each record to the run that it belongs to."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            lines = _current.get() or (_open[0] if len(_open) == 1 else None)
            if lines is not None:
                lines.add(record.levelname, record.name, record.getMessage())
        except Exception:
            self.handleError(record)


_keeper = _Keeper(level=logging.INFO)


@contextlib.contextmanager
def collected() -> Iterator[Lines]:
    """Whatever this process logs for the run inside, from INFO on."""
    root = logging.getLogger()
    if _keeper not in root.handlers:
        root.addHandler(_keeper)
    lines = Lines()
    token = _current.set(lines)
    _open.append(lines)
    try:
        yield lines
    finally:
        _open.remove(lines)
        _current.reset(token)
