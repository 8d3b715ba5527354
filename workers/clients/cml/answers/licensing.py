"""What CML tells of its licence. Field names and shapes: Cisco CML 2.9 API, GET /licensing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from workers.clients.cml.reading import flag, integer, mapping, moment, sequence, text

_QUOTED_TOKEN = re.compile(r"""(token\s+)(["'])[^"']+\2""", re.IGNORECASE)
_LONG_WORD = re.compile(r"[a-zA-Z0-9+/%=-]{24,}")
_LONGEST = 1000


def _words(value: Any) -> str:
    """Text about a registration, less the token, which Cisco's refusals quote ("The token 'NDEx…' is not valid.")."""
    return _LONG_WORD.sub(_hidden, _QUOTED_TOKEN.sub(r"\1[hidden]", text(value)[:_LONGEST]))


def _hidden(word: re.Match[str]) -> str:
    """Tokens have capital and small letters and digits; UUIDs and the paths of addresses have not."""
    has = [any(map(kind, word[0])) for kind in (str.isupper, str.islower, str.isdigit)]
    return "[hidden]" if all(has) else word[0]


class Deregistration(Enum):
    """How a deregistration ended when CML did not refuse it."""

    RELEASED = "released"  # 204: Cisco has the seat back
    UNCONFIRMED = (
        "unconfirmed"  # 202: CML has forgotten its licence, but did not reach Cisco, where the seat may still be taken
    )
    ALREADY = "already"  # 400 "already been de-registered": there was no licence to release


@dataclass(frozen=True, kw_only=True)
class LicensingFeature:
    """One licence entitlement: how many CML reports in use, and the range it may take, with the days on which it ends."""

    feature_id: str
    name: str
    status: str
    in_use: int | None
    minimum: int | None
    maximum: int | None
    description: str = ""
    version: str = ""
    minimum_ends_at: datetime | None = None
    maximum_ends_at: datetime | None = None

    @classmethod
    def read(cls, value: Any) -> LicensingFeature:
        feature = mapping(value)
        return cls(
            feature_id=text(feature.get("id")),
            name=text(feature.get("name")),
            status=text(feature.get("status")),
            in_use=integer(feature.get("in_use")),
            minimum=integer(feature.get("min")),
            maximum=integer(feature.get("max")),
            description=text(feature.get("description")),
            version=text(feature.get("version")),
            minimum_ends_at=moment(feature.get("minEndDate")),
            maximum_ends_at=moment(feature.get("maxEndDate")),
        )


@dataclass(frozen=True, kw_only=True)
class LicensingAttempts:
    """When CML last did, last tried and will next try a registration or renewal, and its free texts about it, less the token that they quote."""

    succeeded_at: datetime | None = None
    attempted_at: datetime | None = None
    scheduled_at: datetime | None = None
    status: str = ""
    failure: str = ""
    success: str = ""

    @classmethod
    def read(cls, value: Any) -> LicensingAttempts:
        attempts = mapping(value)
        return cls(
            succeeded_at=moment(attempts.get("succeeded")),
            attempted_at=moment(attempts.get("attempted")),
            scheduled_at=moment(attempts.get("scheduled")),
            status=_words(attempts.get("status")),
            failure=_words(attempts.get("failure")),
            success=_words(attempts.get("success")),
        )


NO_ATTEMPTS = LicensingAttempts()


@dataclass(frozen=True, kw_only=True)
class LicensingTransport:
    """How CML reaches Cisco's licence service: `ssms` is the address in force, `proxy_*` what lies before it."""

    default_ssms: str = ""
    ssms: str = ""
    proxy_server: str = ""
    proxy_port: int | None = None

    @classmethod
    def read(cls, value: Any) -> LicensingTransport:
        transport = mapping(value)
        proxy = mapping(transport.get("proxy"))
        return cls(
            default_ssms=text(transport.get("default_ssms")),
            ssms=text(transport.get("ssms")),
            proxy_server=text(proxy.get("server")),
            proxy_port=integer(proxy.get("port")),
        )


@dataclass(frozen=True, kw_only=True)
class Licensing:
    """The licence: registration with Cisco (who we are) and authorization (what we may use), as CML's free text.

    `register_time` and `renew_time` are the registration's, `authorization_renew_time` the authorization's.
    `udi_hostname` and `udi_product_uuid` are what Cisco's account page lists the server under.
    """

    registration_status: str
    authorization_status: str
    product: str
    is_enterprise: bool | None
    registration_expires_at: datetime | None
    authorization_expires_at: datetime | None
    features: tuple[LicensingFeature, ...]
    smart_account: str
    virtual_account: str
    instance_name: str = ""
    register_time: LicensingAttempts = NO_ATTEMPTS
    renew_time: LicensingAttempts = NO_ATTEMPTS
    authorization_renew_time: LicensingAttempts = NO_ATTEMPTS
    reservation_mode: bool | None = None
    transport: LicensingTransport = LicensingTransport()
    udi_hostname: str = ""
    udi_product_uuid: str = ""

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Licensing:
        registration = mapping(answer.get("registration"))
        authorization = mapping(answer.get("authorization"))
        product = mapping(answer.get("product_license"))
        udi = mapping(answer.get("udi"))
        return cls(
            registration_status=text(registration.get("status")),
            authorization_status=text(authorization.get("status")),
            product=text(product.get("active")),
            is_enterprise=flag(product.get("is_enterprise")),
            registration_expires_at=moment(registration.get("expires")),
            authorization_expires_at=moment(authorization.get("expires")),
            features=tuple(LicensingFeature.read(value) for value in sequence(answer.get("features"))),
            smart_account=text(registration.get("smart_account")),
            virtual_account=text(registration.get("virtual_account")),
            instance_name=text(registration.get("instance_name")),
            register_time=LicensingAttempts.read(registration.get("register_time")),
            renew_time=LicensingAttempts.read(registration.get("renew_time")),
            authorization_renew_time=LicensingAttempts.read(authorization.get("renew_time")),
            reservation_mode=flag(answer.get("reservation_mode")),
            transport=LicensingTransport.read(answer.get("transport")),
            udi_hostname=text(udi.get("hostname")),
            udi_product_uuid=text(udi.get("product_uuid")),
        )
