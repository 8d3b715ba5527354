"""What a setting may be: each kind cleans what was entered or stored, and says it in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.conf import settings


class Group(Enum):
    """Where a setting stands on the page: the form that it belongs to."""

    READING = ("reading", "How often things are read", "Shorter is fresher, and asks AWS and the CML servers more often.")
    DISCOVERY = ("discovery", "Discovery", "Instances that match are imported by themselves; known ones are skipped.")
    NIGHTLY = ("nightly", "Nightly backups", "The labs of every worker are saved once a night, each worker at its own minute.")
    RETENTION = (
        "retention",
        "How long things are kept",
        "What is past its time is deleted within the hour. It does not come back.",
    )
    NOTICES = ("notices", "Notifications", "Who is told what is set at each target.")
    TEMPLATES = ("templates", "Ways to make a worker", "What the form for a new worker offers.")

    def __init__(self, slug: str, title: str, lead: str) -> None:
        self.slug = slug
        self.title = title
        self.lead = lead


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    name: that of Django's setting with the default, which is the environment's variable too.
    label, explanation: for the page. effect: from when on a change holds.
    """

    name: str
    group: Group
    label: str
    explanation: str
    effect: str = "from the next tick"

    @property
    def default(self) -> Any:
        """What the environment says, or what is built in."""
        return getattr(settings, self.name)

    def clean(self, value: Any) -> Any:
        """The value as it is stored. Raises ValueError with a sentence."""
        raise NotImplementedError

    def words(self, value: Any) -> str:
        """The value for people: "60 s"."""
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Number(Setting):
    """A whole number within bounds; `unit` stands behind it."""

    minimum: int
    maximum: int
    unit: str = "s"

    def clean(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("A whole number.")  # noqa: TRY004 - one kind of refusal, whatever is wrong
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"From {self.minimum:,} to {self.maximum:,} {self.unit}.")
        return value

    def words(self, value: Any) -> str:
        unit = self.unit.removesuffix("s") if value == 1 and len(self.unit) > 1 else self.unit
        return f"{value:,} {unit}"


@dataclass(frozen=True, kw_only=True)
class Switch(Setting):
    """On or off."""

    def clean(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("On or off.")  # noqa: TRY004
        return value

    def words(self, value: Any) -> str:
        return "on" if value else "off"


@dataclass(frozen=True, kw_only=True)
class Line(Setting):
    """One line of text, perhaps empty; what it must be like is in `rules`."""

    longest: int

    def clean(self, value: Any) -> str:
        if not isinstance(value, str) or not (value.isprintable() or not value):
            raise ValueError("One line of text.")
        if len(value.strip()) > self.longest:
            raise ValueError(f"At most {self.longest} characters.")
        return value.strip()

    def words(self, value: Any) -> str:
        return value or "nothing"


@dataclass(frozen=True, kw_only=True)
class Names(Setting):
    """Some of the names that the installation has."""

    offered: str  # the name of Django's setting with all of them
    none: str = ""  # what it means when none is chosen; "": at least one must be

    @property
    def choices(self) -> list[str]:
        return list(getattr(settings, self.offered))

    def clean(self, value: Any) -> list[str]:
        if not isinstance(value, list) or not (value or self.none):
            raise ValueError("At least one.")
        for name in value:
            if name not in self.choices:
                raise ValueError(f"{name} is not one of {self.offered}: {', '.join(self.choices)}.")
        return [name for name in self.choices if name in value]

    def words(self, value: Any) -> str:
        return ", ".join(value) or self.none


@dataclass(frozen=True, kw_only=True)
class Templates(Setting):
    """A list of objects; what they must be like is in `rules`."""

    def clean(self, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ValueError("A list of templates.")
        return value

    def words(self, value: Any) -> str:
        return ", ".join(str(item.get("name", "?")) for item in value) or "none"
