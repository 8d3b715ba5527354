"""What AWS answers, as plain values."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One EC2 instance, as DescribeInstances tells it. Text that EC2 does not give is ""."""

    instance_id: str
    region: str
    account_id: str = ""  # whose it is
    state: str  # pending running shutting-down terminated stopping stopped
    state_reason: str  # why it is in this state, EC2's words
    instance_type: str
    image_id: str
    zone: str
    private_address: str
    public_address: str
    launched_at: datetime | None  # the latest start, aware UTC
    detailed_monitoring: bool
    tags: dict[str, str]

    @property
    def name(self) -> str:
        """The value of its tag `Name`, or ""."""
        return self.tags.get("Name", "")


class StateChange(NamedTuple):
    """EC2's states of an instance before a request and just after it; the same twice where there was nothing to do."""

    previous: str
    current: str


@dataclass(frozen=True, kw_only=True)
class StatusChecks:
    """EC2's two checks of a running instance: each ok, impaired, initializing, insufficient-data or not-applicable."""

    instance_id: str
    system: str
    instance: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """One AMI. `created_at` is aware UTC; `root_device_name` is what `AwsClient.run_instance` wants, such as "/dev/sda1"."""

    image_id: str
    name: str
    description: str
    created_at: datetime | None
    owner_id: str  # an account
    state: str  # pending available invalid deregistered transient failed error disabled; only available ones can be launched
    root_device_name: str


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What CloudWatch measured of an instance in the period that begins `at` (aware UTC). What it does not tell, or not yet, is None."""

    at: datetime
    cpu: float | None = None  # mean, percent (0 to 100)
    network_in: float | None = None  # bytes per second, on all its interfaces
    network_out: float | None = None
    checks_failed: float | None = None  # 1 when a status check failed in any minute of the period, else 0


def instance_of(item: dict[str, Any], region: str, account_id: str = "") -> Instance:
    """The instance for an element of the Instances of a reservation, whose OwnerId is the account."""
    return Instance(
        instance_id=item["InstanceId"],
        region=region,
        account_id=account_id,
        state=item.get("State", {}).get("Name", ""),
        state_reason=item.get("StateReason", {}).get("Message") or item.get("StateTransitionReason") or "",
        instance_type=item.get("InstanceType", ""),
        image_id=item.get("ImageId", ""),
        zone=item.get("Placement", {}).get("AvailabilityZone", ""),
        private_address=item.get("PrivateIpAddress", ""),
        public_address=item.get("PublicIpAddress", ""),
        launched_at=utc(item["LaunchTime"]) if item.get("LaunchTime") else None,
        detailed_monitoring=item.get("Monitoring", {}).get("State") in ("enabled", "pending"),
        tags={tag["Key"]: tag.get("Value", "") for tag in item.get("Tags") or []},
    )


def status_checks_of(item: dict[str, Any]) -> StatusChecks:
    """The checks for an element of DescribeInstanceStatus' InstanceStatuses."""
    system, instance = (item.get(kind, {}).get("Status", "") for kind in ("SystemStatus", "InstanceStatus"))
    return StatusChecks(instance_id=item["InstanceId"], system=system, instance=instance)


def image_of(item: dict[str, Any]) -> Image:
    """The image for an element of DescribeImages' Images."""
    return Image(
        image_id=item["ImageId"],
        name=item.get("Name", ""),
        description=item.get("Description", ""),
        created_at=_moment(item.get("CreationDate")),
        owner_id=item.get("OwnerId", ""),
        state=item.get("State", ""),
        root_device_name=item.get("RootDeviceName", ""),
    )


def state_changes_of(items: list[dict[str, Any]]) -> dict[str, StateChange]:
    """Instance id → change, for an InstanceStateChangeList of EC2."""
    return {
        item["InstanceId"]: StateChange(
            item.get("PreviousState", {}).get("Name", ""), item.get("CurrentState", {}).get("Name", "")
        )
        for item in items
    }


def utc(moment: datetime) -> datetime:
    """An aware time in UTC."""
    return moment.astimezone(UTC)


def _moment(text: str | None) -> datetime | None:
    """EC2's "2026-02-12T09:30:00.000Z", or None for anything that is no date."""
    with contextlib.suppress(TypeError, ValueError):
        return utc(datetime.fromisoformat(text or ""))
    return None
