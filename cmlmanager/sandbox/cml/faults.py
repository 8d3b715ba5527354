"""How a server can be wrong: faults of the demo fleet, and misbehaviours that tests switch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from cmlmanager.sandbox.cml.errors import ApiError

LICENCE_FAULTS = ("unlicensed", "out_of_compliance", "expiring", "evaluation")
FAULTS = ("", "degraded", "refused", *LICENCE_FAULTS, "silent", "no_kvm")
MODES = (
    "none",
    "refused",  # nothing listens
    "reset",  # connections are cut at once
    "timeout",  # requests are taken and never answered
    "502",  # nginx without CML behind it
    "empty",  # 200 without a body
    "garbage",  # 200 with something that is not JSON
    "nulls",  # the right shape with null at every leaf; logins work
    "slow",  # the answer comes a byte each `delay` seconds
    "late",  # the answer comes well, but only after `delay` seconds
    "token_expired",  # tokens given out so far are void; with `always`, new ones too
    "huge",  # a JSON answer of `size` bytes
    "error",  # `status` and `description` in CML's error shape
)


@dataclass(frozen=True, kw_only=True)
class Misbehaviour:
    """What a server does instead of answering well.

    `paths` limits it to paths that begin so (after /api/v0), `times` to so many requests; both empty: all of them.
    Raises ValueError for values that make no sense.
    """

    mode: str = "none"
    paths: tuple[str, ...] = ()
    times: int | None = None
    delay: float = 0.2
    always: bool = False
    size: int = 50 * 1000 * 1000
    status: int = 500
    description: str = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}; not {self.mode!r}")
        if not 400 <= self.status <= 599:
            raise ValueError("status is an HTTP error, 400 to 599")
        if not 0 <= self.delay <= 60 or not 0 <= self.size <= 256 * 1024 * 1024:
            raise ValueError("delay is 0 to 60 seconds, size at most 256 MiB")

    @classmethod
    def read(cls, body: dict[str, Any]) -> Misbehaviour:
        """From the control listener's JSON. Raises ValueError for unknown fields and wrong types."""
        known = {field.name for field in fields(cls)}
        if unknown := set(body) - known:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        values = {**body, "paths": tuple(body.get("paths", ()))}
        kinds: dict[str, tuple[type, ...]] = {
            "times": (int, type(None)),
            "delay": (int, float),
            "size": (int,),
            "status": (int,),
        }
        for name, kind in kinds.items():
            if name in values and (not isinstance(values[name], kind) or isinstance(values[name], bool)):
                raise ValueError(f"{name} has the wrong type")
        return cls(**values)

    def covers(self, path: str) -> bool:
        """Whether a request for this path (after /api/v0) is meant."""
        return not self.paths or path.startswith(self.paths)


_BUSY = {"409": (409, "Licensing issue: Another licensing request is in progress."), "403": (403, "Access denied.")}
_MANNERS = {
    "registration": ("", "fail", "stuck", "out_of_compliance", "409", "403"),
    "renewal": ("", "fail", "409", "403"),
    "deregistration": ("", "202", "400", "409", "403"),
}


@dataclass(frozen=True, kw_only=True)
class LicensingManner:
    """How Cisco's licensing treats this server's requests, "" for well.

    `registration`: "fail" (the token is refused), "stuck" (in progress for ever), "out_of_compliance". `renewal`: "fail" (times out).
    `deregistration`: "202" (Cisco was not reached), "400" (already de-registered). Each: "409" (busy), "403" (denied).
    """

    registration: str = ""
    renewal: str = ""
    deregistration: str = ""

    def __post_init__(self) -> None:
        for name, known in _MANNERS.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(map(repr, known))}; not {getattr(self, name)!r}")


def busy_with(manner: str) -> str:
    """The manner, when it is not one that refuses the request. Raises ApiError for one that does."""
    if manner == "400":
        raise ApiError(400, "Licensing issue: The product has already been de-registered.")
    if manner in _BUSY:
        raise ApiError(*_BUSY[manner])
    return manner


def nulled(value: Any) -> Any:
    """The same objects and arrays with null at every leaf."""
    if isinstance(value, dict):
        return {name: nulled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [nulled(inner) for inner in value]
    return None
