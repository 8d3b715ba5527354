"""The AWS client against the simulated AWS over HTTP: what it launches and changes, what it finds by tag, image and name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.clients import aws

__all__ = ["simulated_aws", "simulated_aws_process"]

UNKNOWN = "i-0123456789abcdef0"
REQUEST: dict[str, Any] = {"image_id": "ami-12345678", "instance_type": "m5zn.metal", "client_token": "operation-1", "tags": {}}


def client_of(simulated: SimulatedAws, region: str, **options: Any) -> aws.AwsClient:
    return aws.AwsClient(region=region, endpoint_url=simulated.endpoint_url, **{"max_attempts": 1, **options})


def raw(simulated: SimulatedAws, region: str, instance_id: str) -> dict[str, Any]:
    answer = simulated.client("ec2", region).describe_instances(InstanceIds=[instance_id])
    instance: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return instance


def volumes(simulated: SimulatedAws, region: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = simulated.client("ec2", region).describe_volumes()["Volumes"]
    return found


# ── Launching ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_launch_has_all_that_was_asked_for(simulated_aws: SimulatedAws) -> None:
    region, tags = "eu-west-1", {"Name": "encor", "cml-manager:worker": "5f0c", "Ü": "<&>"}
    ec2 = simulated_aws.client("ec2", region)
    image_id = simulated_aws.image(region, "cisco-cml2.9.1-golden", RootDeviceName="/dev/xvda")
    subnet = ec2.describe_subnets()["Subnets"][1]
    group_id = ec2.create_security_group(GroupName="cml", Description="CML", VpcId=subnet["VpcId"])["GroupId"]
    ec2.create_key_pair(KeyName="ops")
    before = {volume["VolumeId"] for volume in volumes(simulated_aws, region)}
    launched = client_of(simulated_aws, region).run_instance(
        image_id=image_id,
        instance_type="m8i.8xlarge",
        client_token="operation-full",
        tags=tags,
        subnet_id=subnet["SubnetId"],
        security_group_ids=[group_id],
        key_name="ops",
        root_volume_gib=96,
        root_device_name="/dev/xvda",
        detailed_monitoring=True,
        nested_virtualization=True,
    )
    assert (launched.state, launched.region, launched.image_id) == ("pending", region, image_id)
    assert (launched.tags, launched.zone) == (tags, subnet["AvailabilityZone"])
    assert launched.detailed_monitoring is True
    found = raw(simulated_aws, region, launched.instance_id)
    assert found["InstanceType"] == "m8i.8xlarge"
    assert found["SubnetId"] == subnet["SubnetId"]
    assert [group["GroupId"] for group in found["SecurityGroups"]] == [group_id]
    assert found["KeyName"] == "ops"
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert found["CpuOptions"]["NestedVirtualization"] == "enabled"
    asked = {"InstanceId": launched.instance_id, "Attribute": "instanceInitiatedShutdownBehavior"}
    assert ec2.describe_instance_attribute(**asked)["InstanceInitiatedShutdownBehavior"]["Value"] == "stop"
    (volume,) = [volume for volume in volumes(simulated_aws, region) if volume["VolumeId"] not in before]
    assert (volume["Size"], volume["VolumeType"]) == (96, "gp3")
    (disk,) = found["BlockDeviceMappings"]
    assert (disk["DeviceName"], disk["Ebs"]["VolumeId"]) == ("/dev/xvda", volume["VolumeId"])
    assert disk["Ebs"]["DeleteOnTermination"] is True
    assert {tag["Key"]: tag["Value"] for tag in volume["Tags"]} == tags


def test_a_launch_with_nothing_else_has_ec2s_defaults(simulated_aws: SimulatedAws) -> None:
    launched = client_of(simulated_aws, "eu-west-2").run_instance(**REQUEST, require_imds_v2=False)
    assert (launched.tags, launched.detailed_monitoring) == ({}, False)
    found = raw(simulated_aws, "eu-west-2", launched.instance_id)
    assert found["MetadataOptions"]["HttpTokens"] == "optional"
    assert "CpuOptions" not in found
    assert "KeyName" not in found


def test_the_same_launch_again_is_the_same_instance(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "eu-west-3")
    first = client.run_instance(**REQUEST)
    client.stop_instances([first.instance_id])
    again = client_of(simulated_aws, "eu-west-3").run_instance(**REQUEST)
    assert (again.instance_id, again.state) == (first.instance_id, "stopped")
    assert client.run_instance(**{**REQUEST, "client_token": "operation-2"}).instance_id != first.instance_id
    assert len(client.describe_instances()) == 2


def test_an_answer_that_is_lost_costs_no_second_instance(simulated_aws: SimulatedAws) -> None:
    simulated_aws.set_fault("slow_after", operation="RunInstances", seconds=0.6, count=1)
    client = client_of(simulated_aws, "eu-south-1", read_timeout=0.3, max_attempts=2)
    launched = client.run_instance(**REQUEST)
    assert client.calls["RunInstances"] == 2
    assert [instance.instance_id for instance in client.describe_instances()] == [launched.instance_id]


def test_a_token_with_another_request_launches_nothing(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "eu-south-2")
    client.run_instance(**REQUEST)
    with pytest.raises(aws.AwsRejected, match="has already seen this very request with other values") as caught:
        client.run_instance(**{**REQUEST, "instance_type": "c5.large"})
    assert not caught.value.retryable
    assert len(client.describe_instances()) == 1


def test_a_volume_without_a_device_is_not_sent(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "eu-north-1")
    with pytest.raises(aws.AwsInvalidImage, match="does not say which device its root volume is"):
        client.run_instance(**REQUEST, root_volume_gib=64)
    assert not client.calls


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ({"image_id": "ami-0123456789abcdef0"}, aws.AwsInvalidImage, "choose one of us-east-2, or copy the image there"),
        ({"image_id": "ubuntu"}, aws.AwsInvalidImage, "one looks like ami-"),
        ({"subnet_id": "subnet-0123"}, aws.AwsNotFound, "The subnet ID 'subnet-0123' does not exist"),
        ({"security_group_ids": ["sg-0123"]}, aws.AwsNotFound, "The security group 'sg-0123' does not exist"),
        ({"client_token": 7}, aws.AwsRejected, "was not sent to EC2 in us-east-2: Invalid type for parameter ClientToken"),
    ],
)
def test_what_a_launch_names_and_ec2_does_not_know_is_told(
    simulated_aws: SimulatedAws, wrong: dict[str, Any], kind: type[aws.AwsError], says: str
) -> None:
    client = client_of(simulated_aws, "us-east-2")
    with pytest.raises(aws.AwsError) as caught:
        client.run_instance(**{**REQUEST, **wrong})
    assert type(caught.value) is kind
    assert says in caught.value.sentence
    assert caught.value.retryable is False
    assert client.describe_instances() == []


# ── States ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_states_before_and_after_are_told(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "ca-central-1")
    first, second = simulated_aws.launch("ca-central-1", 2)
    assert client.stop_instances([first, first]) == {first: ("running", "stopping")}
    assert client.stop_instances([first, second]) == {first: ("stopped", "stopped"), second: ("running", "stopping")}
    started = client.start_instances({second})[second]
    assert (started.previous, started.current) == ("stopped", "pending")
    assert client.start_instances([second]) == {second: ("running", "running")}
    assert client.terminate_instances([first, second]) == {
        first: ("stopped", "terminated"),
        second: ("running", "shutting-down"),
    }
    assert client.terminate_instances([first]) == {first: ("terminated", "terminated")}


def test_what_the_state_does_not_allow_is_a_wrong_state(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "ca-west-1")
    running, gone = simulated_aws.launch("ca-west-1", 2)
    client.terminate_instances([gone])
    for refused in (client.start_instances, client.stop_instances):
        with pytest.raises(aws.AwsWrongState, match=gone) as caught:
            refused([running, gone])
        assert isinstance(caught.value, aws.AwsRejected)
        assert caught.value.retryable is False
    assert client.find_instances([running])[0].state == "running"


def test_a_protected_instance_is_kept_and_the_sentence_says_who_can_help(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "ap-south-1")
    (instance_id,) = simulated_aws.launch("ap-south-1")
    assert client.termination_protection(instance_id) is False
    simulated_aws.protect("ap-south-1", instance_id)
    assert client.termination_protection(instance_id) is True
    with pytest.raises(aws.AwsProtected, match=r"Termination protection .* administrator of the AWS account"):
        client.terminate_instances([instance_id])
    assert client.find_instances([instance_id])[0].state == "running"
    simulated_aws.protect("ap-south-1", instance_id, protected=False)
    assert client.terminate_instances([instance_id])[instance_id].current == "shutting-down"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.start_instances([UNKNOWN]),
        lambda client: client.stop_instances([UNKNOWN]),
        lambda client: client.terminate_instances([UNKNOWN]),
        lambda client: client.create_tags([UNKNOWN], {"a": "b"}),
        lambda client: client.delete_tags([UNKNOWN], ["a"]),
        lambda client: client.monitor_instances([UNKNOWN]),
        lambda client: client.unmonitor_instances([UNKNOWN]),
        lambda client: client.termination_protection(UNKNOWN),
    ],
)
def test_an_instance_that_ec2_does_not_know_is_not_found(
    simulated_aws: SimulatedAws, call: Callable[[aws.AwsClient], object]
) -> None:
    with pytest.raises(aws.AwsNotFound, match=UNKNOWN):
        call(client_of(simulated_aws, "ap-south-2"))


def test_nothing_to_change_is_not_asked(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "sa-east-1")
    (instance_id,) = simulated_aws.launch("sa-east-1", tags={"Course": "ENCOR"})
    assert client.start_instances([]) == client.stop_instances([]) == client.terminate_instances([]) == {}
    client.create_tags([], {"a": "b"})
    client.create_tags([instance_id], {})
    client.delete_tags([], ["a"])
    client.delete_tags([instance_id], [])
    client.monitor_instances([])
    client.unmonitor_instances([])
    assert client.find_by_image(image_ids=[]) == []
    assert not client.calls
    assert client.describe_instances()[0].tags == {"Course": "ENCOR"}


# ── Tags and monitoring ────────────────────────────────────────────────────────────────────────────────────────────────


def test_tags_are_merged_and_removed_by_key(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "me-south-1")
    first, second = simulated_aws.launch("me-south-1", 2, tags={"Name": "a", "Course": "ENCOR", "Empty": ""})
    client.create_tags([first, second], {"Course": "CCNA", "Ü & <b>": "neu"})
    client.delete_tags([first], ["Name", "Empty", "never there"])
    tags = {instance.instance_id: instance.tags for instance in client.describe_instances()}
    assert tags[first] == {"Course": "CCNA", "Ü & <b>": "neu"}
    assert tags[second] == {"Name": "a", "Course": "CCNA", "Empty": "", "Ü & <b>": "neu"}


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"aws:created": "x"}, "reserved for internal use"),
        ({f"k{number}": "x" for number in range(51)}, "an instance can have 50 tags"),
    ],
)
def test_tags_that_ec2_refuses_change_nothing(simulated_aws: SimulatedAws, tags: dict[str, str], says: str) -> None:
    client = client_of(simulated_aws, "me-central-1")
    (instance_id,) = simulated_aws.launch("me-central-1")
    with pytest.raises(aws.AwsRejected, match=says):
        client.create_tags([instance_id], tags)
    assert client.find_instances([instance_id])[0].tags == {}


def test_detailed_monitoring_is_switched(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "af-south-1")
    ids = simulated_aws.launch("af-south-1", 2)
    client.monitor_instances(ids)
    assert [instance.detailed_monitoring for instance in client.find_instances(ids)] == [True, True]
    client.unmonitor_instances(ids[:1])
    switched = {instance.instance_id: instance.detailed_monitoring for instance in client.find_instances(ids)}
    assert switched == {ids[0]: False, ids[1]: True}


# ── Finding ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_instances_are_found_by_exactly_their_tag(simulated_aws: SimulatedAws) -> None:
    client = client_of(simulated_aws, "us-west-1", page_size=5)
    wanted = simulated_aws.launch("us-west-1", 6, tags={"cml-manager:worker": "5f*"})
    (similar,) = simulated_aws.launch("us-west-1", tags={"cml-manager:worker": "5f0c"})
    simulated_aws.launch("us-west-1", tags={"Name": "5f*"})
    client.terminate_instances(wanted[:1])
    found = client.find_by_tag("cml-manager:worker", "5f*")
    assert sorted(instance.instance_id for instance in found) == sorted(wanted)
    assert "terminated" in {instance.state for instance in found}
    assert client.find_by_tag("cml-manager:worker", "5F*") == []
    everyone = client.find_by_tag("cml-manager:worker")
    assert sorted(instance.instance_id for instance in everyone) == sorted([*wanted, similar])


def test_instances_are_found_by_their_image(simulated_aws: SimulatedAws) -> None:
    region = "us-west-2"
    golden, other = (simulated_aws.image(region, name) for name in ("cisco-cml2.9.1-golden", "ubuntu"))
    ids = [simulated_aws.launch(region, ImageId=image_id)[0] for image_id in (golden, other, golden)]
    client = client_of(simulated_aws, region)
    found = client.find_by_image(image_ids=[golden, "ami-0123456789abcdef0"])
    assert sorted(instance.instance_id for instance in found) == sorted([ids[0], ids[2]])


def test_images_are_found_by_name_newest_first(simulated_aws: SimulatedAws) -> None:
    region = "eu-central-2"
    made = [simulated_aws.image(region, f"cisco-cml2.9.{number}-golden") for number in range(3)]
    simulated_aws.image(region, "ubuntu-24.04")
    client = client_of(simulated_aws, region, page_size=5)
    found = client.find_images("cisco-cml2.?.*-golden", owners=["self"])
    assert {image.image_id for image in found} == set(made)
    created = [image.created_at for image in found]
    assert None not in created
    assert created == sorted(created, reverse=True)  # type: ignore[type-var]
    assert {(image.owner_id, image.state, image.root_device_name) for image in found} == {
        ("123456789012", "available", "/dev/sda1")
    }
    assert len(client.find_images("cisco-cml2.9.1-golden")) == 1
    assert client.find_images("cisco-cml*", owners=["210987654321"]) == []
    assert client.find_images("no such image") == []


# ── Refusals ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "action", "kind", "retryable", "says"),
    [
        ("capacity", "run", aws.AwsNoCapacity, False, "try another zone"),
        ("capacity", "start", aws.AwsNoCapacity, False, "usual for bare metal"),
        ("limit", "run", aws.AwsLimitReached, False, "“Running On-Demand Standard instances”"),
        ("limit", "start", aws.AwsLimitReached, False, "current vCPU limit of 96"),
        ("wrong_state", "stop", aws.AwsWrongState, False, "when its state has settled"),
        ("invalid_ami", "run", aws.AwsInvalidImage, False, "exist in another region"),
        ("protected", "terminate", aws.AwsProtected, False, "Termination protection"),
        ("protected", "stop", aws.AwsProtected, False, "Stop protection"),
        ("not_enabled", "run", aws.AwsUnauthorized, False, "enable the region"),
        ("unauthorized", "run", aws.AwsDenied, False, "allow ec2:RunInstances in its IAM policy"),
        ("throttled", "start", aws.AwsThrottled, True, "limits the rate"),
        ("unreachable", "terminate", aws.AwsUnreachable, True, "cannot be reached"),
        ("error", "stop", aws.AwsRejected, True, "failed inside"),
    ],
)
def test_each_refusal_has_its_sentence(
    simulated_aws: SimulatedAws, mode: str, action: str, kind: type[aws.AwsError], retryable: bool, says: str
) -> None:
    region = "il-central-1"
    (instance_id,) = simulated_aws.launch(region)
    client = client_of(simulated_aws, region)
    calls: dict[str, Callable[[], object]] = {
        "run": lambda: client.run_instance(**REQUEST),
        "start": lambda: client.start_instances([instance_id]),
        "stop": lambda: client.stop_instances([instance_id]),
        "terminate": lambda: client.terminate_instances([instance_id]),
    }
    simulated_aws.set_fault(mode)
    with pytest.raises(aws.AwsError) as caught:
        calls[action]()
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert says in caught.value.sentence
    assert region in caught.value.sentence
    assert caught.value.detail.startswith(f"{action.capitalize()}Instances: ")


def test_a_region_that_does_not_exist_is_no_matter_of_the_network(simulated_aws: SimulatedAws) -> None:
    with pytest.raises(aws.AwsUnauthorized, match=r"eu-mars-1 .*enable the region"):
        client_of(simulated_aws, "eu-mars-1").describe_instances()
