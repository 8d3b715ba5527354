"""Administrators change settings: validated, against what they saw, with a line in the audit for each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import publish
from cmlmanager.runtime import effects, reading, rules
from cmlmanager.runtime.kinds import Setting
from cmlmanager.runtime.models import SettingValue
from cmlmanager.runtime.registry import BY_NAME, SETTINGS
from cmlmanager.runtime.wording import ago, change_in_words
from workers.choices import EventKind
from workers.models import Event
from workers.services.operations.asking import Asker

CHANNEL = "settings"
CHANGED = "settings.changed"  # the settings page reads itself again


class UnableToChange(Exception):
    """Why nothing was changed: the setting's name → a sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


def change(*, wanted: Mapping[str, Any], seen: Mapping[str, int], by: Asker, now: datetime) -> list[str]:
    """Store new values; None goes back to the environment's. All or none; returns the names of those that changed.

    `seen` is the version of each that the person had before them. Raises UnableToChange: not a value for it, against a rule, fixed by
    whoever runs the portal, or changed by somebody else since.
    """
    cleaned = _clean(wanted)
    with transaction.atomic():
        rows = _locked(cleaned)
        now_in_force = {setting.name: _in_force(setting, rows) for setting in SETTINGS}
        _refuse_overtaken(rows, seen, now_in_force, now=now)
        changes = {name: new for name, new in cleaned.items() if rows[name].value != new}
        then = now_in_force | {name: BY_NAME[name].default if new is None else new for name, new in changes.items()}
        if problems := rules.problems({name: then[name] for name in changes}, then):
            raise UnableToChange(problems)
        for name, new in changes.items():
            _store(rows[name], new, by=by, now=now)
        Event.objects.bulk_create(
            [_event(BY_NAME[name], now_in_force[name], then[name], changes[name], by=by, now=now) for name in changes]
        )
        if changes:
            effects.take_effect({name: then[name] for name in changes}, then, now=now)
            transaction.on_commit(partial(publish, [Message(channel=CHANNEL, type=CHANGED, data="")]))
    reading.forget()
    return list(changes)


def _clean(wanted: Mapping[str, Any]) -> dict[str, Any]:
    problems: dict[str, str] = {}
    cleaned: dict[str, Any] = {}
    for name, value in wanted.items():
        if name in reading.fixed():
            problems[name] = "Whoever runs the portal has fixed this in its environment (SETTINGS_FIXED)."
            continue
        try:
            cleaned[name] = None if value is None else BY_NAME[name].clean(value)
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise UnableToChange(problems)
    return cleaned


def _locked(names: Mapping[str, Any]) -> dict[str, SettingValue]:
    """Every row, locked, so that of two people the second one's "before" is what the first one left; those of `names` exist."""
    SettingValue.objects.bulk_create([SettingValue(name=name) for name in sorted(names)], ignore_conflicts=True)
    return {row.name: row for row in SettingValue.objects.select_for_update().order_by("name")}


def _in_force(setting: Setting, rows: Mapping[str, SettingValue]) -> Any:
    row = rows.get(setting.name)
    if row is None or row.value is None or setting.name in reading.fixed():
        return setting.default
    try:
        return setting.clean(row.value)
    except ValueError:  # as reading does
        return setting.default


def _refuse_overtaken(
    rows: Mapping[str, SettingValue], seen: Mapping[str, int], in_force: Mapping[str, Any], *, now: datetime
) -> None:
    overtaken = {
        name: f"{rows[name].changed_name or 'Somebody'} changed this to {BY_NAME[name].words(in_force[name])} {ago(rows[name].changed_at, now)}, "
        "after you had opened the page. Save again to replace it."
        for name, version in seen.items()
        if name in rows and rows[name].version != version
    }
    if overtaken:
        raise UnableToChange(overtaken)


def _store(row: SettingValue, value: Any, *, by: Asker, now: datetime) -> None:
    row.value, row.version = value, row.version + 1
    row.changed_at, row.changed_by, row.changed_name = now, by.actor.user, by.actor.name[:150]
    row.save()


def _event(setting: Setting, old: Any, new: Any, stored: Any, *, by: Asker, now: datetime) -> Event:
    before, after = change_in_words(setting, old, new)
    return Event(
        at=now,
        kind=EventKind.SETTING,
        actor_kind=by.actor.kind,
        actor=by.actor.user,
        actor_name=by.actor.name[:150],
        from_address=by.from_address,
        before=before[:500],
        after=(f"{after} (default)" if stored is None else after)[:500],
        detail=f"{setting.name}: {setting.label}"[:500],
    )
