"""Trust on first use: a certificate that was not accepted is read by the refresh, compared by an administrator, and pinned."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from workers import certificates, events, queue
from workers.choices import ActorKind, EventKind, TlsPolicy
from workers.models import Worker
from workers.services import record
from workers.services.cml_reading import Reading


class UnableToTrust(Exception):
    """Why not, as a sentence for the administrator."""


def seen(worker: Worker, reading: Reading, *, now: datetime) -> dict[str, Any]:
    """What `Worker.tls_seen` becomes by a look: empty once the certificate is accepted; kept when nothing new was learnt."""
    if reading.information is not None:
        return {}
    shown = reading.certificate
    known: dict[str, Any] = worker.tls_seen
    if shown is None or known.get("fingerprint") == shown.fingerprint:
        return known
    return {
        "fingerprint": shown.fingerprint,
        "subject": shown.subject[:300],
        "issuer": shown.issuer[:300],
        "not_before": shown.not_before.isoformat(),
        "not_after": shown.not_after.isoformat(),
        "self_signed": shown.self_signed,
        "first_seen_at": now.isoformat(timespec="seconds"),
    }


def trust_certificate(*, worker: Worker, fingerprint: str, by: User, now: datetime, from_address: str | None = None) -> None:
    """Pin the certificate that waits, if it is still the one whose `fingerprint` (64 hex digits) the person was shown.

    CML is asked again at once. Raises UnableToTrust.
    """
    with transaction.atomic():
        # Locked, so that a refresh cannot put another certificate between the comparison and the pin.
        current = Worker.objects.select_for_update().get(pk=worker.pk)
        waiting = current.tls_seen
        if not waiting:
            raise UnableToTrust("No certificate waits to be trusted any more: the connection was changed or works meanwhile.")
        if waiting["fingerprint"] != fingerprint:
            raise UnableToTrust(
                "The server shows another certificate by now than the one you compared. Nothing was trusted: compare it again."
            )
        trusted = waiting | {"trusted_at": now.isoformat(timespec="seconds"), "trusted_by": by.get_username()}
        before = current.tls_fingerprint if current.tls_policy == TlsPolicy.PINNED else ""
        Worker.objects.filter(pk=current.pk).update(
            tls_policy=TlsPolicy.PINNED,
            tls_fingerprint=fingerprint,
            tls_trusted=trusted,
            tls_seen={},
            cml_due_at=now,
            cml_timeouts=0,
        )
        record.event_of(
            current,
            EventKind.TRUST,
            actor=record.Actor(kind=ActorKind.PERSON, user=by),
            now=now,
            before=certificates.grouped(before),
            after=certificates.grouped(fingerprint),
            detail=f"SHA-256 of {waiting['subject']}, issued by {waiting['issuer']}",
            from_address=from_address,
        ).save()
        events.announce_workers([current.pk])
        queue.refresh_cml()
