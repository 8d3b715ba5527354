"""What the portal reads: instances, status checks, images, and attributes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from workers.clients.aws.answers import Image, Instance, StatusChecks, image_of, instance_of, status_checks_of
from workers.clients.aws.connection import Connection

FILTER_VALUES = 200  # the most that one EC2 request may filter by
_WILDCARDS = re.compile(r"[*?\\]")


class Reads(Connection):
    """The requests that change nothing."""

    def describe_instances(self) -> list[Instance]:
        """Every instance of the region, terminated ones too while EC2 remembers them. Raises AwsError.

        Always with MaxResults: EC2 gives unfiltered calls without it a token bucket half as large (request throttling).
        """
        return self._instances()

    def find_instances(self, instance_ids: Collection[str]) -> list[Instance]:
        """Those of the instances that EC2 knows; unknown ids are simply absent. Raises AwsError.

        By filter: with the parameter InstanceIds a single unknown id would fail the whole call.
        """
        filters = [[{"Name": "instance-id", "Values": chunk}] for chunk in _chunks(instance_ids, FILTER_VALUES)]
        return [instance for chosen in filters for instance in self._instances(Filters=chosen)]

    def find_by_tag(self, key: str, value: str | None = None) -> list[Instance]:
        """The instances with exactly this tag, or with the key and any value; in every state, terminated too. Raises AwsError.

        EC2 API reference, DescribeInstances, filters `tag:<key>` and `tag-key`. Just after RunInstances an instance may not be
        among them yet (eventual consistency).
        """
        if value is None:
            return self._instances(Filters=[{"Name": "tag-key", "Values": [_literal(key)]}])
        return self._instances(Filters=[{"Name": f"tag:{key}", "Values": [_literal(value)]}])

    def find_by_image(self, *, image_ids: Collection[str]) -> list[Instance]:
        """The instances launched from any of the AMIs, in every state. Raises AwsError.

        EC2 API reference, DescribeInstances, filter `image-id`.
        """
        filters = [[{"Name": "image-id", "Values": chunk}] for chunk in _chunks(image_ids, FILTER_VALUES)]
        return [instance for chosen in filters for instance in self._instances(Filters=chosen)]

    def _instances(self, **arguments: Any) -> list[Instance]:
        reservations = self._pages("ec2", "DescribeInstances", "Reservations", MaxResults=self._page_size, **arguments)
        return [
            instance_of(item, self.region, reservation.get("OwnerId", ""))
            for reservation in reservations
            for item in reservation.get("Instances", [])
        ]

    def describe_status_checks(self) -> dict[str, StatusChecks]:
        """Instance id → status checks, of every running instance of the region. Raises AwsError."""
        statuses = self._pages("ec2", "DescribeInstanceStatus", "InstanceStatuses", MaxResults=self._page_size)
        return {item["InstanceId"]: status_checks_of(item) for item in statuses}

    def describe_images(self, image_ids: Collection[str]) -> dict[str, Image]:
        """AMI id → image, deprecated ones too. Those that are gone or not shared with us are simply absent. Raises AwsError."""
        images: dict[str, Image] = {}
        for chunk in _chunks(image_ids, FILTER_VALUES):
            wanted = [{"Name": "image-id", "Values": chunk}]
            options = {"MaxResults": self._page_size, "IncludeDeprecated": True, "Filters": wanted}
            images |= {item["ImageId"]: image_of(item) for item in self._pages("ec2", "DescribeImages", "Images", **options)}
        return images

    def find_images(self, name_pattern: str, *, owners: Sequence[str] = (), include_deprecated: bool = False) -> list[Image]:
        """The AMIs whose name matches, newest first, in every state; `*` and `?` are wildcards. Raises AwsError.

        `owners` are account ids, "self", "amazon" or "aws-marketplace". Without any, public AMIs of everybody match: do not launch
        what a pattern found without saying whose it may be. EC2 API reference, DescribeImages, filter `name`.
        """
        options: dict[str, Any] = {"MaxResults": self._page_size, "IncludeDeprecated": include_deprecated}
        if owners:
            options["Owners"] = list(owners)
        items = self._pages("ec2", "DescribeImages", "Images", Filters=[{"Name": "name", "Values": [name_pattern]}], **options)
        never = datetime.min.replace(tzinfo=UTC)
        return sorted(map(image_of, items), key=lambda image: (image.created_at or never, image.image_id), reverse=True)

    def termination_protection(self, instance_id: str) -> bool:
        """Whether EC2 would refuse to terminate the instance by API. Raises AwsError, AwsNotFound for one that EC2 does not know.

        EC2 API reference, DescribeInstanceAttribute, disableApiTermination.
        """
        answer = self._call("ec2", "DescribeInstanceAttribute", InstanceId=instance_id, Attribute="disableApiTermination")
        return bool(answer.get("DisableApiTermination", {}).get("Value"))


def _literal(text: str) -> str:
    """A filter value that matches this text only (EC2 User Guide, list and filter your resources)."""
    return _WILDCARDS.sub(r"\\\g<0>", text)


def _chunks(items: Collection[str], size: int) -> Iterator[list[str]]:
    """The items without repetitions, `size` at a time."""
    unique = list(dict.fromkeys(items))
    return (unique[start : start + size] for start in range(0, len(unique), size))
