"""How the portal speaks to a worker's CML."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.db import transaction

from accounts.models import User
from workers import events, queue
from workers.choices import ActorKind, EventKind, TlsPolicy
from workers.clients import cml
from workers.models import Worker
from workers.services import record, vault

# Seconds and bytes, in the words of CmlClient.
LIMITS: dict[str, float] = {"connect_timeout": 5.0, "read_timeout": 30.0}


class UnableToConnect(Exception):
    """The connection settings cannot work; the sentence says which."""


def client_of(worker: Worker) -> cml.CmlClient:
    """The client for this worker's CML, with reused connections. Raises UnableToConnect; the worker must have an endpoint."""
    try:
        return cml.client_for(base_url=worker.endpoint, credential=credential_of(worker), tls=tls_of(worker), **LIMITS)
    except (ValueError, vault.UnableToDecrypt) as error:
        raise UnableToConnect(str(error)) from error


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
    names = sorted({"password" if name == "cml_password_encrypted" else name.replace("_", " ") for name in changes})
    with transaction.atomic():
        Worker.objects.filter(pk=worker.pk).update(**changes, cml_due_at=now)
        actor = record.Actor(kind=ActorKind.PERSON, user=by)
        after = ", ".join(names)
        record.event_of(worker, EventKind.CONNECTION, actor=actor, now=now, after=after, from_address=from_address).save()
        events.announce_workers([worker.pk])
        queue.refresh_cml()
