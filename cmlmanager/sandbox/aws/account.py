"""The simulated account: moto's instances with the lifecycle, the addresses and the times that moto does not give them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from moto.ec2.exceptions import EC2ClientError, OperationDisableApiStopNotPermitted, OperationNotPermitted4
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance, InstanceState, StateReason

from cmlmanager.sandbox.aws.states import CODES, FORGOTTEN_AFTER, SETTLES_TO, START, STOP, TERMINATE, Delays, Timeline
from cmlmanager.sandbox.fleet import ACCOUNT_ID, FLEET, DemoWorker

DEMO_TAG = "cml-manager:demo"
_DEMO = {worker.name: worker for worker in FLEET}
_HOSTS = 250  # addresses used of each /24, from .1 on
_ADDRESSES = 250 * _HOSTS

Changed = list[tuple[Instance, InstanceState]]


class Account:
    """Every instance of every region. Hold `lock` to change anything; reading needs none."""

    def __init__(self, delays: Delays) -> None:
        self.delays = delays
        self.lock = threading.RLock()
        self.changed = threading.Event()  # something is to be kept on disk
        self.instances: dict[str, Instance] = {}
        self.timelines: dict[str, Timeline] = {}
        self.impaired: dict[str, float] = {}  # instance → since when its status checks fail; forgotten at a restart
        self.addresses_given = 0
        self._unsettled: set[str] = set()

    def backend(self, region: str) -> Any:
        """moto's EC2 of a region."""
        return ec2_backends[ACCOUNT_ID][region]

    def launched(self, instance: Instance) -> None:
        """A new instance: pending, with addresses of its own."""
        self.timelines[instance.id] = Timeline(state_since=time.time())
        self.instances[instance.id] = instance
        self.enter(instance, "pending")
        number = self._next_address()
        set_private_address(instance, f"10.20.{number // _HOSTS}.{number % _HOSTS + 1}")
        if instance.public_ip:  # not when it was asked for without one
            self._give_public_address(instance)

    def adopt(self, instance: Instance, *, instance_id: str, timeline: Timeline, state: str) -> None:
        """Let an instance that was just launched be one that is known from before."""
        del self.instances[instance.id], self.timelines[instance.id]
        self._unsettled.discard(instance.id)
        instance.ec2_backend.tags[instance_id] = instance.ec2_backend.tags.pop(instance.id, {})
        instance.id = instance_id
        set_state(instance, state)
        self.instances[instance_id], self.timelines[instance_id] = instance, timeline
        if timeline.settles_at is not None:
            self._unsettled.add(instance_id)
        self.changed.set()

    def start(self, instances: Iterable[Instance]) -> Changed:
        """Start stopped ones. Raises IncorrectInstanceState, and changes nothing, when any may not be started."""
        return self._act(instances, START, "started", self._begin_start)

    def stop(self, instances: Iterable[Instance]) -> Changed:
        """Stop running ones. Raises IncorrectInstanceState, and changes nothing, when any may not be stopped."""
        chosen = list(instances)
        for instance in chosen:
            if str(instance.disable_api_stop).lower() == "true":
                raise OperationDisableApiStopNotPermitted(instance.id)
        return self._act(chosen, STOP, "stopped", _note_user)

    def terminate(self, instances: Iterable[Instance]) -> Changed:
        """Terminate instances; none when one of them is protected."""
        chosen = list(instances)
        for instance in chosen:
            if str(instance.disable_api_termination).lower() == "true":
                raise OperationNotPermitted4(instance.id)
        return self._act(chosen, TERMINATE, "terminated", _note_user)

    def reboot(self, instances: Iterable[Instance]) -> Changed:
        """Nothing that EC2 shows changes. Raises IncorrectInstanceState when any does not run."""
        return self._act(instances, {"running": "running"}, "rebooted", lambda _: None)

    def _act(
        self, instances: Iterable[Instance], rule: dict[str, str], done: str, begin: Callable[[Instance], None]
    ) -> Changed:
        with self.lock:
            chosen = list({instance.id: instance for instance in instances}.values())
            for instance in chosen:
                if instance.state not in rule:
                    said = f"The instance '{instance.id}' is not in a state from which it can be {done}."
                    raise EC2ClientError("IncorrectInstanceState", said)
            changes: Changed = []
            for instance in chosen:
                before = InstanceState(instance.state, instance.state_code)
                if rule[before.name] != before.name:
                    begin(instance)
                    self.enter(instance, rule[before.name])
                changes.append((instance, before))
            return changes

    def _begin_start(self, instance: Instance) -> None:
        instance._reason, instance.state_reason = "", StateReason()
        instance.launch_time = moto_time(time.time())
        self._give_public_address(instance)

    def enter(self, instance: Instance, state: str) -> None:
        """Put an instance into a state, from which it goes on by itself when it is a transitional one."""
        now = time.time()
        set_state(instance, state)
        settles_at = now + self.delays.of(state) if state in SETTLES_TO else None
        self.timelines[instance.id].enter(state, now=now, settles_at=settles_at)
        if settles_at is None:
            self._unsettled.discard(instance.id)
        else:
            self._unsettled.add(instance.id)
        if state in ("stopped", "terminated"):
            _release(instance, state)
        self.changed.set()

    def settle(self) -> None:
        """Finish the transitions whose time has come, and forget what EC2 would. Called before every answer and by the clock."""
        if not self.lock.acquire(blocking=False):
            return  # a long RunInstances holds it; the next call will do
        try:
            now = time.time()
            for instance_id in list(self._unsettled):
                instance, settles_at = self.instances[instance_id], self.timelines[instance_id].settles_at
                if settles_at is not None and settles_at <= now:
                    self.enter(instance, SETTLES_TO[instance.state])
            for instance in [i for i in self.instances.values() if i.state == "terminated"]:
                if now - self.timelines[instance.id].state_since > FORGOTTEN_AFTER:
                    self.forget(instance.id)
        finally:
            self.lock.release()

    def forget(self, instance_id: str) -> bool:
        """Let EC2 no longer know the instance; False when it never did."""
        with self.lock:
            instance = self.instances.pop(instance_id, None)
            if instance is None:
                return False
            del self.timelines[instance_id]
            self._unsettled.discard(instance_id)
            backend = instance.ec2_backend
            backend.tags.pop(instance_id, None)
            for reservation in list(backend.reservations.values()):
                if instance in reservation.instances:
                    reservation.instances = [other for other in reservation.instances if other is not instance]
                    if not reservation.instances:
                        del backend.reservations[reservation.id]
            self.changed.set()
            return True

    def impair(self, instance_id: str) -> bool:
        """Let the instance's status checks fail from now on; False when there is none."""
        if instance_id in self.instances:
            self.impaired[instance_id] = time.time()
        return instance_id in self.instances

    def demo_of(self, instance: Instance) -> DemoWorker | None:
        """The worker of the demo fleet that it is."""
        tags = instance.ec2_backend.tags.get(instance.id, {})
        return _DEMO.get(tags.get("Name", "")) if DEMO_TAG in tags else None

    def checks_of(self, instance: Instance) -> str:
        """The state of its status checks."""
        if instance.state != "running":
            return "not-applicable"
        if instance.id in self.impaired:
            return "impaired"
        young = time.time() - self.timelines[instance.id].state_since < self.delays.checks
        return "initializing" if young else "ok"

    def _give_public_address(self, instance: Instance) -> None:
        # All of 127/8 is this machine, so that a simulated CML server can listen at the very address that EC2 tells.
        number = self._next_address()
        nic = instance.nics[0]
        if nic.public_ip_auto_assign or not nic.public_ip:
            nic.public_ip = f"127.77.{number // _HOSTS}.{number % _HOSTS + 1}"

    def _next_address(self) -> int:
        self.addresses_given += 1
        return self.addresses_given % _ADDRESSES


