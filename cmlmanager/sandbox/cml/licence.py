"""A server's licence with Cisco: what it is, and how registering, renewing and deregistering change it in the course of time.

Changes that take time are written down as an agenda of moments and new values, and `settle` does what has become due: nothing
ticks, and a change that is on its way survives a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.pace import Pace

SSMS = "https://smartreceiver.cisco.com/licservice/license"
BASE_FEATURE = "regid.2019-10.com.cisco.CML_ENT_BASE,1.0_15d3393c-846c-4e00-a54e-1ea90f2b2160"
NODE_FEATURE = "regid.2019-10.com.cisco.CML_NODE_COUNT,1.0_2607650b-6ca8-46d5-81e5-e6688b7383c4"
MOST_NODES = 500
# Nodes that each product starts without expansion nodes.
PRODUCTS = {"CML_Enterprise": 20, "CML_Education": 20, "CML_Personal": 20, "CML_Personal40": 40}
UNLICENSED_NODES = 5
REGISTERING, AUTHORIZING, RENEWING = 6.0, 5.0, 4.0  # seconds on a real server
REGISTERED_FOR, AUTHORIZED_FOR = timedelta(days=365), timedelta(days=90)
SMART_ACCOUNT, VIRTUAL_ACCOUNT = "Example Networks Academy", "CML Training"
_TIMED_OUT = "Connection timed out after 60003 milliseconds"


def naive(moment: datetime | float) -> str:
    """A time as `/licensing` gives it: `YYYY-MM-DD HH:MM:SS`, without a zone, in UTC."""
    aware = moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment, UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def attempt(at: str | None = None, *, failure: str = "", scheduled: str | None = None) -> dict[str, str | None]:
    """One of CML's accounts of an attempt; even after a success a real server has no time in `succeeded`."""
    words: dict[str, str | None] = {"status": None, "failure": None, "success": None}
    if failure:
        words = {"status": "FAILED", "failure": failure, "success": "FAILED"}
    elif at:
        words = {"status": None, "failure": "OK", "success": "SUCCESS"}
    return {"succeeded": None, "attempted": at, "scheduled": scheduled, **words}


