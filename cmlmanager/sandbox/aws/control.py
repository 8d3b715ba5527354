"""`/_sandbox/`: what is there, and orders to misbehave. Small JSON, in front of moto, for the simulated CML servers and for tests.

GET  /_sandbox/health                        {"ok": true}
GET  /_sandbox/instances                     every instance, as one list
POST /_sandbox/instances/<id>/forget         EC2 no longer knows it
POST /_sandbox/instances/<id>/impair         its status checks fail from now on, until the simulator ends
GET  /_sandbox/calls                         requests since the start, by operation
POST /_sandbox/faults {"mode": "throttled"}  also operation, region, account, after, count, seconds; modes: see `faults`, of which
                                             some concern what they can happen to only ("capacity": RunInstances, StartInstances)
POST /_sandbox/rights {"denied": ["RunInstances"]}   no right for these operations, dry runs included; [] gives all rights back;
                                             also account, for one of several
POST /_sandbox/clock {"seconds": 400}        AWS's clock is so much ahead of this machine's
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from cmlmanager.sandbox.aws.account import Account
from cmlmanager.sandbox.aws.faults import MODES, SECONDS_WHEN_SLOW, Fault, Switchboard

PREFIX = "/_sandbox/"
_LONGEST_BODY = 64 * 1024
_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Refused(Exception):
    """The request is not one of ours; carries the HTTP status."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Control:
    """WSGI: answers what begins with the prefix and passes on everything else."""

    def __init__(self, inner: _Application, account: Account, switchboard: Switchboard) -> None:
        self._inner = inner
        self._account = account
        self._switchboard = switchboard

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if not path.startswith(PREFIX):
            return self._inner(environ, start_response)
        try:
            status, content = HTTPStatus.OK, self._answer(environ["REQUEST_METHOD"], path.removeprefix(PREFIX), environ)
        except _Refused as refused:
            status, content = refused.status, {"error": str(refused)}
        body = json.dumps(content).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, method: str, path: str, environ: dict[str, Any]) -> Any:
        match method, path.split("/"):
            case "GET", ["health"]:
                return {"ok": True}
            case "GET", ["instances"]:
                return self._instances()
            case "GET", ["calls"]:
                return dict(self._switchboard.calls)
            case "POST", parts:
                self._obey(parts, environ)
                return {"ok": True}
        raise _Refused(HTTPStatus.NOT_FOUND, f"There is no {method} {PREFIX}{path}.")

    def _obey(self, parts: list[str], environ: dict[str, Any]) -> None:
        match parts:
            case ["faults"]:
                self._switchboard.order(_fault(_body(environ)))
            case ["rights"]:
                self._switchboard.deny(*_denied(_body(environ)))
            case ["clock"]:
                self._switchboard.seconds_ahead = _seconds(_body(environ))
            case ["instances", instance_id, ("forget" | "impair") as order]:
                if not getattr(self._account, order)(instance_id):
                    raise _Refused(HTTPStatus.NOT_FOUND, f"There is no instance {instance_id}.")
            case _:
                raise _Refused(HTTPStatus.NOT_FOUND, f"There is no POST {PREFIX}{'/'.join(parts)}.")

    def _instances(self) -> list[dict[str, Any]]:
        self._account.settle()
        rows = []
        for instance_id, instance in self._account.instances.copy().items():
            timeline = self._account.timelines.get(instance_id)
            if timeline is None:
                continue  # forgotten meanwhile
            demo = self._account.demo_of(instance)
            rows.append(
                {
                    "instance_id": instance_id,
                    "region": instance.ec2_backend.region_name,
                    "name": instance.ec2_backend.tags.get(instance_id, {}).get("Name", ""),
                    "state": instance.state,
                    "public_address": instance.public_ip or "",
                    "private_address": instance.private_ip or "",
                    "state_since": timeline.state_since,
                    "demo": demo.name if demo else "",
                }
            )
        return rows


def _body(environ: dict[str, Any]) -> dict[str, Any]:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > _LONGEST_BODY:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too long.")
        body = json.loads(environ["wsgi.input"].read(length))
    except ValueError as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise _Refused(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.")
    return body


def _fault(body: dict[str, Any]) -> Fault:
    unknown = set(body) - set(Fault.__dataclass_fields__)
    mode, seconds = body.get("mode"), body.get("seconds", SECONDS_WHEN_SLOW)
    after, count = body.get("after", 0), body.get("count")
    if unknown:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"Not known: {', '.join(sorted(unknown))}.")
    if mode not in MODES:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"The mode must be one of {', '.join(MODES)}.")
    if not (count is None or _is_count(count)) or not _is_count(after) or not isinstance(seconds, int | float):
        raise _Refused(HTTPStatus.BAD_REQUEST, "after and count must be whole numbers from 0, seconds a number.")
    where = {name: str(body.get(name) or "") for name in ("operation", "region", "account")}
    return Fault(mode=mode, after=after, count=count, seconds=seconds, **where)


def _denied(body: dict[str, Any]) -> tuple[list[str], str]:
    denied, account = body.get("denied"), body.get("account", "")
    named = isinstance(denied, list) and all(isinstance(name, str) for name in denied)
    if set(body) - {"denied", "account"} or not named or not isinstance(account, str):
        raise _Refused(
            HTTPStatus.BAD_REQUEST, "denied must be a list of operations, such as RunInstances, account one account."
        )
    return body["denied"], account


def _seconds(body: dict[str, Any]) -> int:
    if set(body) != {"seconds"} or not isinstance(body["seconds"], int):
        raise _Refused(HTTPStatus.BAD_REQUEST, "seconds must be a whole number, and all there is.")
    return int(body["seconds"])


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0
