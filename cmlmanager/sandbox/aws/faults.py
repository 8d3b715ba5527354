"""Misbehaviour that was ordered, and what was asked of AWS so far."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

SECONDS_WHEN_SLOW = 5.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How to misbehave: `operation`, `region` and `account` "" mean any. `after` matching requests are answered well before it begins;
    `count` is how many are not, None all. `seconds` are for the modes slow, which waits before it does what was asked, and slow_after,
    which does it and then keeps the answer back.
    """

    mode: str = "none"
    operation: str = ""
    region: str = ""
    account: str = ""
    after: int = 0
    count: int | None = None
    seconds: float = SECONDS_WHEN_SLOW


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error that AWS answers. The message may use {permission}, such as ec2:RunInstances."""

    status: int
    code: str
    message: str


# mode → the refusal by EC2 and by CloudWatch, whose error codes differ; or by one operation.
REFUSALS: dict[str, dict[str, Refusal]] = {
    "throttled": {
        "ec2": Refusal(status=503, code="RequestLimitExceeded", message="Request limit exceeded."),
        "cloudwatch": Refusal(status=400, code="Throttling", message="Rate exceeded"),
    },
    "unauthorized": {
        "ec2": Refusal(
            status=403,
            code="UnauthorizedOperation",
            message="You are not authorized to perform this operation. User: arn:aws:sts::123456789012:user/moto is not authorized to"
            " perform: {permission} because no identity-based policy allows the {permission} action.",
        ),
        "cloudwatch": Refusal(
            status=403,
            code="AccessDenied",
            message="User: arn:aws:sts::123456789012:user/moto is not authorized to perform: {permission} because no identity-based"
            " policy allows the {permission} action",
        ),
        "sts": Refusal(
            status=403,
            code="AccessDenied",
            message="User: arn:aws:sts::123456789012:user/moto is not authorized to perform: {permission}",
        ),
    },
    "dry_run": {
        "ec2": Refusal(status=412, code="DryRunOperation", message="Request would have succeeded, but DryRun flag is set.")
    },
    "error": {
        "ec2": Refusal(status=500, code="InternalError", message="An internal error has occurred"),
        "cloudwatch": Refusal(status=500, code="InternalFailure", message="An internal error has occurred"),
    },
    "not_enabled": {
        "ec2": Refusal(status=401, code="OptInRequired", message="You are not subscribed to this service or region."),
        "cloudwatch": Refusal(status=403, code="OptInRequired", message="The AWS Access Key Id needs a subscription."),
    },
    "capacity": {
        "ec2": Refusal(
            status=500,
            code="InsufficientInstanceCapacity",
            message="We currently do not have sufficient capacity in the Availability Zone you requested. Our system will be"
            " working on provisioning additional capacity.",
        )
    },
    "limit": {
        "ec2": Refusal(
            status=400,
            code="VcpuLimitExceeded",
            message="You have requested more vCPU capacity than your current vCPU limit of 96 allows for the instance bucket"
            " that the specified instance type belongs to.",
        )
    },
    "wrong_state": {
        "ec2": Refusal(
            status=400, code="IncorrectInstanceState", message="The instance is not in a state from which this can be done."
        )
    },
    "invalid_ami": {
        "ec2": Refusal(
            status=400, code="InvalidAMIID.NotFound", message="The image id '[ami-0bad0bad0bad0bad0]' does not exist"
        )
    },
    "protected": {
        "ec2": Refusal(
            status=400,
            code="OperationNotPermitted",
            message="The instance may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
        ),
        "StopInstances": Refusal(
            status=400,
            code="OperationNotPermitted",
            message="The instance may not be stopped. Modify its 'disableApiStop' instance attribute and try again.",
        ),
    },
}
MODES = ("none", "unreachable", "slow", "slow_after", *(mode for mode in REFUSALS if mode != "dry_run"))

# mode → the operations at which EC2 can refuse so; a mode that is not here may hit any.
_AT = {
    "capacity": {"RunInstances", "StartInstances"},
    "limit": {"RunInstances", "StartInstances"},
    "wrong_state": {"StartInstances", "StopInstances", "RebootInstances"},
    "invalid_ami": {"RunInstances"},
    "protected": {"TerminateInstances", "StopInstances"},
}


class Switchboard:
    """The fault that is on, the rights that are lacking, the clock, and the requests counted by operation."""

    def __init__(self) -> None:
        self.fault = Fault()
        self.denied: dict[str, frozenset[str]] = {}  # account, "" for all of them → operations
        self.seconds_ahead = 0  # of this machine's clock
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def arrived(self, operation: str, region: str, account: str, *, also: str = "") -> Fault:
        """Count a request; returns how to misbehave at it. `also` is the operation that AWS judges with it, as CreateTags with RunInstances."""
        with self._lock:
            self.calls[operation] += 1
            for needed in (operation, also):
                if any(needed in self.denied.get(whose, ()) for whose in ("", account)):
                    return Fault(mode="unauthorized", operation=needed)
            fault = self.fault
            if not _concerns(fault, operation, region, account) or fault.count == 0:
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

    def deny(self, operations: Collection[str], account: str = "") -> None:
        """The account, or any, has no right for these operations from now on, also when only asked by a dry run; for all others it has."""
        with self._lock:
            self.denied[account] = frozenset(operations)


def _concerns(fault: Fault, operation: str, region: str, account: str) -> bool:
    asked = fault.operation in ("", operation) and fault.region in ("", region) and fault.account in ("", account)
    return asked and operation in _AT.get(fault.mode, {operation})
