"""Simulated CML servers for tests: the sandbox's own, as a real process over HTTPS, without any AWS.

    with start_simulated_cml(tmp_path, servers=[ServerSpec(demo="ccnp-encor-01")]) as fleet:
        fleet[0].base_url, fleet[0].set_mode("502", paths=["/licensing"]), fleet[0].requests()

or the fixture `simulated_cml`, one ready demo server for a whole test module: the module imports `simulated_cml` and
`simulated_cml_process` from here.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from workers.clients.cml import CmlClient, Credential, TlsPolicy
from workers.clients.cml.tokens import tokens

USERNAME = "admin"
PASSWORD = "correct horse battery staple"
GOOD = Credential(USERNAME, PASSWORD)
OFF = TlsPolicy("off")
ROOT = Path(__file__).resolve().parent.parent
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def eventually(condition: Callable[[], Any], *, within: float = 10.0) -> Any:
    """The first true value of `condition`; fails the test when there is none within so many seconds."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"the condition did not become true within {within} s")
        time.sleep(0.02)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class ServerSpec:
    """One server to simulate: `demo` names a worker of the demo fleet, "" for a fresh one.

    `running_for` are the seconds since its instance runs: 0 boots it now.
    """

    demo: str = ""
    running_for: float = 3600
    instance_id: str = field(default_factory=lambda: f"i-{random.getrandbits(64):016x}")
    address: str = field(
        default_factory=lambda: f"127.{random.randint(100, 199)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    )


class FakeInstances:
    """Answers `GET /_sandbox/instances` as the simulated AWS does. `reachable` False makes it answer 503."""

    def __init__(self) -> None:
        self.instances: dict[str, dict[str, Any]] = {}
        self.reachable = True
        self.polls = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(list(outer.instances.values())).encode()
                self.send_response(200 if outer.reachable else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                outer.polls += 1

            def log_message(self, *args: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def put(self, spec: ServerSpec, *, state: str = "running") -> None:
        """Add or change an instance; its `state_since` is now less `running_for`."""
        self.instances[spec.instance_id] = {
            "instance_id": spec.instance_id,
            "region": "us-east-1",
            "name": spec.demo or spec.instance_id,
            "state": state,
            "public_address": spec.address,
            "private_address": "10.0.0.1",
            "state_since": time.time() - spec.running_for,
            "demo": spec.demo,
        }

    def wait_for_poll(self) -> None:
        """Until an answer that was asked for after this call has been given, and the one after it asked for."""
        seen = self.polls
        eventually(lambda: self.polls >= seen + 2)

    def close(self) -> None:
        """End the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class SimulatedCml:
    """One simulated server as tests see it."""

    def __init__(self, fleet: SimulatedFleet, spec: ServerSpec) -> None:
        self._fleet = fleet
        self.spec = spec
        self.instance_id = spec.instance_id
        self.base_url = f"https://{spec.address}:{fleet.port}"
        self.username, self.password = USERNAME, PASSWORD

    @property
    def certificate(self) -> str:
        """Its own certificate, PEM."""
        text = (self._fleet.data / self.instance_id / "server.pem").read_text()
        return text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"

    @property
    def fingerprint(self) -> str:
        """The certificate's SHA-256 in hex."""
        return str(self.report()["fingerprint"])

    def report(self) -> dict[str, Any]:
        """What the control listener tells of it."""
        return next(server for server in self._fleet.reports() if server["instance_id"] == self.instance_id)

    def requests(self) -> dict[str, int]:
        """Requests so far, by method and path after /api/v0."""
        counted: dict[str, int] = self.report()["requests"]
        return counted

    def set_mode(self, mode: str, **options: Any) -> None:
        """Misbehave: see `cmlmanager.sandbox.cml.faults`."""
        self.change(mode=mode, **options)

    def set_fault(self, fault: str) -> None:
        """Switch a fault of the demo fleet."""
        self.change(fault=fault)

    def change(self, **body: Any) -> dict[str, Any]:
        """A request to the control listener, which answers with the report."""
        report: dict[str, Any] = self._fleet.control("POST", f"/servers/{self.instance_id}", body)
        return report


class SimulatedFleet(list[SimulatedCml]):
    """The servers of one simulator process, with the instances that it follows."""

    def __init__(self, data: Path, *, speed: float) -> None:
        super().__init__()
        self.data = data
        self.speed = speed
        self.port = free_port()
        self.instances = FakeInstances()
        self._control_port = free_port()
        self._process: subprocess.Popen[str] | None = None

    def add(self, spec: ServerSpec) -> SimulatedCml:
        """Let one more instance run; the process must have started for its server to be there."""
        self.instances.put(spec)
        server = SimulatedCml(self, spec)
        self.append(server)
        return server

    def start(self) -> None:
        """Start the process and wait until it says that it is ready."""
        command = [sys.executable, "-m", "cmlmanager.sandbox.cml", "--aws", self.instances.url, "--port", str(self.port)]
        command += [
            "--data",
            str(self.data),
            "--control",
            str(self._control_port),
            "--speed",
            str(self.speed),
            "--poll",
            "0.05",
        ]
        command += ["--username", USERNAME, "--password", PASSWORD, "--die-with-parent"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("simulated CML servers on port")

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=10)
            self._process = None

    def reports(self) -> list[dict[str, Any]]:
        """What the control listener tells of every server that runs."""
        found: list[dict[str, Any]] = self.control("GET", "/servers")
        return found

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A request to the control listener. Raises urllib.error.HTTPError for what it refuses."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._control_port}{path}", data=data, method=method)
        with _opener.open(request, timeout=10) as answer:
            return json.loads(answer.read())

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.instances.close()


@contextlib.contextmanager
def start_simulated_cml(
    directory: Path, *, servers: list[ServerSpec] | None = None, speed: float = 1.0
) -> Iterator[SimulatedFleet]:
    """Simulated servers, one ready demo server unless told otherwise. `directory` keeps their state."""
    fleet = SimulatedFleet(directory, speed=speed)
    try:
        for spec in servers or [ServerSpec(demo="ccnp-encor-01")]:
            fleet.add(spec)
        fleet.start()
        yield fleet
    finally:
        fleet.close()


@pytest.fixture(scope="module")
def simulated_cml_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCml]:
    """One process for a test module; tests take `simulated_cml`."""
    with start_simulated_cml(tmp_path_factory.mktemp("cml")) as fleet:
        yield fleet[0]


@pytest.fixture
def simulated_cml(simulated_cml_process: SimulatedCml) -> Iterator[SimulatedCml]:
    """A ready server with the labs of ccnp-encor-01, well-behaved at the beginning of each test."""
    simulated_cml_process.set_mode("none")
    yield simulated_cml_process
    simulated_cml_process.change(mode="none", fault="")


def client_of(server: SimulatedCml, **options: Any) -> CmlClient:
    """A client of this server with the right password and no check of its certificate, unless `options` say otherwise."""
    return CmlClient(**{"base_url": server.base_url, "credential": GOOD, "tls": OFF, **options})


def http(server: SimulatedCml, token: str = "") -> httpx.Client:
    """Plain HTTP to its API, with no client of ours between; no check of its certificate."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"{server.base_url}/api/v0", verify=unverified, headers=headers, trust_env=False)


def signed_in(server: SimulatedCml, username: str = USERNAME) -> httpx.Client:
    """As `http`, with a token of its own. All accounts of a simulated server have its one password."""
    with http(server) as anonymous:
        return http(server, anonymous.post("/authenticate", json={"username": username, "password": PASSWORD}).json())


@pytest.fixture
def cml_client(simulated_cml: SimulatedCml) -> Iterator[CmlClient]:
    """A client of `simulated_cml` that has not logged in yet."""
    tokens.clear()
    client = client_of(simulated_cml)
    yield client
    client.close()
