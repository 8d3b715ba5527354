"""The sandbox as a real process, for tests that need everything at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.simulated_cml import free_port

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Sandbox:
    """A running sandbox: its facts as in sandbox.json."""

    process: subprocess.Popen[str]
    var: Path
    port: int

    @property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.var / "sandbox.json").read_text()))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ec2(self, region: str = "us-east-1") -> Any:
        """A boto3 client behind the portal's back."""
        facts = self.facts
        return boto3.client(
            "ec2",
            region_name=region,
            endpoint_url=facts["aws_endpoint_url"],
            aws_access_key_id=facts["aws_access_key_id"],
            aws_secret_access_key=facts["aws_secret_access_key"],
        )

    def instance_id(self, name: str, region: str = "us-east-1") -> str:
        found = self.ec2(region).describe_instances(Filters=[{"Name": "tag:Name", "Values": [name]}])
        return str(found["Reservations"][0]["Instances"][0]["InstanceId"])

    def control_aws(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """A request to the simulated AWS's `/_sandbox/`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.facts['aws_endpoint_url']}/_sandbox/{path}", data=data, method="POST" if data else "GET"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def run_script(self, script: str) -> Any:
        """Run Python with Django set up as in the sandbox's own processes; returns what the script puts into `answer`."""
        pid = self.facts["pids"]["web"]
        pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        code = f"import django, json; django.setup(); answer = None\n{script}\nprint(json.dumps(answer, default=str))"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


def start_sandbox(var: Path, *, port: int | None = None, speed: float = 1, **tuning: str) -> Sandbox:
    """Start one and wait until it says its address. Fails with its output when it does not."""
    port = port or free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    command = [sys.executable, "-m", "cmlmanager.sandbox", "--port", str(port), "--var", str(var), "--speed", f"{speed:g}"]
    log = (var.parent / f"{var.name}.out").open("a+")
    process = subprocess.Popen(
        command, cwd=ROOT, env=kept | tuning, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 90
    while not (var / "sandbox.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            log.seek(0)
            raise AssertionError(f"the sandbox did not start: {log.read()}")
        time.sleep(0.05)
    return Sandbox(process, var, port)


@contextlib.contextmanager
def running_sandbox(var: Path, **options: Any) -> Iterator[Sandbox]:
    """A sandbox for the length of a block."""
    sandbox = start_sandbox(var, **options)
    try:
        yield sandbox
    finally:
        if sandbox.process.poll() is None:
            sandbox.interrupt()
