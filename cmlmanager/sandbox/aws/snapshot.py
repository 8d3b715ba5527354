"""What the simulated AWS keeps on disk: images, instances and launch tokens of every region, as one JSON file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.instances import Instance, MetadataOptions, StateReason
from moto.ec2.utils import parse_user_data

from cmlmanager.sandbox.aws.account import Account, epoch_of, moto_time, set_private_address
from cmlmanager.sandbox.aws.launches import Launches
from cmlmanager.sandbox.aws.states import Timeline
from cmlmanager.sandbox.fleet import ACCOUNT_ID

_VERSION = 1
_PLAIN = (
    "image_id",
    "instance_type",
    "key_name",
    "monitoring_state",
    "disable_api_termination",
    "disable_api_stop",
    "cpu_options",
    "instance_initiated_shutdown_behavior",
    "ebs_optimized",
    "client_token",
    "ami_launch_index",
    "lifecycle",
)
_IMAGE = (
    "name",
    "description",
    "state",
    "architecture",
    "virtualization_type",
    "root_device_name",
    "owner_id",
    "image_location",
)


class Snapshot:
    """The file in `directory`; what is unchanged is not written again."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "aws.json"
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, account: Account, launches: Launches, *, patience: float = 0.2) -> None:
        """Write the state as it is now, replacing the file in one step; not at all while the account is locked for so many seconds."""
        if not account.lock.acquire(timeout=patience):
            return  # a long RunInstances holds it; it stays marked as changed
        try:
            account.changed.clear()
            state = _state(account, launches)
        finally:
            account.lock.release()
        written = self.path.with_suffix(".tmp")
        # User data may hold passwords.
        with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.path)

    def load(self, account: Account, launches: Launches) -> None:
        """Put what the file says into moto; without a file nothing. Raises ValueError for a file that is not ours."""
        if not self.path.exists():
            return
        try:
            state = json.loads(self.path.read_text())
            known = state.get("version") == _VERSION
        except (ValueError, AttributeError):
            known = False
        if not known:
            raise ValueError(f"{self.path} cannot be read by this version: delete it to start with an empty AWS.")
        for region, content in state["regions"].items():
            for image in content["images"]:
                restore_image(account.backend(region), **image)
            for reservation in content["reservations"]:
                _restore_reservation(account, region, reservation)
            launches.tokens[region] = content["tokens"]
        account.addresses_given = state["addresses_given"]


def _state(account: Account, launches: Launches) -> dict[str, Any]:
    regions = {}
    for region, backend in list(ec2_backends[ACCOUNT_ID].items()):
        launches.forget_gone(region, backend.reservations)
        reservations = [
            {"id": reservation.id, "instances": [_of_instance(account, instance) for instance in reservation.instances]}
            for reservation in backend.reservations.values()
        ]
        images = [_of_image(image) for image in backend.amis.values()]
        regions[region] = {"images": images, "reservations": reservations, "tokens": launches.tokens[region]}
    return {"version": _VERSION, "addresses_given": account.addresses_given, "regions": regions}


def _of_image(image: Ami) -> dict[str, Any]:
    kept = {name: getattr(image, name) for name in _IMAGE}
    return {
        "image_id": image.id,
        "created_at": epoch_of(image.creation_date),
        "tags": image.ec2_backend.tags.get(image.id, {}),
        **kept,
    }


def restore_image(backend: Any, *, image_id: str, created_at: float, tags: dict[str, str], **kept: Any) -> None:
    """Register an AMI under a given id."""
    image = Ami(backend, image_id, creation_date=moto_time(created_at), region_name=f"{backend.region_name}a", **kept)
    image.add_tags(tags)
    backend.amis[image_id] = image


def _of_instance(account: Account, instance: Instance) -> dict[str, Any]:
    nic = instance.nics[0]
    return {
        "id": instance.id,
        "state": instance.state,
        "reason": instance._reason,
        "state_reason": [instance.state_reason.message, instance.state_reason.code],
        "zone": instance.placement.zone,
        "launched_at": epoch_of(instance.launch_time),
        "public_address": nic.public_ip,
        "private_address": nic.private_ip_address,
        "groups": [group.name for group in instance.security_groups],
        "user_data": None if instance.user_data is None else str(instance.user_data),
        "metadata_options": vars(instance.metadata_options),
        "tags": instance.ec2_backend.tags.get(instance.id, {}),
        "timeline": asdict(account.timelines[instance.id]),
        "plain": {name: getattr(instance, name) for name in _PLAIN},
    }


def _restore_reservation(account: Account, region: str, kept: dict[str, Any]) -> None:
    backend = account.backend(region)
    known_groups = {group.name for groups in backend.groups.values() for group in groups.values()}
    for position, item in enumerate(kept["instances"]):
        reservation = backend.run_instances(
            item["plain"]["image_id"],
            1,
            None,
            [name for name in item["groups"] if name in known_groups],
            instance_type=item["plain"]["instance_type"],
            is_instance_type_default=False,
            region_name=region,
            placement=item["zone"],
            tags={"instance": item["tags"]},
        )
        instance = reservation.instances[0]
        _restore_instance(account, instance, item)
        del backend.reservations[reservation.id]
        if position == 0:
            reservation.id = kept["id"]
            backend.reservations[kept["id"]] = reservation
        else:
            backend.reservations[kept["id"]].instances.append(instance)


def _restore_instance(account: Account, instance: Instance, item: dict[str, Any]) -> None:
    account.adopt(instance, instance_id=item["id"], timeline=Timeline(**item["timeline"]), state=item["state"])
    for name, value in item["plain"].items():
        setattr(instance, name, value)
    instance.user_data = parse_user_data(item["user_data"])
    instance._reason = item["reason"]
    instance.state_reason = StateReason(*item["state_reason"])
    instance.launch_time = moto_time(item["launched_at"])
    instance.metadata_options = MetadataOptions()
    vars(instance.metadata_options).update(item["metadata_options"])
    set_private_address(instance, item["private_address"])
    instance.nics[0].public_ip = item["public_address"]
    if item["state"] == "terminated":
        instance.teardown_defaults()
