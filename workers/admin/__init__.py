"""The operators' desk: rows to look at, and actions that ask the services, as the pages do. Nothing is edited here, or the audit would not know."""

from __future__ import annotations

from workers.admin import alerts, fleet, history, licenses, notifications, operations  # noqa: F401  (registers them)
from workers.admin.base import ReadOnlyAdmin

__all__ = ["ReadOnlyAdmin"]
