"""What CML tells of labs as a whole. Times are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.clients.cml.answers.topology import Topology
from workers.clients.cml.reading import flag, integer, mapping, moment, sequence, text


@dataclass(frozen=True, kw_only=True)
class LabGroup:
    """A group of CML users who share a lab. `permission`: read_only or read_write. Gone since 2.10."""

    group_id: str
    name: str
    permission: str

    @classmethod
    def read(cls, value: Any) -> LabGroup:
        group = {"id": value} if isinstance(value, str) else mapping(value)
        return cls(group_id=text(group.get("id")), name=text(group.get("name")), permission=text(group.get("permission")))


@dataclass(frozen=True, kw_only=True)
class LabAutostart:
    """Since 2.10: whether CML starts the lab by itself when it boots, in which order, and after how many seconds."""

    enabled: bool | None
    priority: int | None
    delay: int | None

    @classmethod
    def read(cls, value: Any) -> LabAutostart | None:
        if not isinstance(value, dict):
            return None
        return cls(
            enabled=flag(value.get("enabled")), priority=integer(value.get("priority")), delay=integer(value.get("delay"))
        )


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One lab. `state` is DEFINED_ON_CORE, STOPPED or STARTED, "" when not told; `permissions` are the portal's own in it.

    A lab whose content is odd is still a lab: it exists, only its details are not known.
    """

    lab_id: str
    title: str
    state: str
    owner_username: str
    node_count: int | None
    link_count: int | None
    created_at: datetime | None
    modified_at: datetime | None
    description: str
    notes: str = ""
    owner_id: str = ""
    owner_fullname: str = ""
    groups: tuple[LabGroup, ...] = ()
    permissions: tuple[str, ...] = ()
    autostart: LabAutostart | None = None

    @classmethod
    def read(cls, lab_id: str, value: Any) -> Lab:
        return cls(**_details(lab_id, value))


@dataclass(frozen=True, kw_only=True)
class LabTile(Lab):
    """One lab as CML's dashboard shows it, with its picture; `topology` is None when CML sent none, as it may since 2.10."""

    topology: Topology | None = None

    @classmethod
    def read(cls, lab_id: str, value: Any) -> LabTile:
        return cls(**_details(lab_id, value), topology=Topology.read(mapping(value).get("topology")))


def _details(lab_id: str, value: Any) -> dict[str, Any]:
    lab = mapping(value)
    return {
        "lab_id": text(lab_id),
        "title": text(lab.get("lab_title")),
        "state": text(lab.get("state")),
        "owner_username": text(lab.get("owner_username")),
        "node_count": integer(lab.get("node_count")),
        "link_count": integer(lab.get("link_count")),
        "created_at": moment(lab.get("created")),
        "modified_at": moment(lab.get("modified")),
        "description": text(lab.get("lab_description")),
        "notes": text(lab.get("lab_notes")),
        "owner_id": text(lab.get("owner")),
        "owner_fullname": text(lab.get("owner_fullname")),
        "groups": tuple(LabGroup.read(group) for group in sequence(lab.get("groups"))),
        "permissions": tuple(filter(None, map(text, sequence(lab.get("effective_permissions"))))),
        "autostart": LabAutostart.read(lab.get("autostart")),
    }


@dataclass(frozen=True, kw_only=True)
class LabImport:
    """An imported lab's id, and what CML warned of (Markdown)."""

    lab_id: str
    warnings: tuple[str, ...]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> LabImport:
        warnings = answer.get("warnings")
        found = [warnings] if isinstance(warnings, str) else sequence(warnings)
        return cls(lab_id=text(answer.get("id")), warnings=tuple(filter(None, map(text, found))))


@dataclass(frozen=True, kw_only=True)
class ImageDefinition:
    """A disk image that nodes of one definition start from."""

    image_id: str
    node_definition: str
    label: str

    @classmethod
    def read(cls, value: Any) -> ImageDefinition:
        image = mapping(value)
        return cls(
            image_id=text(image.get("id")),
            node_definition=text(image.get("node_definition_id")),
            label=text(image.get("label")),
        )
