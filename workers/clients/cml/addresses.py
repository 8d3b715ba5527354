"""Which addresses and identifiers go into a request."""

from __future__ import annotations

import re
import urllib.parse

from workers.clients.cml.errors import CmlNotFound

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


def identifier(value: str, *, kind: str) -> str:
    """An id from outside as one segment of a path; CML's are UUIDs. Raises CmlNotFound, without asking, for what cannot be one."""
    if not _IDENTIFIER.fullmatch(value):
        raise CmlNotFound(f"CML has no {kind} with the id {value[:64]!r}.", "not asked: this cannot be an id")
    return value


def query(**values: str | bool) -> str:
    """The query of a path, from its ?; true and false as CML writes them."""
    pairs = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    return "?" + urllib.parse.urlencode(pairs, errors="replace")


def origin(base_url: str) -> str:
    """`base_url` in one notation: https://host or https://host:port. Raises ValueError for everything else."""
    parts = urllib.parse.urlsplit(base_url.strip())
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"A CML server's address starts with https:// and a host name, unlike {base_url!r}.")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.rstrip("/"):
        raise ValueError("A CML server's address is https://host or https://host:port and nothing more.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{parts.port}" if parts.port else f"https://{host}"