@dataclass(kw_only=True)
class Licence:
    """Status texts and times as `/licensing` gives them. `agenda` holds `{"at": epoch seconds, "set": {field: value}}`, earliest first."""

    registration: str = "NOT_REGISTERED"
    authorization: str = "INIT"
    smart_account: str | None = None
    virtual_account: str | None = None
    registration_expires: str | None = None
    authorization_expires: str | None = None
    node_count: int = 0
    product: str = "CML_Enterprise"
    ssms: str | None = SSMS
    proxy_server: str | None = None
    proxy_port: int | None = None
    register_time: dict[str, str | None] = field(default_factory=attempt)
    renew_time: dict[str, str | None] = field(default_factory=attempt)
    authorization_time: dict[str, str | None] = field(default_factory=attempt)
    agenda: list[dict[str, Any]] = field(default_factory=list)

    @property
    def registered(self) -> bool:
        """Whether Cisco knows this server, in compliance or not."""
        return self.registration == "COMPLETED"

    @property
    def licensed(self) -> bool:
        """Whether nodes beyond the free few may start."""
        return (self.registered and "EXPIRED" not in self.authorization) or self.authorization == "EVAL_MODE"

    def most_nodes(self) -> int:
        """How many nodes may run at once."""
        return PRODUCTS[self.product] + self.node_count if self.licensed else UNLICENSED_NODES

    def busy(self) -> bool:
        """Whether a request to Cisco is on its way."""
        return bool(self.agenda) or self.registration == "IN_PROGRESS"

    def settle(self, now: float) -> bool:
        """Do what has become due, and expire what has run out; whether anything changed."""
        before = (self.registration, self.authorization, len(self.agenda))
        while self.agenda and self.agenda[0]["at"] <= now:
            self._set(self.agenda.pop(0)["set"])
        if self.registered and self.registration_expires and self.registration_expires <= naive(now):
            self.registration = "EXPIRED"
        if self.authorization in ("IN_COMPLIANCE", "OUT_OF_COMPLIANCE", "EVAL_MODE") and (
            self.authorization_expires and self.authorization_expires <= naive(now)
        ):
            self.authorization = "EVAL_EXPIRED" if self.authorization == "EVAL_MODE" else "AUTHORIZATION_EXPIRED"
        return before != (self.registration, self.authorization, len(self.agenda))

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def _free(self) -> None:
        if self.busy():
            raise ApiError(409, "Licensing issue: Another licensing request is in progress.")

    def register(self, *, token: str, reregister: bool, manner: str, now: float, pace: Pace) -> None:
        """Ask Cisco to know this server. A token that begins with "bad" or "expired" is refused by Cisco, as is any with the manner "fail".

        `manner` is the control listener's: "", "fail", "stuck" (never ends) or "out_of_compliance". Raises ApiError 400 or 409.
        """
        self._free()
        if self.registered and not reregister:
            raise ApiError(400, "Licensing issue: The product has already been registered.")
        before = "COMPLETED" if self.registered else "FAILED"
        self._set({"registration": "IN_PROGRESS", "register_time": {**attempt(), "attempted": naive(now)}})
        answered = now + pace.lasts(REGISTERING)
        if manner == "stuck":
            return
        if failure := _failure(token, manner):
            self.agenda = [_due(answered, registration=before, register_time=attempt(naive(now), failure=failure))]
            return
        known = {
            "registration": "COMPLETED",
            "authorization": "PENDING",
            "smart_account": SMART_ACCOUNT,
            "virtual_account": VIRTUAL_ACCOUNT,
            "registration_expires": naive(answered + REGISTERED_FOR.total_seconds()),
            "register_time": attempt(naive(answered)),
            "renew_time": attempt(scheduled=naive(answered + REGISTERED_FOR.total_seconds() / 2)),
        }
        authorized = answered + pace.lasts(AUTHORIZING)
        compliance = "OUT_OF_COMPLIANCE" if manner == "out_of_compliance" else "IN_COMPLIANCE"
        self.agenda = [_due(answered, **known), _due(authorized, authorization=compliance, **_authorized(authorized))]

    def renew_registration(self, *, manner: str, now: float, pace: Pace) -> None:
        """Ask Cisco for another year. Raises ApiError 400 or 409."""
        self._renewable()
        at = now + pace.lasts(RENEWING)
        values: dict[str, Any] = {"renew_time": attempt(naive(now), failure=_TIMED_OUT)}
        if manner != "fail":
            expires = naive(at + REGISTERED_FOR.total_seconds())
            again = naive(at + REGISTERED_FOR.total_seconds() / 2)
            values = {
                "registration": "COMPLETED",
                "registration_expires": expires,
                "renew_time": attempt(naive(at), scheduled=again),
            }
        self.agenda = [_due(at, **values)]

    def renew_authorization(self, *, manner: str, now: float, pace: Pace) -> None:
        """Ask Cisco for another 90 days. Raises ApiError 400 or 409."""
        self._renewable()
        at = now + pace.lasts(RENEWING)
        values: dict[str, Any] = {"authorization_time": attempt(naive(now), failure=_TIMED_OUT)}
        if manner != "fail":
            short = self.authorization == "OUT_OF_COMPLIANCE"  # asking again buys no licences
            values = {"authorization": self.authorization if short else "IN_COMPLIANCE", **_authorized(at)}
        self.agenda = [_due(at, **values)]

    def _renewable(self) -> None:
        self._free()
        if self.registration not in ("COMPLETED", "EXPIRED"):
            raise ApiError(400, "Licensing issue: The product is not registered.")

    def deregister(self, *, running_nodes: int) -> None:
        """Give the seat back. Raises ApiError 400 or 409."""
        if running_nodes:
            raise ApiError(400, "Licensing issue: Cannot de-register when nodes are running.")
        self._free()
        if self.registration not in ("COMPLETED", "EXPIRED"):
            raise ApiError(400, "Licensing issue: The product has already been de-registered.")
        kept = ("product", "ssms", "proxy_server", "proxy_port")
        self._set(vars(Licence(**{name: getattr(self, name) for name in kept})))

    def set_product(self, product: str) -> None:
        """Raises ApiError 400 for an unknown one, or while registered as another."""
        if product not in PRODUCTS:
            raise ApiError(400, f"Licensing issue: Unknown product license: {product}.")
        if product != self.product and self.registered:
            raise ApiError(400, "Licensing issue: Cannot change product license when the product is registered.")
        self.product = product

    def set_counts(self, counts: list[dict[str, Any]]) -> None:
        """Ask for so many of each feature. Raises ApiError 400 for unknown features and for more than a feature's most."""
        if not self.registered:
            raise ApiError(400, "Licensing issue: The product is not registered.")
        for wanted in counts:
            most = {BASE_FEATURE: 1, NODE_FEATURE: MOST_NODES}.get(wanted["id"])
            if most is None or wanted["count"] > most:
                raise ApiError(400, f"Licensing issue: Feature {wanted['id']} is not available in this count.")
        self.node_count = next((wanted["count"] for wanted in counts if wanted["id"] == NODE_FEATURE), self.node_count)


def _authorized(at: float) -> dict[str, Any]:
    again = naive(at + AUTHORIZED_FOR.total_seconds() / 3)
    return {
        "authorization_expires": naive(at + AUTHORIZED_FOR.total_seconds()),
        "authorization_time": attempt(naive(at), scheduled=again),
    }


def _due(at: float, **values: Any) -> dict[str, Any]:
    return {"at": at, "set": values}


def _failure(token: str, manner: str) -> str:
    """Cisco's words, which repeat the token; "" when it takes it."""
    if token.lower().startswith("expired"):
        return f'Response error: {{"token":["The token \'{token}\' has expired."]}}'
    if manner == "fail" or token.lower().startswith("bad"):
        return f'Response error: {{"token":["The token \'{token}\' is not valid."]}}'
    return ""
