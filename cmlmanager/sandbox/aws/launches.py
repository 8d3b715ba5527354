"""RunInstances done once for each ClientToken (EC2 API reference, ensuring idempotency)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from moto.ec2.exceptions import EC2ClientError

_NO_TOKEN = "ABCDE"  # noqa: S105  (what moto calls a request that brought none)


class Launches:
    """What each client token has launched, by region: a fingerprint of the request, and the reservation's id."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, list[str]]] = {}

    def once(self, backend: Any, positional: tuple[Any, ...], named: dict[str, Any], launch: Callable[[], Any]) -> Any:
        """The reservation of an earlier request with the same token, or what `launch` returns.

        Raises IdempotentParameterMismatch when the earlier request asked for something else.
        """
        token = named.get("client_token")
        if not token or token == _NO_TOKEN:
            return launch()
        known = self.tokens.setdefault(backend.region_name, {})
        fingerprint = _fingerprint(positional, named)
        before = known.get(token)
        if before and before[1] in backend.reservations:
            if before[0] != fingerprint:
                raise EC2ClientError(
                    "IdempotentParameterMismatch",
                    "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
                )
            return backend.reservations[before[1]]
        reservation = launch()
        known[token] = [fingerprint, reservation.id]
        return reservation

    def forget_gone(self, region: str, reservations: Any) -> None:
        """Drop the tokens of launches whose instances EC2 has forgotten."""
        self.tokens[region] = {token: what for token, what in self.tokens.get(region, {}).items() if what[1] in reservations}


def _fingerprint(positional: tuple[Any, ...], named: dict[str, Any]) -> str:
    # Before the launch: moto takes entries out of these dictionaries and puts others in.
    request = json.dumps([positional, named], sort_keys=True, default=str)
    return hashlib.sha256(request.encode()).hexdigest()
