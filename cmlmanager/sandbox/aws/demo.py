"""The demo fleet in the simulated AWS: its AMIs, its instances in the states that they show first, and machines that the portal does not have.

Only the fleet's own instances carry DEMO_TAG, by which the portal's rows are seeded.
"""

from __future__ import annotations

import time
import zlib
from typing import Any

from moto.ec2.models.instances import Instance, StateReason

from cmlmanager.sandbox.aws.account import DEMO_TAG, Account, moto_time
from cmlmanager.sandbox.aws.snapshot import restore_image
from cmlmanager.sandbox.aws.states import SETTLES_TO
from cmlmanager.sandbox.fleet import ACCOUNT_ID, FLEET, IMAGE_NAME, REGIONS, DemoWorker

_HOUR = 3600.0
_UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260115"
# Instances of the same account that are none of the portal's business: name, region, type.
_UNRELATED = (("bastion", "us-east-1", "t3.micro"), ("gitlab-runner", "eu-central-1", "m6i.large"))
_PROTECTED = "sp-core-research"  # of the fleet: EC2 refuses to terminate it
# CML machines without a row in the portal: name, region, state, tags beside Name. One carries the portal's own tag, as if its row had
# been lost; the others can be imported.
_STRAYS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("forgotten-by-a-script", "us-west-2", "running", {"cml-manager:worker": "5f0c2d9e-8a41-4c57-9b1e-3d6a7c20e9b4"}),
    ("import-me-1", "eu-central-1", "running", {"Team": "training"}),
    ("import-me-2", "eu-central-1", "stopped", {"Team": "training"}),
)
_BOOTED = 15 * 60.0  # seconds since when the demo's running instances run, at least: their status checks are over


def seed(account: Account) -> None:
    """Make the fleet. For an account with nothing in it."""
    now = time.time()
    names = {IMAGE_NAME, _UBUNTU} | {image_name(worker.version) for worker in FLEET}
    for region in REGIONS:
        for name in sorted(names):
            description = f"Cisco Modeling Labs, {name}" if name != _UBUNTU else "Canonical, Ubuntu, 24.04 LTS"
            restore_image(
                account.backend(region),
                image_id=image_id(region, name),
                name=name,
                description=description,
                created_at=now - 60 * 24 * _HOUR,
                tags={},
                state="available",
                architecture="x86_64",
                virtualization_type="hvm",
                owner_id=ACCOUNT_ID,
            )
    for number, worker in enumerate(FLEET):
        _make(account, worker, zone=worker.region + "ab"[number % 2], now=now)
    for name, region, instance_type in _UNRELATED:
        tags = {"Name": name, "Team": "platform"}
        instance = _launch(account, zone=f"{region}a", image=_UBUNTU, instance_type=instance_type, tags=tags)
        _begin(account, instance, "running", since=now - 500 * _HOUR)
    for name, region, state, tags in _STRAYS:
        stray = _launch(account, zone=f"{region}a", image=IMAGE_NAME, instance_type="m5zn.metal", tags={"Name": name, **tags})
        _begin(account, stray, "running", since=now - 50 * _HOUR)
        if state != "running":
            _end(account, stray, state, now=now)
            stray.launch_time = moto_time(now - 50 * _HOUR)


def image_name(version: str) -> str:
    """The AMI of a CML version: "2.9.1+build.7" → IMAGE_NAME."""
    return f"cisco-cml{version.replace('+build.', '-build')}-golden"


def image_id(region: str, name: str) -> str:
    """The id that an AMI has in every sandbox."""
    return f"ami-0{zlib.crc32(region.encode()):08x}{zlib.crc32(name.encode()):08x}"


def _make(account: Account, worker: DemoWorker, *, zone: str, now: float) -> None:
    tags = {"Name": worker.name, DEMO_TAG: "1", **worker.tags}
    image = image_name(worker.version)
    instance = _launch(account, zone=zone, image=image, instance_type=worker.instance_type, tags=tags)
    instance.disable_api_termination = worker.name == _PROTECTED
    launched = now - worker.launched_hours_ago * _HOUR
    if worker.state == "pending":
        account.enter(instance, "pending")
    else:
        _begin(account, instance, "running", since=min(launched, now - _BOOTED))
        if worker.state != "running":
            _end(account, instance, worker.state, now=now)
    instance.launch_time = moto_time(launched)
    if worker.state in SETTLES_TO:
        account.timelines[instance.id].settles_at = now + worker.settles_after


def _launch(account: Account, *, zone: str, image: str, instance_type: str, tags: dict[str, str]) -> Instance:
    region = zone[:-1]
    reservation: Any = account.backend(region).run_instances(
        image_id(region, image),
        1,
        None,
        ["default"],
        instance_type=instance_type,
        is_instance_type_default=False,
        region_name=region,
        placement=zone,
        tags={"instance": tags},
    )
    instance: Instance = reservation.instances[0]
    return instance


def _begin(account: Account, instance: Instance, state: str, *, since: float) -> None:
    """Let the instance run since a time in the past."""
    account.enter(instance, state)
    timeline = account.timelines[instance.id]
    timeline.state_since, timeline.runs = since, [[since, None]]
    instance.launch_time = moto_time(since)


def _end(account: Account, instance: Instance, state: str, *, now: float) -> None:
    """Take a running instance out of service: a stopped one since two hours, any other just now."""
    account.enter(instance, state)
    timeline = account.timelines[instance.id]
    since = now - 2 * _HOUR if state == "stopped" else now
    timeline.state_since, timeline.runs[-1][1] = since, since
    said = "Client.UserInitiatedShutdown: User initiated shutdown"
    instance._reason = f"User initiated ({moto_time(since):%Y-%m-%d %H:%M:%S} GMT)"
    instance.state_reason = StateReason(said, "Client.UserInitiatedShutdown")
