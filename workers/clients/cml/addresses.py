"""Which addresses and identifiers go into a request."""

from __future__ import annotations

import urllib.parse


def origin(base_url: str) -> str:
    """`base_url` in one notation: https://host or https://host:port. Raises ValueError for everything else."""
    parts = urllib.parse.urlsplit(base_url.strip())
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"A CML server's address starts with https:// and a host name, unlike {base_url!r}.")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.rstrip("/"):
        raise ValueError("A CML server's address is https://host or https://host:port and nothing more.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{parts.port}" if parts.port else f"https://{host}"
