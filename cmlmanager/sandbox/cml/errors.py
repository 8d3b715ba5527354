"""What the simulated API refuses: CML's error shape and its validator's findings."""

from __future__ import annotations

import json
from collections.abc import Sequence


class ApiError(Exception):
    """Answers with CML's `{"code", "description"}`."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


def invalid(location: Sequence[str | int], kind: str, message: str) -> ApiError:
    """A validation error: CML puts its validator's findings into the description as a string of JSON."""
    found = [{"location": list(location), "type": kind, "message": message}]
    return ApiError(400, json.dumps({"Input validation failed": found}))
