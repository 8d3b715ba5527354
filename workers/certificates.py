"""A server's certificate as the database keeps it: facts for a person to compare, no key and no trust in themselves.

{"fingerprint": SHA-256 in 64 hex digits, "subject", "issuer", "not_before", "not_after": ISO times, "self_signed",
"first_seen_at": ISO time}, and for the trusted one "trusted_at", "trusted_by".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime


@dataclass(frozen=True, kw_only=True)
class ShownCertificate:
    """A certificate for a page; times are None when they are not known, as for a fingerprint that somebody typed in."""

    fingerprint: str
    subject: str
    issuer: str
    not_before: datetime | None
    not_after: datetime | None
    self_signed: bool
    first_seen_at: datetime | None
    trusted_at: datetime | None
    trusted_by: str

    def expired(self, now: datetime) -> bool:
        """Whether its validity has ended."""
        return self.not_after is not None and self.not_after < now


def shown(entry: dict[str, Any]) -> ShownCertificate | None:
    """The stored certificate, or None when there is none."""
    if not entry.get("fingerprint"):
        return None
    return ShownCertificate(
        fingerprint=str(entry["fingerprint"]),
        subject=str(entry.get("subject", "")),
        issuer=str(entry.get("issuer", "")),
        not_before=_moment(entry.get("not_before")),
        not_after=_moment(entry.get("not_after")),
        self_signed=bool(entry.get("self_signed")),
        first_seen_at=_moment(entry.get("first_seen_at")),
        trusted_at=_moment(entry.get("trusted_at")),
        trusted_by=str(entry.get("trusted_by", "")),
    )


def _moment(text: Any) -> datetime | None:
    return parse_datetime(text) if isinstance(text, str) and text else None


def grouped(fingerprint: str) -> str:
    """The digits as openssl prints them, in four groups that two people can read to each other: "3A:4F:… 12:BC:…"."""
    pairs = [fingerprint[at : at + 2].upper() for at in range(0, len(fingerprint), 2)]
    return " ".join(":".join(pairs[at : at + 8]) for at in range(0, len(pairs), 8))
