"""News of workers leaves here, and only on commit: fragments for pages, facts for API clients. Only services call this."""

from __future__ import annotations

from workers.events.facts import (
    CREATED,
    DELETED,
    IMPORTED,
    SEAT_DOUBTED,
    SEAT_SETTLED,
    tell_alert,
    tell_changes,
    tell_operation,
    tell_seat,
    tell_worker,
)
from workers.events.fragments import (
    announce_alerts,
    announce_cml_checked,
    announce_counts,
    announce_heartbeat,
    announce_licenses,
    announce_membership,
    announce_notifications,
    announce_operation,
    announce_region_checked,
    announce_workers,
)

__all__ = [
    "CREATED",
    "DELETED",
    "IMPORTED",
    "SEAT_DOUBTED",
    "SEAT_SETTLED",
    "announce_alerts",
    "announce_cml_checked",
    "announce_counts",
    "announce_heartbeat",
    "announce_licenses",
    "announce_membership",
    "announce_notifications",
    "announce_operation",
    "announce_region_checked",
    "announce_workers",
    "tell_alert",
    "tell_changes",
    "tell_operation",
    "tell_seat",
    "tell_worker",
]
