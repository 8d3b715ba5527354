"""The simulated AWS when workers are created: what RunInstances keeps and refuses, tags, and what can go wrong after it has worked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process, start_simulated_aws

__all__ = ["simulated_aws", "simulated_aws_process"]

UNKNOWN = "i-0123456789abcdef0"


def error_of(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def described(simulated: SimulatedAws, region: str, instance_id: str) -> dict[str, Any]:
    answer = simulated.client("ec2", region).describe_instances(InstanceIds=[instance_id])
    instance: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return instance


def test_what_a_launch_asked_for_is_kept_over_a_restart(tmp_path: Path) -> None:
    region = "eu-central-1"
    tags = {"Name": "kept", "cml-manager:worker": "5f0c"}
    with start_simulated_aws(tmp_path) as first:
        (instance_id,) = first.launch(
            region,
            tags=tags,
            InstanceType="m8i.8xlarge",
            CpuOptions={"NestedVirtualization": "enabled"},
            MetadataOptions={"HttpTokens": "required"},
            Monitoring={"Enabled": True},
        )
        first.protect(region, instance_id)
    with start_simulated_aws(tmp_path) as second:
        found = described(second, region, instance_id)
        assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == tags
        assert found["CpuOptions"]["NestedVirtualization"] == "enabled"
        assert found["MetadataOptions"]["HttpTokens"] == "required"
        assert found["Monitoring"]["State"] == "enabled"
        code, _ = error_of(second.client("ec2", region).terminate_instances, InstanceIds=[instance_id])
        assert code == "OperationNotPermitted"
        second.protect(region, instance_id, protected=False)
        second.client("ec2", region).terminate_instances(InstanceIds=[instance_id])


def test_protected_instances_are_kept(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", "us-east-1")
    (instance_id,) = simulated_aws.launch("us-east-1")
    simulated_aws.protect("us-east-1", instance_id)
    assert error_of(ec2.terminate_instances, InstanceIds=[instance_id])[0] == "OperationNotPermitted"
    simulated_aws.protect("us-east-1", instance_id, protected=False)
    ec2.terminate_instances(InstanceIds=[instance_id])


def test_the_root_volume_has_the_size_that_was_asked_for(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", "eu-west-1")
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 128, "VolumeType": "gp3", "DeleteOnTermination": True}}
    (instance_id,) = simulated_aws.launch("eu-west-1", BlockDeviceMappings=[disk])
    (volume,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance_id]}])["Volumes"]
    assert (volume["Size"], volume["VolumeType"]) == (128, "gp3")


@pytest.mark.parametrize(
    ("image_id", "code"),
    [
        ("ami-0123456789abcdef0", "InvalidAMIID.NotFound"),
        ("ami-nonsense", "InvalidAMIID.Malformed"),
        ("ubuntu", "InvalidAMIID.Malformed"),
    ],
)
def test_an_image_that_does_not_exist_is_not_launched(simulated_aws: SimulatedAws, image_id: str, code: str) -> None:
    assert error_of(simulated_aws.launch, region="eu-west-2", ImageId=image_id)[0] == code
    assert not [item for item in simulated_aws.instances().values() if item["region"] == "eu-west-2"]


def test_an_image_of_another_region_is_not_launched(simulated_aws: SimulatedAws) -> None:
    image_id = simulated_aws.image("us-east-1", "cisco-cml2.9.1-here")
    assert simulated_aws.launch("us-east-1", ImageId=image_id)
    assert error_of(simulated_aws.launch, region="us-west-2", ImageId=image_id)[0] == "InvalidAMIID.NotFound"


def test_a_region_that_does_not_exist_is_refused(simulated_aws: SimulatedAws) -> None:
    for service, operation in (("ec2", "describe_instances"), ("ec2", "describe_images")):
        assert error_of(getattr(simulated_aws.client(service, "eu-mars-1"), operation))[0] == "OptInRequired"


@pytest.mark.parametrize("operation", ["create_tags", "delete_tags"])
def test_tags_of_an_unknown_instance_are_refused(simulated_aws: SimulatedAws, operation: str) -> None:
    tag = getattr(simulated_aws.client("ec2", "us-east-1"), operation)
    (known,) = simulated_aws.launch("us-east-1")
    code, message = error_of(tag, Resources=[known, UNKNOWN], Tags=[{"Key": "Course", "Value": "ENCOR"}])
    assert (code, UNKNOWN in message) == ("InvalidInstanceID.NotFound", True)
    assert "Tags" not in described(simulated_aws, "us-east-1", known)


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ({"Key": "aws:created", "Value": "x"}, "reserved"),
        ({"Key": "k" * 129, "Value": "x"}, "128"),
        ({"Key": "k", "Value": "x" * 257}, "256"),
        ({"Key": "", "Value": "x"}, "128"),
    ],
)
def test_a_tag_beyond_ec2s_limits_is_refused(simulated_aws: SimulatedAws, tag: dict[str, str], says: str) -> None:
    (instance_id,) = simulated_aws.launch("us-east-1")
    code, message = error_of(simulated_aws.client("ec2", "us-east-1").create_tags, Resources=[instance_id], Tags=[tag])
    assert code == "InvalidParameterValue"
    assert says in message


def test_an_answer_can_be_kept_back_after_the_work_is_done(simulated_aws: SimulatedAws) -> None:
    region = "ap-south-1"
    patience = Config(read_timeout=0.3, retries={"total_max_attempts": 1})
    ec2 = boto3.client("ec2", region_name=region, endpoint_url=simulated_aws.endpoint_url, config=patience)
    simulated_aws.set_fault("slow_after", operation="RunInstances", seconds=1)
    request = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1, "ClientToken": "operation-1"}
    with pytest.raises(ReadTimeoutError):
        ec2.run_instances(**request)
    (launched,) = [item for item in simulated_aws.instances().values() if item["region"] == region]
    simulated_aws.set_fault("none")
    assert ec2.run_instances(**request)["Instances"][0]["InstanceId"] == launched["instance_id"]


def test_others_are_answered_while_an_answer_is_kept_back(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch("ap-south-2")
    patience = Config(read_timeout=0.2, retries={"total_max_attempts": 1})
    ec2 = boto3.client("ec2", region_name="ap-south-2", endpoint_url=simulated_aws.endpoint_url, config=patience)
    simulated_aws.set_fault("slow_after", operation="StopInstances", seconds=3)
    began = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        ec2.stop_instances(InstanceIds=[instance_id])
    simulated_aws.client("ec2", "ap-south-2").create_tags(Resources=[instance_id], Tags=[{"Key": "a", "Value": "b"}])
    assert described(simulated_aws, "ap-south-2", instance_id)["State"]["Name"] == "stopped"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("mode", "refused", "code"),
    [
        ("capacity", {"run", "start"}, "InsufficientInstanceCapacity"),
        ("limit", {"run", "start"}, "VcpuLimitExceeded"),
        ("wrong_state", {"start", "stop"}, "IncorrectInstanceState"),
        ("invalid_ami", {"run"}, "InvalidAMIID.NotFound"),
        ("protected", {"stop", "terminate"}, "OperationNotPermitted"),
        ("not_enabled", {"run", "start", "stop", "terminate", "describe"}, "OptInRequired"),
    ],
)
def test_a_fault_hits_what_it_can_happen_to(simulated_aws: SimulatedAws, mode: str, refused: set[str], code: str) -> None:
    (instance_id,) = simulated_aws.launch("sa-east-1")
    once = Config(retries={"total_max_attempts": 1})
    ec2 = boto3.client("ec2", region_name="sa-east-1", endpoint_url=simulated_aws.endpoint_url, config=once)
    simulated_aws.set_fault(mode)
    for verb in ("run", "describe", "stop", "start", "terminate"):
        one = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1} if verb == "run" else {"InstanceIds": [instance_id]}
        call = getattr(ec2, f"{verb}_instances")
        if verb in refused:
            assert error_of(call, **one)[0] == code
        else:
            call(**one)


def test_a_fault_that_concerns_something_else_is_not_used_up(simulated_aws: SimulatedAws) -> None:
    simulated_aws.set_fault("capacity", count=1)
    simulated_aws.client("ec2", "sa-east-1").describe_instances()
    once = Config(retries={"total_max_attempts": 1})
    ec2 = boto3.client("ec2", region_name="sa-east-1", endpoint_url=simulated_aws.endpoint_url, config=once)
    request = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
    assert error_of(ec2.run_instances, **request)[0] == "InsufficientInstanceCapacity"
    assert ec2.run_instances(**request)["Instances"]
