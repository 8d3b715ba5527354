"""How the portal speaks to a worker's CML."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from django.utils.dateparse import parse_datetime

from accounts.models import User
from workers import events, queue
from workers.choices import ActorKind, EventKind, TlsPolicy
from workers.clients import cml
from workers.models import Worker
from workers.services import record, vault

_KNOWN_FOR = timedelta(days=1)  # a session lives as long: asking means to sign in again


class UnableToConnect(Exception):
    """The connection settings cannot work; the sentence says which."""


def client_of(worker: Worker) -> cml.CmlClient:
    """The client for this worker's CML, with reused connections. Raises UnableToConnect; the worker must have an endpoint."""
    try:
        return cml.client_for(base_url=worker.endpoint, credential=credential_of(worker), tls=tls_of(worker), **limits())
    except (ValueError, vault.UnableToDecrypt) as error:
        raise UnableToConnect(str(error)) from error


def limits() -> dict[str, Any]:
    """Seconds and bytes, in the words of CmlClient."""
    return {
        "connect_timeout": settings.CML_CONNECT_TIMEOUT,
        "read_timeout": settings.CML_READ_TIMEOUT,
        "total_timeout": settings.CML_TOTAL_TIMEOUT,
        "max_body": settings.CML_MAX_ANSWER,
    }


def credential_of(worker: Worker) -> cml.Credential | None:
    """The worker's own account, else the portal's, else None: then only what CML tells everybody can be read."""
    if worker.cml_password_encrypted:
        return cml.Credential(username=worker.cml_username, password=vault.decrypt(worker.cml_password_encrypted))
    if settings.CML_USERNAME and settings.CML_PASSWORD:
        return cml.Credential(username=settings.CML_USERNAME, password=settings.CML_PASSWORD)
    return None


def tls_of(worker: Worker) -> cml.TlsPolicy:
    """How this worker's certificate is checked."""
    mode = settings.CML_TLS_POLICY if worker.tls_policy == TlsPolicy.DEFAULT else worker.tls_policy
    return cml.TlsPolicy(mode=cast(Any, mode), ca_pem=worker.tls_ca, fingerprint=worker.tls_fingerprint)


def lacks_pin(worker: Worker) -> bool:
    """Whether the worker waits for an administrator to trust the certificate that it shows: nothing is sent to it until then."""
    return worker.tls_policy == TlsPolicy.PINNED and not worker.tls_fingerprint


def account_to_learn(worker: Worker, username: str, *, now: datetime) -> bool:
    """Whether it is to be learnt whom CML takes this account for: not known, not known for a day, or somebody asks for a look."""
    known: dict[str, Any] = worker.cml_account
    learnt = parse_datetime(known.get("learnt_at") or "")
    fresh = known.get("asked_as") == username and learnt is not None and now - learnt < _KNOWN_FOR
    return not fresh or worker.refresh_asked_at is not None


def change_connection(
    *,
    worker: Worker,
    fields: dict[str, Any],
    password: str,
    forget_password: bool,
    by: User,
    now: datetime,
    from_address: str | None = None,
) -> None:
    """Store how to reach and trust this worker's CML; an empty password keeps the stored one. CML is asked again at once.

    The event says which settings changed, never to what: addresses and accounts of other systems do not belong in everybody's timeline.
    """
    changes = record.differences(worker, fields)
    if forget_password:
        changes |= {"cml_password_encrypted": "", "cml_username": ""}
    elif password:
        changes["cml_password_encrypted"] = vault.encrypt(password)
    if not changes:
        return
    told = _told(changes)
    changes |= _forgotten(changes)
    with transaction.atomic():
        Worker.objects.filter(pk=worker.pk).update(**changes, cml_due_at=now, cml_timeouts=0)
        actor = record.Actor(kind=ActorKind.PERSON, user=by)
        record.event_of(worker, EventKind.CONNECTION, actor=actor, now=now, after=told, from_address=from_address).save()
        events.announce_workers([worker.pk])
        queue.refresh_cml()


def _told(changes: dict[str, Any]) -> str:
    return ", ".join(sorted({"password" if name == "cml_password_encrypted" else name.replace("_", " ") for name in changes}))


def _forgotten(changes: dict[str, Any]) -> dict[str, Any]:
    """What was learnt under the former settings and says nothing about the new ones."""
    forgotten: dict[str, Any] = {}
    if {"address_kind", "custom_endpoint", "tls_policy"} & changes.keys():
        forgotten["tls_seen"] = {}
    if "tls_fingerprint" in changes:
        forgotten["tls_trusted"] = {}  # nobody looked at the certificate that belongs to a fingerprint typed in by hand
    if {"cml_username", "cml_password_encrypted", "address_kind", "custom_endpoint"} & changes.keys():
        forgotten["cml_account"] = {}
    return forgotten
