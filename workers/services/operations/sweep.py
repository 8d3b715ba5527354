"""Nothing is left behind: what waits, what Redis lost, and what a killed process held comes back here."""

from __future__ import annotations

from datetime import datetime

from workers import queue
from workers.models import Operation

BATCH = 200


def sweep(*, now: datetime) -> int:
    """Queue every operation that is due and in nobody's hands; returns how many. The engine's claim makes a double one harmless."""
    due = list(Operation.objects.to_queue(now).order_by("due_at").values_list("pk", flat=True)[:BATCH])
    Operation.objects.filter(pk__in=due).update(queued_at=now)
    for operation_id in due:
        queue.run_operation(operation_id=operation_id)
    return len(due)
