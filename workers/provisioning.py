"""What EC2 accepts for a new instance, and the installation's templates for one. Forms, checks and services read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from workers import tag_rules

# EC2's ids have 8 hexadecimal digits (before 2018) or 17.
_HEX = r"(?:[0-9a-f]{8}|[0-9a-f]{17})"
INSTANCE_ID = re.compile(rf"i-{_HEX}")
IMAGE_ID = re.compile(rf"ami-{_HEX}")
SUBNET_ID = re.compile(rf"subnet-{_HEX}")
SECURITY_GROUP_ID = re.compile(rf"sg-{_HEX}")
INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]{0,19}\.[a-z0-9-]{1,20}")
# What AMI names are made of (EC2 API reference, CreateImage, Name), with EC2's two wildcards.
IMAGE_NAME = re.compile(r"[A-Za-z0-9 ()\[\]./\-'@_*?]{3,128}")
ROOT_VOLUME_GIB = (8, 16_384)
SECURITY_GROUPS = 16  # the most that a network interface may have (Amazon VPC quotas)

VERSION_TAG = "cml-version"
_OURS = 3  # tags that the portal adds: the name, the worker's id, the version

# KVM inside a virtual machine, since February 2026 (EC2 User Guide, nested virtualization): C8i, M8i, R8i with -flex and d.
_NESTED = re.compile(r"[cmr]8i(?:d|-flex)?\.(?!metal)[a-z0-9-]+")


def has_nested_virtualization(instance_type: str) -> bool:
    """Whether nested virtualisation can be switched on for this type; without it CML could start no virtual machine there."""
    return bool(_NESTED.fullmatch(instance_type))


def is_metal(instance_type: str) -> bool:
    """Whether the type is bare metal, on which CML has the processor for itself."""
    return ".metal" in instance_type


def image_name_problem(pattern: str) -> str:
    """Why a pattern of AMI names is not asked for, or ""."""
    if not IMAGE_NAME.fullmatch(pattern):
        return (
            "An AMI name has 3 to 128 characters: letters, digits, spaces and ( ) [ ] . / - ' @ _, with * and ? as wildcards."
        )
    if len(re.sub(r"[*?]", "", pattern)) < 3:
        return "That pattern would match nearly every AMI: give at least three characters beside the wildcards."
    return ""


def tags_of_lines(text: str) -> dict[str, str]:
    """Tags written as lines `key=value`. Raises ValueError with a sentence for the first line that no tag can be."""
    tags: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        key, equals, value = (part.strip() for part in line.partition("="))
        if problem := _tag_problem(line, key, equals, value):
            raise ValueError(problem)
        if key in tags:
            raise ValueError(f"The key {key} is there twice.")
        tags[key] = value
    if len(tags) + _OURS > tag_rules.MOST_TAGS:
        raise ValueError(f"EC2 allows {tag_rules.MOST_TAGS} tags, of which the portal needs {_OURS}; these are {len(tags)}.")
    return tags


def _tag_problem(line: str, key: str, equals: str, value: str) -> str:
    if not equals or not key:
        return f"“{line[:60]}” is not of the form key=value."
    if key in (tag_rules.NAME, VERSION_TAG):
        return f"{key} is set by the portal from the field above; leave it out here."
    problem = tag_rules.key_error(key) or tag_rules.value_error(key, value)
    return f"{key[:40]}: {problem}" if problem else ""


@dataclass(frozen=True, kw_only=True)
class Template:
    """A way to make a worker that the installation offers. Every field but `name` may be left out: "" or None."""

    name: str
    account: str = ""  # a name of settings.AWS_ACCOUNTS
    region: str = ""
    description: str = ""
    instance_type: str = ""
    image: str = ""  # an AMI id or a pattern of AMI names
    cml_version: str = ""
    subnet_id: str = ""
    security_group_ids: tuple[str, ...] = ()
    key_name: str = ""
    root_volume_gib: int | None = None
    nested_virtualization: bool = False
    detailed_monitoring: bool = False
    tags: Mapping[str, str] | None = None

    @property
    def initial(self) -> dict[str, Any]:
        """What the form begins with."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in {"name", "description"}}
        given["security_group_ids"] = ", ".join(self.security_group_ids)
        given["tags"] = "\n".join(f"{key}={value}" for key, value in (self.tags or {}).items())
        return {name: value for name, value in given.items() if value not in ("", None)}


