"""The simulated AWS for tests: the sandbox's own, as a real process over HTTP.

    with start_simulated_aws(tmp_path, seed=True) as simulated:
        AwsClient(region="us-east-1", endpoint_url=simulated.endpoint_url).describe_instances()

or the fixture `simulated_aws`, one empty account without delays for a whole test module, in which each test uses a region of its own
(add `from tests.simulated_aws import simulated_aws, simulated_aws_process`). Both give the credentials that boto3 wants.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parent.parent
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
_UNWANTED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL")
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(kw_only=True)
class SimulatedAws:
    """A running simulated AWS."""

    endpoint_url: str
    process: subprocess.Popen[str]

    def client(self, service: str, region: str) -> Any:
        """A plain boto3 client of it, to set up what a test needs."""
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint_url)

    def launch(self, region: str, count: int = 1, *, tags: dict[str, str] | None = None, **arguments: Any) -> list[str]:
        """Run instances; returns their ids."""
        arguments = {"ImageId": "ami-12345678", "InstanceType": "m5zn.metal", **arguments}
        if tags:
            listed = [{"Key": key, "Value": value} for key, value in tags.items()]
            arguments["TagSpecifications"] = [{"ResourceType": "instance", "Tags": listed}]
        answer = self.client("ec2", region).run_instances(MinCount=count, MaxCount=count, **arguments)
        return [instance["InstanceId"] for instance in answer["Instances"]]

    def instances(self) -> dict[str, dict[str, Any]]:
        """Every instance as `/_sandbox/instances` tells it, by id."""
        return {item["instance_id"]: item for item in self.control("GET", "instances")}

    def image(self, region: str, name: str, **arguments: Any) -> str:
        """Register an AMI; returns its id."""
        arguments = {"RootDeviceName": "/dev/sda1", **arguments}
        return str(self.client("ec2", region).register_image(Name=name, **arguments)["ImageId"])

    def protect(self, region: str, instance_id: str, *, protected: bool = True) -> None:
        """Switch an instance's termination protection."""
        self.client("ec2", region).modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": protected})

    def set_fault(self, mode: str, **where: Any) -> None:
        """Misbehave: see `cmlmanager.sandbox.aws.control` and, for the modes, `cmlmanager.sandbox.aws.faults`."""
        self.control("POST", "faults", {"mode": mode, **where})

    def deny(self, *operations: str, account: str = "") -> None:
        """Take the rights for these operations from the account, or from all, and give all others back."""
        self.control("POST", "rights", {"denied": list(operations), "account": account})

    def set_clock(self, seconds: int) -> None:
        """Let AWS's clock be so much ahead of ours."""
        self.control("POST", "clock", {"seconds": seconds})

    def as_account(self, account_id: str, service: str, region: str) -> Any:
        """A plain boto3 client of another account, by a role there."""
        sts = self.client("sts", region)
        role = f"arn:aws:iam::{account_id}:role/test"
        given = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    def impair(self, instance_id: str) -> None:
        """Let the instance's status checks fail."""
        self.control("POST", f"instances/{instance_id}/impair", {})

    def forget(self, instance_id: str) -> None:
        """Let EC2 no longer know the instance."""
        self.control("POST", f"instances/{instance_id}/forget", {})

    def calls(self) -> dict[str, int]:
        """Requests so far, by operation."""
        counted: dict[str, int] = self.control("GET", "calls")
        return counted

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A request to `/_sandbox/`. Raises urllib.error.HTTPError for what it refuses."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint_url}/_sandbox/{path}", data=data, method=method)
        with _opener.open(request, timeout=10) as answer:
            return json.loads(answer.read())


@contextlib.contextmanager
def start_simulated_aws(data_dir: Path, *, seed: bool = False, speed: float = 0) -> Iterator[SimulatedAws]:
    """The process, ready, and credentials for it in the environment. Ends it with SIGTERM, on which it saves `data_dir`."""
    command = [sys.executable, "-m", "cmlmanager.sandbox.aws", "--port", "0", "--data", str(data_dir), "--speed", str(speed)]
    command += ["--die-with-parent", *(["--seed"] if seed else [])]
    with pytest.MonkeyPatch.context() as environment:
        for name, value in _CREDENTIALS.items():
            environment.setenv(name, value)
        for name in _UNWANTED:
            environment.delenv(name, raising=False)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                said, _, endpoint_url = process.stdout.readline().strip().partition(" on ")
                assert said == "simulated AWS", "the simulated AWS did not start; its complaint is above"
                yield SimulatedAws(endpoint_url=endpoint_url, process=process)
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise


@pytest.fixture(scope="module")
def simulated_aws_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAws]:
    """One process for a test module; tests take `simulated_aws`."""
    with start_simulated_aws(tmp_path_factory.mktemp("aws")) as simulated:
        yield simulated


@pytest.fixture
def simulated_aws(simulated_aws_process: SimulatedAws) -> Iterator[SimulatedAws]:
    """An account without delays, well-behaved at the beginning of each test."""
    simulated_aws_process.set_fault("none")
    simulated_aws_process.deny()
    simulated_aws_process.set_clock(0)
    yield simulated_aws_process
    simulated_aws_process.set_fault("none")
    simulated_aws_process.deny()
    simulated_aws_process.set_clock(0)
