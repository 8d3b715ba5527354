"""The client of one region, and one of them for each thread."""

from __future__ import annotations

import threading
from typing import Any

from workers.clients.aws.rights import Rights


class AwsClient(Rights):
    """Reads and changes one region. Its arguments are those of `connection.Connection`."""


_kept = threading.local()


def client_for(*, region: str, endpoint_url: str | None = None, **options: Any) -> AwsClient:
    """This thread's client with these arguments (those of AwsClient): connections and credentials are kept between calls."""
    clients: dict[tuple[Any, ...], AwsClient] = _kept.__dict__.setdefault("clients", {})
    key = (region, endpoint_url, *sorted(options.items()))
    if key not in clients:
        clients[key] = AwsClient(region=region, endpoint_url=endpoint_url, **options)
    return clients[key]
