"""The client of one region, and one of them for each thread."""

from __future__ import annotations

import threading
from typing import Any

from workers.clients.aws.rights import Rights
from workers.clients.aws.roles import Role, RoleCredentials


class AwsClient(Rights):
    """Reads and changes one region of one account. Its arguments are those of `connection.Connection`."""


_kept = threading.local()


def client_for(*, region: str, endpoint_url: str | None = None, role: Role | None = None, **options: Any) -> AwsClient:
    """This thread's client with these arguments (those of AwsClient): connections and credentials are kept between calls.

    With a `role`, everything is asked as that role, of its account; without, with the process's own credentials.
    """
    clients: dict[tuple[Any, ...], AwsClient] = _kept.__dict__.setdefault("clients", {})
    key = (region, endpoint_url, role, *sorted(options.items()))
    if key not in clients:
        credentials = RoleCredentials(role, region=region, endpoint_url=endpoint_url) if role else None
        clients[key] = AwsClient(region=region, endpoint_url=endpoint_url, credentials=credentials, **options)
    return clients[key]
