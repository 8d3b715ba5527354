"""What CML tells of its licence, as fields of a worker."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from workers.choices import LicenseState
from workers.clients import cml

BASE, NODES = "base", "nodes"
# Cisco's words about a failed registration repeat the token: 'The token 'Zj…' is not valid.'
_QUOTED = re.compile(r"(['\"`])[a-zA-Z\d+/%=-]{4,}\1")
_LONG = re.compile(r"[a-zA-Z\d+/%=-]{32,}")


def fields_of(licensing: cml.Licensing) -> dict[str, Any]:
    """The details beside the state. What an unregistered CML no longer tells is emptied, so that nothing of the past looks current."""
    base, nodes = (_sum_of(licensing, kind) for kind in (BASE, NODES))
    return {
        "license_expires_at": licensing.registration_expires_at,
        "authorization_expires_at": licensing.authorization_expires_at,
        "smart_account": licensing.smart_account[:255],
        "virtual_account": licensing.virtual_account[:255],
        "seats_in_use": base[0],
        "seats_max": base[1],
        "license_nodes_in_use": nodes[0],
        "license_nodes_max": nodes[1],
        "licensing": {
            "registration": {
                "status": licensing.registration_status,
                "register_time": _times(licensing.register_time),
                "renew_time": _times(licensing.renew_time),
            },
            "authorization": {
                "status": licensing.authorization_status,
                "renew_time": _times(licensing.authorization_renew_time),
            },
            "features": [_feature(feature) for feature in licensing.features],
            "transport": {
                "ssms": licensing.transport.ssms or licensing.transport.default_ssms,
                "proxy_server": licensing.transport.proxy_server,
                "proxy_port": licensing.transport.proxy_port,
            },
            "udi": {"hostname": licensing.udi_hostname, "product_uuid": licensing.udi_product_uuid},
            "product": licensing.product,
            "is_enterprise": licensing.is_enterprise,
            "reservation_mode": licensing.reservation_mode,
        },
    }


def unregistered(licensing: dict[str, Any]) -> dict[str, Any]:
    """Fields of a worker whose CML has just given up its registration, before it is read again; `licensing` is the former one."""
    kept = {name: licensing[name] for name in ("transport", "udi", "product", "is_enterprise") if name in licensing}
    return {
        "license_state": LicenseState.UNREGISTERED.value,
        "license_text": "",
        "license_expires_at": None,
        "authorization_expires_at": None,
        "smart_account": "",
        "virtual_account": "",
        "seats_in_use": None,
        "seats_max": None,
        "license_nodes_in_use": None,
        "license_nodes_max": None,
        "licensing": kept,
    }


def kind_of(feature_id: str) -> str:
    """BASE for what one CML needs to run at all, NODES for nodes beyond it, "" for what the portal does not know."""
    if "NODE_COUNT" in feature_id:
        return NODES
    return BASE if re.search(r"CML_(ENT|EDU|PERS|CORP)|_BASE", feature_id.upper()) else ""


def words_of(licensing: cml.Licensing) -> str:
    """CML's two statuses in a sentence's part."""
    registration, authorization = licensing.registration_status or "unknown", licensing.authorization_status or "unknown"
    return f"registration {registration}, authorization {authorization}"


def without_token(words: str) -> str:
    """What Cisco or CML said of a registration, less anything that may be its token."""
    return _LONG.sub("[hidden]", _QUOTED.sub(r"\1[hidden]\1", words))


def _times(times: cml.LicensingAttempts) -> dict[str, str]:
    return {
        "attempted_at": _iso(times.attempted_at),
        "succeeded_at": _iso(times.succeeded_at),
        "scheduled_at": _iso(times.scheduled_at),
        "failure": "" if times.failure == "OK" else without_token(times.failure)[:300],
    }


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _feature(feature: cml.LicensingFeature) -> dict[str, Any]:
    return {
        "id": feature.feature_id,
        "name": feature.name,
        "status": feature.status,
        "in_use": feature.in_use,
        "min": feature.minimum,
        "max": feature.maximum,
        "kind": kind_of(feature.feature_id),
    }


def _sum_of(licensing: cml.Licensing, kind: str) -> tuple[int | None, int | None]:
    found = [feature for feature in licensing.features if kind_of(feature.feature_id) == kind]
    return _sum([feature.in_use for feature in found]), _sum([feature.maximum for feature in found])


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return min(sum(known), 2_147_483_647) if known else None
