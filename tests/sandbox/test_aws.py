"""The simulated AWS: what moto does not do and EC2 does, over HTTP as boto3 speaks it."""

from __future__ import annotations

import base64
import itertools
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cmlmanager.sandbox.fleet import FLEET, IMAGE_NAME, REGIONS
from tests.simulated_aws import ROOT, SimulatedAws, simulated_aws, simulated_aws_process, start_simulated_aws
from tests.simulated_cml import eventually

__all__ = ["simulated_aws", "simulated_aws_process"]

REGION = "us-east-1"


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAws]:
    """An account in which transitions take a moment: pending 2 s, stopping and shutting down 1.5 s, checks 2.5 s."""
    with start_simulated_aws(tmp_path_factory.mktemp("unhurried"), speed=4) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAws]:
    """The demo fleet."""
    with start_simulated_aws(tmp_path_factory.mktemp("demo"), seed=True) as simulated:
        yield simulated


def described(simulated: SimulatedAws, instance_id: str, region: str = REGION) -> dict[str, Any]:
    answer = simulated.client("ec2", region).describe_instances(InstanceIds=[instance_id])
    instance: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return instance


def state_of(simulated: SimulatedAws, instance_id: str) -> str:
    return str(described(simulated, instance_id)["State"]["Name"])


def error_code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


# ── Lifecycle ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_instance_takes_its_time_through_every_state(unhurried: SimulatedAws) -> None:
    ec2 = unhurried.client("ec2", REGION)
    (instance_id,) = unhurried.launch(REGION)
    assert state_of(unhurried, instance_id) == "pending"
    eventually(lambda: state_of(unhurried, instance_id) == "running")

    (change,) = ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "stopping")
    assert state_of(unhurried, instance_id) == "stopping"
    eventually(lambda: state_of(unhurried, instance_id) == "stopped")

    (change,) = ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
    eventually(lambda: state_of(unhurried, instance_id) == "running")

    ec2.terminate_instances(InstanceIds=[instance_id])
    assert state_of(unhurried, instance_id) == "shutting-down"
    eventually(lambda: state_of(unhurried, instance_id) == "terminated")
    gone = described(unhurried, instance_id)
    assert "PublicIpAddress" not in gone
    assert not gone.get("PrivateIpAddress")


def test_status_checks_are_initializing_before_they_are_ok(unhurried: SimulatedAws) -> None:
    ec2 = unhurried.client("ec2", REGION)
    (instance_id,) = unhurried.launch(REGION)

    def checks(**options: object) -> tuple[str, str] | None:
        found = ec2.describe_instance_status(InstanceIds=[instance_id], **options)["InstanceStatuses"]
        return (found[0]["SystemStatus"]["Status"], found[0]["InstanceStatus"]["Status"]) if found else None

    assert checks() is None  # only running instances are told unless asked otherwise
    assert checks(IncludeAllInstances=True) == ("not-applicable", "not-applicable")
    assert eventually(checks) == ("initializing", "initializing")
    eventually(lambda: checks() == ("ok", "ok"))


@pytest.mark.parametrize(
    ("lead", "act", "code"),
    [
        (["terminate_instances"], "start_instances", "IncorrectInstanceState"),
        (["terminate_instances"], "stop_instances", "IncorrectInstanceState"),
        (["terminate_instances"], "reboot_instances", "IncorrectInstanceState"),
        (["stop_instances"], "reboot_instances", "IncorrectInstanceState"),
    ],
)
def test_what_a_state_does_not_allow_is_refused(simulated_aws: SimulatedAws, lead: list[str], act: str, code: str) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    (instance_id,) = simulated_aws.launch(REGION)
    for step in lead:
        getattr(ec2, step)(InstanceIds=[instance_id])
    before = state_of(simulated_aws, instance_id)
    assert error_code(lambda: getattr(ec2, act)(InstanceIds=[instance_id])) == code
    assert state_of(simulated_aws, instance_id) == before


def test_transitional_states_refuse_what_ec2_refuses(unhurried: SimulatedAws) -> None:
    ec2 = unhurried.client("ec2", REGION)
    (instance_id,) = unhurried.launch(REGION)
    assert error_code(lambda: ec2.stop_instances(InstanceIds=[instance_id])) == "IncorrectInstanceState"  # pending
    eventually(lambda: state_of(unhurried, instance_id) == "running")
    ec2.stop_instances(InstanceIds=[instance_id])
    assert error_code(lambda: ec2.start_instances(InstanceIds=[instance_id])) == "IncorrectInstanceState"  # stopping


