"""Who is locked out after too many failures, and letting them in again.

allauth counts failures in the cache, by the name that was typed, whoever it belongs to: nothing tells which names exist. A second count is of
codes, by person. Both are read and cleared here; `allauth.core.internal.ratelimit` has no public way to do so without a request.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from allauth.core.internal.ratelimit import Rate, get_cache_key, get_rates
from django.core.cache import cache

from accounts.models import User

_APP, _ACTION = "allauth.account", "login_failed"


def counter_of(name: str) -> str:
    """The key under which failures of a name are counted: the same under every name of the portal itself."""
    return f"name:{name.lower()}"


def _rates() -> list[Rate]:
    return [rate for rate in get_rates(app=_APP, action=_ACTION) if rate.per == "key"]


def _entries(user: User) -> dict[str, Rate]:
    """Cache keys that count this person's failures, and the limit of each."""
    keys = (counter_of(user.get_username()), f"mfa-auth-user-{user.pk}")
    return {get_cache_key(None, app=_APP, action=_ACTION, rate=rate, key=key): rate for rate in _rates() for key in keys}


def seconds_left(people: Iterable[User]) -> dict[int, int]:
    """By id, for how many seconds each of those who are locked out still is. One query of the cache for all."""
    entries = {user.pk: _entries(user) for user in people}
    found = cache.get_many([key for keys in entries.values() for key in keys])
    now = time.time()
    left = {
        pk: max((_left(found.get(key, []), rate, now) for key, rate in keys.items()), default=0) for pk, keys in entries.items()
    }
    return {pk: seconds for pk, seconds in left.items() if seconds > 0}


def _left(history: list[float], rate: Rate, now: float) -> int:
    """`history` holds the times of failures, newest first. Locked while as many as the limit are within its span."""
    within = [at for at in history if at > now - rate.duration]
    return 0 if len(within) < rate.amount else max(1, round(within[rate.amount - 1] + rate.duration - now))


def is_locked(user: User) -> bool:
    """Whether this person would be refused for too many failures now."""
    return bool(seconds_left([user]))


def clear(user: User) -> None:
    """Forget this person's failures. Those of the address that they came from are kept: it may be guessing others, too."""
    cache.delete_many(list(_entries(user)))
