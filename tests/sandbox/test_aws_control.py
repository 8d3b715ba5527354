"""`/_sandbox/` of the simulated AWS: what it tells and orders, and how the process lives."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.sandbox.test_aws import REGION, error_code, state_of
from tests.simulated_aws import ROOT, SimulatedAws, simulated_aws, simulated_aws_process
from tests.simulated_cml import eventually

__all__ = ["simulated_aws", "simulated_aws_process"]


def test_a_forgotten_instance_is_unknown_to_ec2(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    forgotten, kept = simulated_aws.launch(REGION, 2)
    simulated_aws.forget(forgotten)
    assert error_code(lambda: ec2.describe_instances(InstanceIds=[forgotten])) == "InvalidInstanceID.NotFound"
    assert error_code(lambda: ec2.stop_instances(InstanceIds=[forgotten])) == "InvalidInstanceID.NotFound"
    assert forgotten not in simulated_aws.instances()
    assert state_of(simulated_aws, kept) == "running"


def test_a_fault_hits_what_it_is_ordered_for_and_as_often(simulated_aws: SimulatedAws) -> None:

    once = Config(retries={"total_max_attempts": 1})
    ec2 = boto3.client("ec2", region_name=REGION, endpoint_url=simulated_aws.endpoint_url, config=once)
    simulated_aws.set_fault("unauthorized", operation="DescribeInstances", count=2)
    ec2.describe_images()
    for _ in range(2):
        assert error_code(ec2.describe_instances) == "UnauthorizedOperation"
    ec2.describe_instances()
    simulated_aws.set_fault("throttled", region="eu-west-1")
    ec2.describe_instances()
    simulated_aws.set_fault("throttled")
    with pytest.raises(ClientError) as caught:
        ec2.describe_instances()
    assert caught.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_requests_are_counted_by_operation(simulated_aws: SimulatedAws) -> None:
    before = simulated_aws.calls().get("DescribeInstances", 0)
    simulated_aws.client("ec2", REGION).describe_instances()
    assert simulated_aws.calls()["DescribeInstances"] == before + 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", {"mode": "weird"}, 400),
        ("POST", "faults", {"mode": "slow", "seconds": "long"}, 400),
        ("POST", "faults", {"mode": "slow", "count": -1}, 400),
        ("POST", "faults", {"mode": "slow", "unknown": 1}, 400),
        ("POST", "faults", {"mode": "slow", "operation": "x" * 70_000}, 413),
        ("POST", "instances/i-0/forget", {}, 404),
        ("GET", "nothing", None, 404),
        ("GET", "faults", None, 404),
    ],
)
def test_a_bad_order_is_refused_and_changes_nothing(
    simulated_aws: SimulatedAws, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        simulated_aws.control(method, path, body)
    caught.value.close()
    assert caught.value.code == status
    simulated_aws.client("ec2", REGION).describe_images()


def test_it_answers_on_loopback_only_and_is_healthy(simulated_aws: SimulatedAws) -> None:
    assert simulated_aws.endpoint_url.startswith("http://127.0.0.1:")
    assert simulated_aws.control("GET", "health") == {"ok": True}


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cmlmanager.sandbox.aws", "--port", "0", "--data", str(tmp_path), "--die-with-parent"]
    script = f"import subprocess, time; print(subprocess.Popen({command!r}).pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline().startswith("simulated AWS on")
        parent.kill()
        parent.wait(10)
        eventually(lambda: not running(child))


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_right_that_is_taken_away_is_refused_as_iam_refuses_it_in_dry_runs_too(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    [instance_id] = simulated_aws.launch(REGION)
    simulated_aws.deny("StopInstances", "CreateTags")
    for dry_run in (True, False):
        with pytest.raises(ClientError, match="not authorized to perform: ec2:StopInstances") as caught:
            ec2.stop_instances(InstanceIds=[instance_id], DryRun=dry_run)
        assert caught.value.response["Error"]["Code"] == "UnauthorizedOperation"
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "x"}]}]
    with pytest.raises(ClientError, match="not authorized to perform: ec2:CreateTags"):
        ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, TagSpecifications=tags)
    assert state_of(simulated_aws, instance_id) == "running"


@pytest.mark.parametrize("action", ["describe_instance_status", "describe_instances", "start_instances", "create_tags"])
def test_a_dry_run_that_is_allowed_says_so_and_does_nothing(simulated_aws: SimulatedAws, action: str) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    [instance_id] = simulated_aws.launch(REGION, tags={"Name": "before"})
    arguments: dict[str, Any] = {"start_instances": {"InstanceIds": [instance_id]}}.get(action, {})
    if action == "create_tags":
        arguments = {"Resources": [instance_id], "Tags": [{"Key": "Name", "Value": "after"}]}
    assert error_code(lambda: getattr(ec2, action)(DryRun=True, **arguments)) == "DryRunOperation"
    assert simulated_aws.instances()[instance_id]["name"] == "before"


def test_accounts_are_apart_and_misbehave_apart(simulated_aws: SimulatedAws) -> None:
    mine, theirs = simulated_aws.client("ec2", REGION), simulated_aws.as_account("222222222222", "ec2", REGION)
    [instance_id] = simulated_aws.launch(REGION)
    assert error_code(lambda: theirs.stop_instances(InstanceIds=[instance_id])) == "InvalidInstanceID.NotFound"
    simulated_aws.set_fault("unauthorized", account="222222222222")
    assert error_code(theirs.describe_instances) == "UnauthorizedOperation"
    assert mine.describe_instances()["Reservations"]


def test_the_clock_can_be_set(simulated_aws: SimulatedAws) -> None:
    simulated_aws.set_clock(3600)
    told = simulated_aws.client("sts", REGION).get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert 3500 < (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds() < 3700
