"""The pages' addresses that change something beside the API's operation for the same: (route of the page, what it is sent, method and
address of the API, what that is sent, what both must leave behind)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workers.models import Event, Operation, Worker


def _operations() -> list[dict[str, Any]]:
    names = ("kind", "worker_name", "parameters", "state", "slot", "reason", "actor_name", "actor_kind", "steps", "sentence")
    return list(Operation.objects.order_by("worker_name", "kind").values(*names))


def _events() -> list[dict[str, Any]]:
    return list(
        Event.objects.order_by("id").values("kind", "worker_name", "before", "after", "detail", "actor_id", "actor_kind")
    )


def _workers() -> list[dict[str, Any]]:
    names = (
        "name",
        "machine_state",
        "address_kind",
        "custom_endpoint",
        "cml_username",
        "tls_policy",
        "tls_fingerprint",
        "tls_seen",
    )
    return list(Worker.objects.order_by("name").values(*names))


def left_behind() -> dict[str, Any]:
    """What was written."""
    return {"operations": _operations(), "events": _events(), "workers": _workers()}


@dataclass(frozen=True)
class Button:
    """A page's address and the API's operation. `{worker}` stands for the worker's id, `{batch}` and `{look}` for what was made before."""

    page: str
    form: dict[str, Any]
    method: str
    address: str
    body: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)  # of the worker, before
    status: int = 202


PRINT = "ab" * 32
_NAME = "w"
_CREATE = {
    "name": "new",
    "region": "us-east-1",
    "instance_type": "m5zn.metal",
    "image": "ami-0123456789abcdef0",
    "security_group_ids": "sg-0123456789abcdef0",
    "require_imds_v2": "on",
    "tags": "Team=training",
}
_STOPPED = {"machine_state": "stopped"}
_SEEN = {"fingerprint": PRINT, "subject": "CN=cml", "issuer": "CN=cml", "self_signed": True}
BUTTONS = [
    Button("workers/{worker}/start/", {"reason": "class"}, "POST", "workers/{worker}/start", {"reason": "class"}, _STOPPED),
    Button("workers/{worker}/stop/", {"reason": "done"}, "POST", "workers/{worker}/stop", {"reason": "done"}),
    Button(
        "workers/{worker}/terminate/",
        {"name": _NAME, "reason": "old"},
        "POST",
        "workers/{worker}/terminate",
        {"name": _NAME, "reason": "old"},
        {"license_state": "unregistered", "labs_succeeded_at": None},
    ),
    Button(
        "workers/{worker}/tags/",
        {
            "shown-TOTAL_FORMS": "0",
            "shown-INITIAL_FORMS": "0",
            "new-TOTAL_FORMS": "1",
            "new-INITIAL_FORMS": "0",
            "new-0-key": "Team",
            "new-0-value": "x",
        },
        "PATCH",
        "workers/{worker}/tags",
        {"set": {"Team": "x"}},
        {"tags": {}},
    ),
    Button("workers/{worker}/monitoring/", {"on": "1"}, "PUT", "workers/{worker}/monitoring", {"detailed": True}),
    Button(
        "workers/{worker}/delete/",
        {"keep_instance": "on", "reason": "moved"},
        "DELETE",
        "workers/{worker}?keep_instance=true&reason=moved",
        status=204,
    ),
    Button("workers/{worker}/refresh/", {}, "POST", "workers/{worker}/refresh", state={"cml_due_at": "later"}),
    Button(
        "workers/{worker}/connection/check/", {}, "POST", "workers/{worker}/connection/check", state={"cml_due_at": "later"}
    ),
    Button(
        "workers/{worker}/connection/",
        {"address_kind": "private", "tls_policy": "default", "cml_username": "ada", "cml_password": "secret-secret"},
        "PATCH",
        "workers/{worker}/connection",
        {"address_kind": "private", "cml_username": "ada", "cml_password": "secret-secret"},
        status=200,
    ),
    Button(
        "workers/{worker}/connection/trust/",
        {"fingerprint": PRINT},
        "POST",
        "workers/{worker}/connection/trust",
        {"fingerprint": PRINT},
        {"tls_seen": _SEEN},
        status=200,
    ),
    Button(
        "workers/bulk/",
        {"action": "start", "ids": ["{worker}"], "confirm": "1", "reason": "class"},
        "POST",
        "workers/bulk",
        {"action": "start", "workers": {"ids": ["{worker}"]}, "reason": "class"},
        _STOPPED,
    ),
    Button(
        "workers/bulk/",
        {"action": "refresh", "ids": ["{worker}"]},
        "POST",
        "workers/bulk/refresh",
        {"workers": {"filter": {"q": _NAME}}},
        {"cml_due_at": "later"},
    ),
    Button("operations/batches/{batch}/retry/", {}, "POST", "batches/{batch}/retry", state=_STOPPED),
    Button(
        "workers/new/",
        _CREATE,
        "POST",
        "workers/proposals",
        _CREATE | {"security_group_ids": ["sg-0123456789abcdef0"], "require_imds_v2": True, "tags": {"Team": "training"}},
    ),
    Button(
        "workers/new/{images}/",
        {"image_id": "ami-0123456789abcdef0"},
        "POST",
        "workers",
        {"proposal": "{images}", "image_id": "ami-0123456789abcdef0"},
    ),
    Button(
        "workers/import/",
        {"region": "us-east-1", "by": "tag", "value": "Team=x"},
        "POST",
        "workers/imports",
        {"region": "us-east-1", "by": "tag", "value": "Team=x"},
    ),
    Button(
        "workers/import/{instances}/",
        {"instance_id": ["i-0123456789abcdef0"]},
        "POST",
        "workers/imports/{instances}",
        {"instance_ids": ["i-0123456789abcdef0"]},
        status=201,
    ),
    Button("workers/import/adopt/", {"all": "1"}, "POST", "workers/strays", {"all": True}, status=201),
]
