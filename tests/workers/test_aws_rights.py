"""Which rights the portal has: asked of the simulated AWS by dry runs, over HTTP, changing nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.clients import aws
from workers.clients.aws import Verdict

__all__ = ["simulated_aws", "simulated_aws_process"]

LAUNCH: dict[str, Any] = {"image_id": "ami-12345678", "instance_type": "m5zn.metal", "tags": {"cml-portal:id": "dry-run"}}


def client_of(simulated: SimulatedAws, region: str) -> aws.AwsClient:
    return aws.AwsClient(region=region, endpoint_url=simulated.endpoint_url, max_attempts=1)


def verdicts(checks: list[aws.RightCheck]) -> dict[str, Verdict]:
    return {check.right.operation: check.verdict for check in checks}


def test_all_rights_are_found_and_nothing_is_changed(simulated_aws: SimulatedAws) -> None:
    region = "eu-west-1"
    [instance_id] = simulated_aws.launch(region, tags={"Name": "encor"})

    checks = client_of(simulated_aws, region).probe(instance_id=instance_id, launch=LAUNCH)

    assert {check.verdict for check in checks} == {Verdict.ALLOWED}
    assert [check.right for check in checks] == list(aws.RIGHTS)
    [there] = [item for item in simulated_aws.instances().values() if item["region"] == region]
    assert (there["state"], there["name"]) == ("running", "encor")


def test_a_missing_right_is_named_and_the_others_are_still_tried(simulated_aws: SimulatedAws) -> None:
    region = "eu-west-2"
    [instance_id] = simulated_aws.launch(region)
    simulated_aws.deny("RunInstances", "StopInstances", "GetMetricData", "DescribeImages")

    checks = client_of(simulated_aws, region).probe(instance_id=instance_id, launch=LAUNCH)

    denied = {check.right.action: check.sentence for check in checks if check.verdict == Verdict.DENIED}
    assert set(denied) == {"ec2:RunInstances", "ec2:StopInstances", "cloudwatch:GetMetricData", "ec2:DescribeImages"}
    assert (
        denied["ec2:StopInstances"]
        == f"The portal may not call StopInstances in {region}: allow ec2:StopInstances in its IAM policy."
    )
    assert verdicts(checks)["StartInstances"] == Verdict.ALLOWED


def test_without_an_instance_and_an_image_what_needs_them_is_untested_and_says_so(simulated_aws: SimulatedAws) -> None:
    checks = client_of(simulated_aws, "eu-west-3").probe()

    untested = {check.right.operation: check.sentence for check in checks if check.verdict == Verdict.UNTESTED}
    assert {right.operation for right in aws.RIGHTS if right.needs} == set(untested)
    assert "no instance in this region" in untested["StopInstances"]
    assert "no template names an AMI" in untested["RunInstances"]


def test_an_image_that_aws_does_not_know_leaves_the_right_to_launch_untested(simulated_aws: SimulatedAws) -> None:
    unknown = {**LAUNCH, "image_id": "ami-0bad0bad0bad0bad0"}

    checks = client_of(simulated_aws, "eu-north-1").probe(launch=unknown)

    [run] = [check for check in checks if check.right.operation == "RunInstances"]
    assert run.verdict == Verdict.UNTESTED
    assert run.sentence.startswith("Not tested: EC2 in eu-north-1 does not know the AMI")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("unreachable", aws.AwsUnreachable), ("throttled", aws.AwsThrottled), ("not_enabled", aws.AwsUnauthorized)],
)
def test_when_aws_does_not_say_no_right_is_called_missing(
    simulated_aws: SimulatedAws, mode: str, kind: type[aws.AwsError]
) -> None:
    simulated_aws.set_fault(mode)

    with pytest.raises(kind):
        client_of(simulated_aws, "us-east-2").probe()
