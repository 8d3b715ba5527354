"""How each setting stands: its value, whose it is, and since when. For the page."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cmlmanager.runtime import reading
from cmlmanager.runtime.kinds import Names, Number, Setting, Switch, Templates
from cmlmanager.runtime.models import SettingValue
from cmlmanager.runtime.registry import SETTINGS


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One setting now. `version` is what a change must name; `changed_at` is None when nobody ever changed it."""

    setting: Setting
    value: Any
    version: int = 0
    is_own: bool = False  # an administrator's value, not the environment's
    changed_at: datetime | None = None
    changed_name: str = ""

    @property
    def name(self) -> str:
        return self.setting.name

    @property
    def words(self) -> str:
        return self.setting.words(self.value)

    @property
    def default_words(self) -> str:
        return self.setting.words(self.setting.default)

    @property
    def is_fixed(self) -> bool:
        """Whether only the environment decides it."""
        return self.name in reading.fixed()

    @property
    def is_set_outside(self) -> bool:
        """Whether the environment says the default, and not the program."""
        return self.name in os.environ or f"{self.name}_FILE" in os.environ

    @property
    def unit(self) -> str:
        """What stands behind the field."""
        return self.setting.unit if isinstance(self.setting, Number) else ""

    @property
    def shape(self) -> str:
        """Which of the kinds it is, for the style: number, switch, names, templates or line."""
        shapes = ((Number, "number"), (Switch, "switch"), (Names, "names"), (Templates, "templates"))
        return next((shape for kind, shape in shapes if isinstance(self.setting, kind)), "line")


def standings(settings: Iterable[Setting] = SETTINGS) -> dict[str, Standing]:
    """Name → how it stands, straight from the database. One query."""
    rows = SettingValue.objects.in_bulk()
    return {setting.name: _standing(setting, rows.get(setting.name)) for setting in settings}


def _standing(setting: Setting, row: SettingValue | None) -> Standing:
    if row is None:
        return Standing(setting=setting, value=setting.default)
    own = row.value is not None and setting.name not in reading.fixed() and reading.is_good(setting.name, row.value)
    return Standing(
        setting=setting,
        value=row.value if own else setting.default,
        version=row.version,
        is_own=own,
        changed_at=row.changed_at,
        changed_name=row.changed_name,
    )