def set_state(instance: Instance, state: str) -> None:
    """Set what moto tells of the instance's state."""
    instance._state = InstanceState(state, CODES[state])


def set_private_address(instance: Instance, address: str) -> None:
    """Set an instance's private address; "" for none."""
    nic = instance.nics[0]
    nic.private_ip_address = address
    nic.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]


def moto_time(epoch: float) -> datetime:
    """A time as moto keeps it: naive, UTC, to the second as EC2 shows it."""
    return datetime.fromtimestamp(int(epoch), tz=UTC).replace(tzinfo=None)


def epoch_of(moment: datetime) -> float:
    """Epoch seconds of a time, naive ones being UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _note_user(instance: Instance) -> None:
    instance._reason = f"User initiated ({datetime.now(UTC):%Y-%m-%d %H:%M:%S} GMT)"
    instance.state_reason = StateReason("Client.UserInitiatedShutdown: User initiated shutdown", "Client.UserInitiatedShutdown")


def _release(instance: Instance, state: str) -> None:
    """A stopped instance has no public address, a terminated one no address and no volumes."""
    nic = instance.nics[0]
    if nic.public_ip_auto_assign or state == "terminated":
        nic.public_ip = None
    if state == "terminated":
        set_private_address(instance, "")
        instance.teardown_defaults()
