"""EC2 in memory, as far as a machine's life needs it: what AwsClient's methods answer, which states allow what, and bad days."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from workers.clients import aws

# What follows by itself. Source: EC2 User Guide, "Amazon EC2 instance state changes".
NEXT = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}
GONE = ("shutting-down", "terminated")


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing that catches errors sees it."""


@dataclass
class Machine:
    """One instance."""

    state: str
    tags: dict[str, str] = field(default_factory=dict)
    monitored: bool = False
    protected: bool = False


@dataclass
class FakeEc2:
    """A region's instances by id. `weather` is what every call fails with; `wrong` collects what must never be asked of EC2."""

    region: str
    machines: dict[str, Machine] = field(default_factory=dict)
    weather: Callable[[], aws.AwsError] | None = None
    no_capacity: bool = False
    wrong: list[str] = field(default_factory=list)
    terminated: set[str] = field(default_factory=set)

    # ── What happens by itself, or by others ──
    def settle(self) -> None:
        """Every change on its way arrives."""
        for machine in self.machines.values():
            machine.state = NEXT.get(machine.state, machine.state)

    def outside(self, instance_id: str, action: str) -> None:
        """Somebody uses the console."""
        machine = self.machines.get(instance_id)
        if machine is None or machine.state in GONE:
            return
        if action == "start" and machine.state == "stopped":
            machine.state = "pending"
        elif action == "stop" and machine.state == "running":
            machine.state = "stopping"
        elif action == "terminate":
            machine.state = "shutting-down"

    def forget(self, instance_id: str) -> None:
        """EC2 does not know it any more."""
        self.machines.pop(instance_id, None)

    # ── What AwsClient offers ──
    def describe_instances(self) -> list[aws.Instance]:
        self._weather()
        return [self._instance(instance_id) for instance_id in self.machines]

    def find_instances(self, instance_ids: Collection[str]) -> list[aws.Instance]:
        self._weather()
        return [self._instance(instance_id) for instance_id in instance_ids if instance_id in self.machines]

    def describe_status_checks(self) -> dict[str, aws.StatusChecks]:
        self._weather()
        return {
            instance_id: aws.StatusChecks(instance_id=instance_id, system="ok", instance="ok")
            for instance_id, machine in self.machines.items()
            if machine.state == "running"
        }

    def describe_images(self, image_ids: Collection[str]) -> dict[str, aws.Image]:
        self._weather()
        return {}

    def termination_protection(self, instance_id: str) -> bool:
        return self._known(instance_id).protected

    def start_instances(self, instance_ids: Collection[str]) -> None:
        for instance_id in instance_ids:
            machine = self._known(instance_id)
            if machine.state in GONE:
                self.wrong.append(f"start of {instance_id}, which is {machine.state}")
            if machine.state not in ("stopped", "pending", "running"):
                raise aws.AwsWrongState(f"{instance_id} is {machine.state}.", "IncorrectInstanceState")
            if self.no_capacity:
                raise aws.AwsNoCapacity("AWS has no machine free.", "InsufficientInstanceCapacity")
            if machine.state == "stopped":
                machine.state = "pending"

    def stop_instances(self, instance_ids: Collection[str]) -> None:
        for instance_id in instance_ids:
            machine = self._known(instance_id)
            if machine.state not in ("running", "stopping", "stopped"):
                raise aws.AwsWrongState(f"{instance_id} is {machine.state}.", "IncorrectInstanceState")
            if machine.state == "running":
                machine.state = "stopping"

    def terminate_instances(self, instance_ids: Collection[str]) -> None:
        for instance_id in instance_ids:
            machine = self._known(instance_id)
            if machine.protected:
                self.wrong.append(f"terminate of {instance_id}, which is protected")
            self.terminated.add(instance_id)
            if machine.state != "terminated":
                machine.state = "shutting-down"

    def create_tags(self, instance_ids: Collection[str], tags: Mapping[str, str]) -> None:
        for instance_id in instance_ids:
            self._known(instance_id).tags.update(tags)

    def delete_tags(self, instance_ids: Collection[str], keys: Collection[str]) -> None:
        for instance_id in instance_ids:
            for key in keys:
                self._known(instance_id).tags.pop(key, None)

    def _weather(self) -> None:
        if self.weather is not None:
            raise self.weather()

    def _known(self, instance_id: str) -> Machine:
        self._weather()
        if instance_id not in self.machines:
            raise aws.AwsNotFound(f"AWS does not know {instance_id}.", "InvalidInstanceID.NotFound")
        return self.machines[instance_id]

    def _instance(self, instance_id: str) -> aws.Instance:
        machine = self.machines[instance_id]
        running = machine.state == "running"
        return aws.Instance(
            instance_id=instance_id,
            region=self.region,
            state=machine.state,
            state_reason="",
            instance_type="m5zn.metal",
            image_id="",
            zone=f"{self.region}a",
            private_address="10.0.0.1",
            public_address="198.51.100.1" if running else "",
            launched_at=None,
            detailed_monitoring=machine.monitored,
            tags=dict(machine.tags),
        )
