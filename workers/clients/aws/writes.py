"""What the portal changes: launching, starting, stopping and terminating instances, their tags and their monitoring.

Every request may be repeated, by botocore's retries, by an operation that is tried again or by a second worker: RunInstances launches
once for a ClientToken, and all others name the state that they want, in which case EC2 answers the same and does nothing.
Where one request takes several ids, EC2 refuses all of them for one that it does not know or that may not (for a protected one:
all in its zone); ask again one by one to learn which. No ids cost no request. EC2 takes at most 1,000 ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from workers.clients.aws.answers import Instance, StateChange, instance_of, state_changes_of
from workers.clients.aws.connection import Connection
from workers.clients.aws.errors import AwsInvalidImage


class Writes(Connection):
    """The requests that change something."""

    def run_instance(
        self,
        *,
        image_id: str,
        instance_type: str,
        client_token: str,
        tags: Mapping[str, str],
        subnet_id: str = "",
        security_group_ids: Sequence[str] = (),
        key_name: str = "",
        root_volume_gib: int | None = None,
        root_device_name: str = "",
        require_imds_v2: bool = True,
        detailed_monitoring: bool = False,
        nested_virtualization: bool = False,
        dry_run: bool = False,
    ) -> Instance:
        """Launch one instance; with a `client_token` that was used before, the instance that it launched, as it is now.

        `client_token` is at most 64 ASCII characters, such as an operation's UUID; EC2 remembers it for at least 24 hours. The
        tags are on the instance and on its volumes from the beginning. A shutdown inside the machine stops it. `root_volume_gib`
        resizes the root volume (gp3, deleted with the instance) and needs the image's `root_device_name`; None leaves the image's size.
        `nested_virtualization` is for the instance types that have it (C8i, M8i, R8i); bare metal needs none. With `dry_run` nothing is
        launched: AwsWouldSucceed is raised instead of an answer.

        EC2 API reference, RunInstances. Raises AwsError: AwsNoCapacity, AwsLimitReached, AwsInvalidImage, AwsNotFound (subnet,
        security group, key pair) and AwsRejected (other parameters than the token's first request) among them.
        """
        arguments: dict[str, Any] = {
            "ImageId": image_id,
            "InstanceType": instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": client_token,
            "InstanceInitiatedShutdownBehavior": "stop",
            "MetadataOptions": {"HttpTokens": "required" if require_imds_v2 else "optional"},
            "Monitoring": {"Enabled": detailed_monitoring},
        }
        if tags:
            kinds = ("instance", "volume")
            arguments["TagSpecifications"] = [{"ResourceType": kind, "Tags": _tag_list(tags)} for kind in kinds]
        if root_volume_gib is not None:
            arguments["BlockDeviceMappings"] = [_root_volume(image_id, root_device_name, root_volume_gib)]
        if nested_virtualization:
            arguments["CpuOptions"] = {"NestedVirtualization": "enabled"}
        # EC2 takes an empty text for a wrong id.
        given = {"SubnetId": subnet_id, "SecurityGroupIds": list(security_group_ids), "KeyName": key_name, "DryRun": dry_run}
        arguments |= {name: value for name, value in given.items() if value}
        reservation = self._call("ec2", "RunInstances", **arguments)
        return instance_of(reservation["Instances"][0], self.region, reservation.get("OwnerId", ""))

    def start_instances(self, instance_ids: Collection[str]) -> dict[str, StateChange]:
        """Instance id → its state before and now; starting what runs or starts already changes nothing.

        A stopped instance comes back with another public address unless it has an Elastic IP: read it again.
        EC2 API reference, StartInstances. Raises AwsError: AwsWrongState, AwsNoCapacity, AwsLimitReached, AwsNotFound among them.
        """
        return self._change_states("StartInstances", "StartingInstances", instance_ids)

    def stop_instances(self, instance_ids: Collection[str]) -> dict[str, StateChange]:
        """Instance id → its state before and now; stopping what is stopped or stops already changes nothing.

        EC2 API reference, StopInstances. Raises AwsError: AwsWrongState, AwsProtected, AwsNotFound among them.
        """
        return self._change_states("StopInstances", "StoppingInstances", instance_ids)

    def terminate_instances(self, instance_ids: Collection[str]) -> dict[str, StateChange]:
        """Instance id → its state before and now; terminating what is terminated changes nothing while EC2 remembers it.

        EC2 API reference, TerminateInstances. Raises AwsError: AwsProtected, AwsNotFound among them.
        """
        return self._change_states("TerminateInstances", "TerminatingInstances", instance_ids)

    def _change_states(self, action: str, key: str, instance_ids: Collection[str]) -> dict[str, StateChange]:
        if not instance_ids:
            return {}
        return state_changes_of(self._call("ec2", action, InstanceIds=list(dict.fromkeys(instance_ids)))[key])

    def create_tags(self, instance_ids: Collection[str], tags: Mapping[str, str]) -> None:
        """Set these tags on each instance and leave its others as they are.

        EC2 API reference, CreateTags. Raises AwsError: AwsRejected for more than 50 tags or a reserved key, AwsNotFound.
        """
        if instance_ids and tags:
            self._call("ec2", "CreateTags", Resources=list(instance_ids), Tags=_tag_list(tags))

    def delete_tags(self, instance_ids: Collection[str], keys: Collection[str]) -> None:
        """Remove the tags with these keys, whatever their values; keys that an instance does not have are no error.

        EC2 API reference, DeleteTags. Raises AwsError, AwsNotFound among them.
        """
        # Without Tags, EC2 would delete all of them; and with an empty Value only tags whose value is empty.
        if instance_ids and keys:
            self._call("ec2", "DeleteTags", Resources=list(instance_ids), Tags=[{"Key": key} for key in keys])

    def monitor_instances(self, instance_ids: Collection[str]) -> None:
        """Switch detailed monitoring on: a datapoint a minute, for a price. EC2 API reference, MonitorInstances. Raises AwsError."""
        if instance_ids:
            self._call("ec2", "MonitorInstances", InstanceIds=list(instance_ids))

    def unmonitor_instances(self, instance_ids: Collection[str]) -> None:
        """Back to a datapoint every five minutes, without a price. EC2 API reference, UnmonitorInstances. Raises AwsError."""
        if instance_ids:
            self._call("ec2", "UnmonitorInstances", InstanceIds=list(instance_ids))


def _root_volume(image_id: str, device_name: str, size_gib: int) -> dict[str, Any]:
    if not device_name:
        # Under a wrong name EC2 would attach a second, empty volume of that size.
        raise AwsInvalidImage(
            f"The AMI {image_id} does not say which device its root volume is, so the volume's size cannot be set:"
            " leave the size empty or choose another AMI.",
            f"RunInstances: not sent: {image_id} has no RootDeviceName",
        )
    return {"DeviceName": device_name, "Ebs": {"VolumeSize": size_gib, "VolumeType": "gp3", "DeleteOnTermination": True}}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