def templates(items: Iterable[Mapping[str, Any]]) -> list[Template]:
    """The templates among the setting PROVISIONING; those that `problems` complains about are left out."""
    good = [item for item in items if isinstance(item, Mapping) and not _problems_of(item)]
    return [Template(**{**item, "security_group_ids": tuple(item.get("security_group_ids", ()))}) for item in good]


def problems(items: Any, regions: Iterable[str], accounts: Iterable[str] = ()) -> list[str]:
    """What is wrong with the setting PROVISIONING, a sentence each. `regions` and `accounts` are those that there are."""
    if not isinstance(items, list):
        return ["PROVISIONING must be a list of templates."]
    found: list[str] = []
    names: set[str] = set()
    for number, item in enumerate(items, start=1):
        if not isinstance(item, Mapping):
            found.append(f"Template {number} of PROVISIONING is not an object.")
            continue
        name = str(item.get("name") or "")
        wrong = _problems_of(item)
        if item.get("region") and item["region"] not in regions:
            wrong.append(f"region {item['region']} is not in AWS_REGIONS")
        if item.get("account") and item["account"] not in accounts:
            wrong.append(f"account {item['account']} is not in AWS_ACCOUNTS")
        if name in names:
            wrong.append("its name is there twice")
        names.add(name)
        found += [f"Template {name or number} of PROVISIONING: {sentence}." for sentence in wrong]
    return found


_FORMATS = {
    "instance_type": (INSTANCE_TYPE, "m5zn.metal"),
    "subnet_id": (SUBNET_ID, "subnet-0123456789abcdef0"),
}
_TYPES: dict[str, type] = {
    **dict.fromkeys(
        ("name", "account", "region", "description", "instance_type", "image", "cml_version", "subnet_id", "key_name"), str
    ),
    "security_group_ids": list,
    "root_volume_gib": int,
    "nested_virtualization": bool,
    "detailed_monitoring": bool,
    "tags": dict,
}


def _problems_of(item: Mapping[str, Any]) -> list[str]:
    found = [f"{name} is not known; use {', '.join(_TYPES)}" for name in item if name not in _TYPES]
    found += [
        f"{name} must be a {kind.__name__}" for name, kind in _TYPES.items() if name in item and type(item[name]) is not kind
    ]
    if found:
        return found
    if not item.get("name"):
        found.append("it has no name")
    for name, (pattern, example) in _FORMATS.items():
        if item.get(name) and not pattern.fullmatch(item[name]):
            found.append(f"{name} is {item[name]!r}; an example is {example}")
    return found + _value_problems(item)


def _value_problems(item: Mapping[str, Any]) -> list[str]:
    found = []
    image = item.get("image", "")
    if image and not IMAGE_ID.fullmatch(image) and (problem := image_name_problem(image)):
        found.append(f"image: {problem.rstrip('.')}")
    for group in item.get("security_group_ids", []):
        if not isinstance(group, str) or not SECURITY_GROUP_ID.fullmatch(group):
            found.append(f"security_group_ids holds {group!r}; an example is sg-0123456789abcdef0")
    low, high = ROOT_VOLUME_GIB
    if not low <= item.get("root_volume_gib", low) <= high:
        found.append(f"root_volume_gib must be {low} to {high}")
    try:
        tags_of_lines("\n".join(f"{key}={value}" for key, value in item.get("tags", {}).items()))
    except ValueError as error:
        found.append(f"tags: {str(error).rstrip('.')}")
    return found