def test_one_instance_that_may_not_keeps_all_as_they_are(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    running, terminated = simulated_aws.launch(REGION, 2)
    ec2.terminate_instances(InstanceIds=[terminated])
    assert error_code(lambda: ec2.stop_instances(InstanceIds=[running, terminated])) == "IncorrectInstanceState"
    assert state_of(simulated_aws, running) == "running"


def test_repeating_an_action_is_no_error_and_changes_nothing(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    (instance_id,) = simulated_aws.launch(REGION)
    address = described(simulated_aws, instance_id)["PublicIpAddress"]
    (change,) = ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "running")
    assert described(simulated_aws, instance_id)["PublicIpAddress"] == address
    for _ in range(2):
        ec2.terminate_instances(InstanceIds=[instance_id])
    (change,) = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"]
    assert change["CurrentState"]["Name"] == "terminated"


def test_a_dry_run_changes_nothing(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    (instance_id,) = simulated_aws.launch(REGION)
    assert error_code(lambda: ec2.stop_instances(InstanceIds=[instance_id], DryRun=True)) == "DryRunOperation"
    assert state_of(simulated_aws, instance_id) == "running"


# ── Launching ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_token_launches_once(simulated_aws: SimulatedAws) -> None:
    first = simulated_aws.launch("eu-north-1", 2, ClientToken="operation-1")
    assert simulated_aws.launch("eu-north-1", 2, ClientToken="operation-1") == first
    assert simulated_aws.launch("eu-north-1", 2, ClientToken="operation-2") != first
    assert simulated_aws.launch("eu-south-1", 2, ClientToken="operation-1") != first  # a token counts in its region
    assert sum(item["region"] == "eu-north-1" for item in simulated_aws.instances().values()) == 4


def test_a_client_token_with_another_request_is_refused(simulated_aws: SimulatedAws) -> None:
    simulated_aws.launch(REGION, ClientToken="operation-3")
    launch_other = lambda: simulated_aws.launch(REGION, ClientToken="operation-3", InstanceType="c5.large")  # noqa: E731
    assert error_code(launch_other) == "IdempotentParameterMismatch"


def test_each_instance_has_addresses_of_its_own_on_this_machine(simulated_aws: SimulatedAws) -> None:
    ids = simulated_aws.launch(REGION, 20) + simulated_aws.launch("eu-central-1", 20)
    shown = simulated_aws.instances()
    public = [shown[instance_id]["public_address"] for instance_id in ids]
    private = [shown[instance_id]["private_address"] for instance_id in ids]
    assert len(set(public)) == len(set(private)) == 40
    assert all(address.startswith("127.77.") for address in public)
    assert all(address.startswith("10.20.") for address in private)
    with socket.create_server((public[0], 0)) as listening:
        socket.create_connection(listening.getsockname(), timeout=5).close()


def test_a_stopped_instance_loses_its_public_address_and_gets_another(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    (instance_id,) = simulated_aws.launch(REGION)
    first = described(simulated_aws, instance_id)
    ec2.stop_instances(InstanceIds=[instance_id])
    assert "PublicIpAddress" not in described(simulated_aws, instance_id)
    ec2.start_instances(InstanceIds=[instance_id])
    second = described(simulated_aws, instance_id)
    assert second["PublicIpAddress"] != first["PublicIpAddress"]
    assert second["PrivateIpAddress"] == first["PrivateIpAddress"]
    assert second["LaunchTime"] >= first["LaunchTime"]


def test_zones_are_of_the_region(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch("ap-northeast-1")
    assert described(simulated_aws, instance_id, "ap-northeast-1")["Placement"]["AvailabilityZone"].startswith("ap-northeast-1")


def test_detailed_monitoring_is_switched_on_and_off(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", REGION)
    (instance_id,) = simulated_aws.launch(REGION)
    assert described(simulated_aws, instance_id)["Monitoring"]["State"] == "disabled"
    (switched,) = ec2.monitor_instances(InstanceIds=[instance_id])["InstanceMonitorings"]
    assert (switched["InstanceId"], switched["Monitoring"]["State"]) == (instance_id, "pending")
    assert described(simulated_aws, instance_id)["Monitoring"]["State"] == "enabled"
    ec2.unmonitor_instances(InstanceIds=[instance_id])
    assert described(simulated_aws, instance_id)["Monitoring"]["State"] == "disabled"


def test_pages_count_instances_whatever_their_reservations(simulated_aws: SimulatedAws) -> None:
    ec2 = simulated_aws.client("ec2", "me-south-1")
    launched = simulated_aws.launch("me-south-1", 6) + simulated_aws.launch("me-south-1", 6)
    pages = list(ec2.get_paginator("describe_instances").paginate(MaxResults=5))
    found = [[i["InstanceId"] for reservation in page["Reservations"] for i in reservation["Instances"]] for page in pages]
    assert [len(page) for page in found] == [5, 5, 2]
    assert [instance_id for page in found for instance_id in page] == launched


# ── CPU ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def cpu(simulated: SimulatedAws, instance_id: str, region: str, *, hours: float, period: int = 300) -> list[float]:
    now = datetime.now(UTC)
    metric = {
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
    }
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Average"}}
    answer = simulated.client("cloudwatch", region).get_metric_data(
        MetricDataQueries=[query], StartTime=now - timedelta(hours=hours), EndTime=now, ScanBy="TimestampAscending"
    )
    return list(answer["MetricDataResults"][0]["Values"])


def test_a_running_instance_has_hours_of_moving_cpu(demo: SimulatedAws) -> None:
    by_name = {item["demo"]: item for item in demo.instances().values() if item["demo"]}
    busy, idle = by_name["ccnp-encor-02"], by_name["tac-repro"]
    history = cpu(demo, busy["instance_id"], busy["region"], hours=6)
    assert len(history) >= 72
    assert all(0 <= value <= 100 for value in history)
    assert max(history) - min(history) > 5
    assert all(abs(after - before) < 25 for before, after in itertools.pairwise(history))
    calm = cpu(demo, idle["instance_id"], idle["region"], hours=1)
    assert sum(history) / len(history) > 3 * sum(calm) / len(calm)


def test_an_instance_uses_no_cpu_while_it_does_not_run(demo: SimulatedAws) -> None:
    stopped = next(item for item in demo.instances().values() if item["demo"] == "ccnp-enarsi-01")
    assert cpu(demo, stopped["instance_id"], stopped["region"], hours=1) == []
    assert cpu(demo, stopped["instance_id"], stopped["region"], hours=6) != []


def test_statistics_tell_the_same_cpu(demo: SimulatedAws) -> None:
    running = next(item for item in demo.instances().values() if item["demo"] == "ccnp-encor-01")
    now = datetime.now(UTC)
    answer = demo.client("cloudwatch", running["region"]).get_metric_statistics(
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "InstanceId", "Value": running["instance_id"]}],
        StartTime=now - timedelta(hours=1),
        EndTime=now,
        Period=300,
        Statistics=["Average"],
    )
    averages = [point["Average"] for point in sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])]
    assert len(averages) >= 12
    # the period that is going on may have grown by a minute
    assert averages[:11] == pytest.approx(cpu(demo, running["instance_id"], running["region"], hours=1)[:11])


# ── The demo fleet ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_demo_fleet_is_there_in_every_state(demo: SimulatedAws) -> None:
    shown = {item["demo"]: item for item in demo.instances().values() if item["demo"]}
    assert {name: (item["state"], item["region"]) for name, item in shown.items()} == {
        worker.name: (worker.state, worker.region) for worker in FLEET
    }
    assert {worker.state for worker in FLEET} >= {"pending", "running", "stopping", "stopped", "shutting-down", "terminated"}
    for worker in FLEET:
        instance = described(demo, shown[worker.name]["instance_id"], worker.region)
        assert {tag["Key"]: tag["Value"] for tag in instance["Tags"]} == {
            "Name": worker.name,
            "cml-manager:demo": "1",
            **worker.tags,
        }
        assert instance["InstanceType"] == worker.instance_type
        age = datetime.now(UTC) - instance["LaunchTime"]
        assert abs(age - timedelta(hours=worker.launched_hours_ago)) < timedelta(minutes=2)


def test_machines_of_somebody_else_are_there_too(demo: SimulatedAws) -> None:
    others = [item for item in demo.instances().values() if not item["demo"]]
    assert {(item["name"], item["region"], item["state"]) for item in others} == {
        ("bastion", "us-east-1", "running"),
        ("gitlab-runner", "eu-central-1", "running"),
        ("forgotten-by-a-script", "us-west-2", "running"),
        ("import-me-1", "eu-central-1", "running"),
        ("import-me-2", "eu-central-1", "stopped"),
    }


def test_cml_machines_without_a_row_are_there_to_adopt_and_to_import(demo: SimulatedAws) -> None:
    ids = {item["name"]: item["instance_id"] for item in demo.instances().values()}
    stray = described(demo, ids["forgotten-by-a-script"], "us-west-2")
    assert "cml-manager:worker" in {tag["Key"] for tag in stray["Tags"]}
    for name in ("import-me-1", "import-me-2"):
        found = described(demo, ids[name], "eu-central-1")
        assert not any(tag["Key"].startswith("cml-manager:") for tag in found["Tags"])
        (image,) = demo.client("ec2", "eu-central-1").describe_images(ImageIds=[found["ImageId"]])["Images"]
        assert image["Name"] == IMAGE_NAME


def test_one_worker_of_the_fleet_is_protected(demo: SimulatedAws) -> None:
    protected = set()
    for item in demo.instances().values():
        asked = {"InstanceId": item["instance_id"], "Attribute": "disableApiTermination"}
        answer = demo.client("ec2", item["region"]).describe_instance_attribute(**asked)
        if answer["DisableApiTermination"]["Value"]:
            protected.add(item["name"])
    assert protected == {"sp-core-research"}


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_has_the_cml_image_and_every_image_in_use(demo: SimulatedAws, region: str) -> None:
    ec2 = demo.client("ec2", region)
    assert len(ec2.describe_images(Filters=[{"Name": "name", "Values": [IMAGE_NAME]}])["Images"]) == 1
    pattern = ec2.describe_images(Filters=[{"Name": "name", "Values": ["cisco-cml*"]}], Owners=["self"])["Images"]
    assert len(pattern) >= 1
    used = {i["ImageId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}
    found = ec2.describe_images(Filters=[{"Name": "image-id", "Values": sorted(used)}])["Images"]
    assert {image["ImageId"] for image in found} == used


# ── What is kept ───────────────────────────────────────────────────────────────────────────────────────────────────────


def everything(simulated: SimulatedAws) -> dict[str, Any]:
    """All that EC2 tells of the instances and images of three regions, but for what moto makes up anew."""
    told: dict[str, Any] = {}
    kept = ["ImageId", "InstanceType", "State", "PublicIpAddress", "PrivateIpAddress", "LaunchTime", "Monitoring", "Tags"]
    kept += ["Placement", "StateReason", "StateTransitionReason", "ClientToken", "KeyName", "SubnetId", "VpcId"]
    for region in REGIONS:
        ec2 = simulated.client("ec2", region)
        for reservation in ec2.describe_instances()["Reservations"]:
            for instance in reservation["Instances"]:
                told[instance["InstanceId"]] = reservation["ReservationId"], {key: instance.get(key) for key in kept}
        for image in ec2.describe_images()["Images"]:
            told[f"{region} {image['ImageId']}"] = (image["Name"], image["CreationDate"], image.get("Description"))
    return told


def test_a_restart_finds_everything_again(tmp_path: Path) -> None:
    with start_simulated_aws(tmp_path, seed=True) as first:
        ec2 = first.client("ec2", REGION)
        ids = first.launch(REGION, 2, tags={"Name": "kept", "Ü": "<&>"}, ClientToken="operation-9")
        ec2.monitor_instances(InstanceIds=[ids[0]])
        ec2.stop_instances(InstanceIds=[ids[1]])
        image_id = ec2.create_image(InstanceId=ids[0], Name="snapshot-of-kept")["ImageId"]
        before, listed = everything(first), first.instances()
        assert before[f"{REGION} {image_id}"][0] == "snapshot-of-kept"
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(5) == 0
    with start_simulated_aws(tmp_path, seed=True) as second:
        assert everything(second) == before
        assert second.instances() == listed
        assert second.launch(REGION, 2, tags={"Name": "kept", "Ü": "<&>"}, ClientToken="operation-9") == ids
        (newest,) = second.launch(REGION)
        taken = {item["public_address"] for item in listed.values()}
        assert second.instances()[newest]["public_address"] not in taken
        assert len(cpu(second, next(iter(listed)), REGION, hours=6)) >= 72


def test_a_change_is_on_disk_soon_and_goes_on_after_a_crash(tmp_path: Path) -> None:
    state = tmp_path / "aws.json"
    with start_simulated_aws(tmp_path, speed=2) as first:
        (instance_id,) = first.launch(REGION, tags={"Name": "kept"}, UserData="password=secret")
        eventually(lambda: state.exists() and instance_id in state.read_text(), within=3)
        assert state.stat().st_mode & 0o077 == 0
        assert first.instances()[instance_id]["state"] == "pending"
        first.process.kill()
        first.process.wait(10)
    with start_simulated_aws(tmp_path, speed=2) as second:
        assert list(second.instances()) == [instance_id]
        user_data = second.client("ec2", REGION).describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        assert base64.b64decode(user_data["UserData"]["Value"]) == b"password=secret"
        eventually(lambda: second.instances()[instance_id]["state"] == "running")


def test_an_unreadable_file_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "aws.json").write_text("{broken")
    command = [sys.executable, "-m", "cmlmanager.sandbox.aws", "--port", "0", "--data", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "aws.json cannot be read by this version" in ended.stderr
    assert (tmp_path / "aws.json").read_text() == "{broken"
