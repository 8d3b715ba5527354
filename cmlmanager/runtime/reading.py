"""What a setting is now. Cheap enough for every row of a table: the database is asked once in two seconds by each process."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from cmlmanager.runtime.registry import BY_NAME

logger = logging.getLogger(__name__)

FRESH = 2.0  # seconds for which a process believes what it read


class Snapshot(NamedTuple):
    """What was changed, as last read: name → value; until when (monotonic) it is believed."""

    values: Mapping[str, Any]
    until: float


_snapshot = Snapshot({}, 0.0)
_away = False


def value(name: str) -> Any:
    """The administrator's value of the setting `name`, else the environment's. Not to be changed in place. Raises KeyError for other names.

    A change in another process is seen within two seconds. While the database is away, what was last read holds; a process that has
    read nothing yet follows the environment.
    """
    setting = BY_NAME[name]
    changed = _changed()
    return changed[name] if name in changed and name not in fixed() else setting.default


def fixed() -> frozenset[str]:
    """The names that whoever runs the portal has fixed: only the environment decides them."""
    names = settings.SETTINGS_FIXED
    return frozenset(BY_NAME if "*" in names else names)


def forget() -> None:
    """Ask the database again at the next reading: this process has changed something."""
    global _snapshot  # noqa: PLW0603 - one a process, replaced as a whole, so that threads need no lock
    _snapshot = _snapshot._replace(until=0.0)


def _changed() -> Mapping[str, Any]:
    global _snapshot  # noqa: PLW0603
    known = _snapshot
    if time.monotonic() >= known.until:
        known = Snapshot(_read(known.values), time.monotonic() + FRESH)
        _snapshot = known
    return known.values


def _read(known: Mapping[str, Any]) -> Mapping[str, Any]:
    global _away  # noqa: PLW0603
    from cmlmanager.runtime.models import SettingValue  # the apps read settings before models are loaded

    # Within a transaction a failure here must not spoil what the caller does (PostgreSQL refuses everything after an error).
    guard = transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
    try:
        with guard:
            rows = dict(SettingValue.objects.filter(value__isnull=False).values_list("name", "value"))
    except (DatabaseError, InterfaceError) as error:
        if not _away:
            logger.warning("The settings cannot be read from the database (%s); what was last known holds.", error)
        _away = True
        return known
    _away = False
    return {name: stored for name, stored in rows.items() if is_good(name, stored)}


def is_good(name: str, stored: Any) -> bool:
    """Whether a stored value is still one: bounds may have changed since, and names may have gone."""
    try:
        return name in BY_NAME and BY_NAME[name].clean(stored) == stored
    except ValueError:
        return False
