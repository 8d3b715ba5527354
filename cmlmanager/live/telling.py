"""Facts leave on commit, those of one transaction together."""

from __future__ import annotations

from django.db import transaction

from cmlmanager.live.facts import Fact
from cmlmanager.live.publisher import publish


class _Batch:
    """What one transaction, or one savepoint in it, has to tell. Called on commit."""

    def __init__(self, facts: list[Fact]) -> None:
        self.facts = facts
        self.__qualname__ = "tell"  # Django names the function in its log

    def __call__(self) -> None:
        publish(self.facts)


def tell(*facts: Fact) -> None:
    """Publish `facts` when the current transaction commits, or now without one; never if it is rolled back. Never fails the work.

    A refresh of a thousand workers tells a thousand times in a few transactions: each of these makes one round trip to Redis.
    """
    if not facts:
        return
    connection = transaction.get_connection()
    # The last thing registered in this very savepoint; a rollback would take it back together with what is added here.
    for savepoints, function, _ in connection.run_on_commit[-1:]:
        if isinstance(function, _Batch) and savepoints == set(connection.savepoint_ids) and connection.in_atomic_block:
            function.facts += facts
            return
    transaction.on_commit(_Batch(list(facts)), robust=True)
