"""Two AWS accounts in the simulated AWS: the portal's own, and one that it works in by a role."""

from __future__ import annotations

from typing import Any

from tests.simulated_aws import SimulatedAws

OWN, OTHER = "123456789012", "222222222222"
ACCOUNTS: list[dict[str, Any]] = [
    {"name": "main"},
    {
        "name": "training",
        "role_arn": f"arn:aws:iam::{OTHER}:role/cml-portal",
        "external_id": "only-the-portal",
        "regions": ["us-east-1", "eu-central-1"],
    },
]


def launch_in_other(simulated_aws: SimulatedAws, region: str, *, tags: dict[str, str] | None = None) -> str:
    """Run an instance in the other account, not by the portal; returns its id."""
    listed = [{"Key": key, "Value": value} for key, value in (tags or {"Name": "theirs"}).items()]
    answer = simulated_aws.as_account(OTHER, "ec2", region).run_instances(
        ImageId="ami-12345678",
        InstanceType="m5zn.metal",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )
    return str(answer["Instances"][0]["InstanceId"])
