"""Misbehaviour that was ordered, and what was asked of AWS so far."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace

MODES = ("none", "throttled", "unauthorized", "unreachable", "slow", "error")
SECONDS_WHEN_SLOW = 5.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How to misbehave: `operation` and `region` "" mean any. `after` matching requests are answered well before it begins;
    `count` is how many are not, None all. `seconds` are for the mode slow.
    """

    mode: str = "none"
    operation: str = ""
    region: str = ""
    after: int = 0
    count: int | None = None
    seconds: float = SECONDS_WHEN_SLOW


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error that AWS answers."""

    status: int
    code: str
    message: str


# mode → the refusal by EC2 and by CloudWatch, whose error codes differ.
REFUSALS = {
    "throttled": {
        "ec2": Refusal(status=503, code="RequestLimitExceeded", message="Request limit exceeded."),
        "cloudwatch": Refusal(status=400, code="Throttling", message="Rate exceeded"),
    },
    "unauthorized": {
        "ec2": Refusal(status=403, code="UnauthorizedOperation", message="You are not authorized to perform this operation."),
        "cloudwatch": Refusal(status=403, code="AccessDenied", message="User is not authorized to perform this operation."),
    },
    "error": {
        "ec2": Refusal(status=500, code="InternalError", message="An internal error has occurred"),
        "cloudwatch": Refusal(status=500, code="InternalFailure", message="An internal error has occurred"),
    },
}


class Switchboard:
    """The fault that is on, and the requests counted by operation."""

    def __init__(self) -> None:
        self.fault = Fault()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def arrived(self, operation: str, region: str) -> Fault:
        """Count a request; returns how to misbehave at it."""
        with self._lock:
            self.calls[operation] += 1
            fault = self.fault
            if fault.operation not in ("", operation) or fault.region not in ("", region) or fault.count == 0:
                return Fault()
            if fault.after:
                self.fault = replace(fault, after=fault.after - 1)
                return Fault()
            if fault.count is not None:
                self.fault = replace(fault, count=fault.count - 1)
            return fault

    def order(self, fault: Fault) -> None:
        """Misbehave like this from now on."""
        with self._lock:
            self.fault = fault
