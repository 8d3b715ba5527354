"""compose.yaml: right by the reference implementation, and its services run from the image's files with their own commands and environment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmlmanager.live.publisher import STREAM_KEY
from tests.deploy.containers import Container, services, wait_for
from tests.deploy.image import ROOT, Stage
from tests.deploy.tools import go_tool
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer, free_port

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """compose.yaml in a folder of its own, with the secrets that `prepare` makes."""
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(ROOT / "compose.yaml", folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("secrets"))
    subprocess.run(["deploy/compose/prepare"], cwd=folder, check=True, capture_output=True)
    return folder


def test_compose_accepts_the_file(prepared: Path) -> None:
    # The checker's command line knows no variables; the next test is about those.
    command = [go_tool("compose"), "-no-interpolation", "compose.yaml"]
    done = subprocess.run(command, cwd=prepared, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "cmlmanager" in done.stdout


def test_a_misspelt_field_would_be_found(prepared: Path, tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text((prepared / "compose.yaml").read_text().replace("stop_grace_period", "stop_graze_period"))
    command = [go_tool("compose"), "-no-interpolation", str(broken)]
    done = subprocess.run(command, cwd=prepared, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "stop_graze_period" in done.stderr


def test_every_variable_has_a_value_after_prepare(prepared: Path) -> None:
    needed = re.findall(r"\$\{(\w+)(?::\?[^}]*)?\}", (prepared / "compose.yaml").read_text())
    made = {line.partition("=")[0] for line in (prepared / ".env").read_text().splitlines() if "=" in line}

    assert needed
    assert set(needed) <= made


def test_preparing_twice_changes_no_secret(prepared: Path) -> None:
    def told() -> dict[str, str]:
        files = [*(prepared / "deploy/compose/secrets").iterdir(), prepared / ".env"]
        return {file.name: file.read_text() for file in files}

    before = told()
    subprocess.run(["deploy/compose/prepare"], cwd=prepared, check=True, capture_output=True)

    assert told() == before
    assert len(before["secret_key"]) >= 50


def test_no_file_that_compose_mounts_is_missing(prepared: Path) -> None:
    mounted = [
        volume.split(":")[0]
        for service in services().values()
        for volume in service.get("volumes", ())
        if volume.startswith("./")
    ]

    assert mounted
    assert [path for path in mounted if not (prepared / path).exists()] == []


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, RedisServer]]:
    postgres, valkey = PostgresServer(tmp_path_factory.mktemp("postgres")), RedisServer()
    for folder in (postgres.folder, *postgres.folder.parents[:2]):
        folder.chmod(0o755)
    with contextlib.ExitStack() as open_until_the_end:
        postgres.start()
        open_until_the_end.callback(postgres.stop)
        valkey.start()
        open_until_the_end.callback(valkey.kill)
        yield postgres, valkey


def test_the_services_run_from_the_image(
    image: Stage, prepared: Path, stores: tuple[PostgresServer, RedisServer], tmp_path: Path
) -> None:
    postgres, valkey = stores
    database = postgres.create("cmlmanager")
    secrets = tmp_path / "secrets"
    shutil.copytree(prepared / "deploy/compose/secrets", secrets)
    secrets.chmod(0o755)  # an engine mounts each file by itself
    (secrets / "database_url").write_text(database)
    instead = {
        "REDIS_URL": valkey.url,
        # No account anywhere: what the portal would ask of AWS goes to a closed door.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "WORKER_CONCURRENCY": "2",
    }
    containers: list[Container] = []

    def start(service: str, number: int = 1, **more: str) -> Container:
        containers.append(Container(image, service, tmp_path / f"{service}-{number}", secrets, instead | more))
        return containers[-1]

    try:
        migrate = start("migrate")
        assert migrate.process.wait(120) == 0, migrate.log.read_text()

        ports = [free_port() for _ in range(services()["web"]["deploy"]["replicas"])]
        webs = [start("web", number, PORT=str(port)) for number, port in enumerate(ports)]
        worker, beat = start("worker"), start("beat")
        for container in (*webs, worker, beat):
            wait_for(container.is_healthy, f"{container.service} is healthy\n{container.log.read_text()}")

        # As the proxy asks: by the portal's name, over https.
        assert [_ask(port, "/readyz", "portal.localhost") for port in ports] == [200, 200]
        assert [_ask(port, "/sign-in/", "portal.localhost") for port in ports] == [200, 200]
        assert _ask(ports[0], "/sign-in/", "evil.example.com") == 400

        # Beat ticked, the worker took it, and its heartbeat is on the way to every open page.
        with valkey.client() as client:
            wait_for(lambda: client.exists(STREAM_KEY) == 1, f"a heartbeat was published\n{worker.log.read_text()[-3000:]}")

        for container in (webs[0], worker):
            assert container.inside(["touch", "/app/planted"]).returncode != 0, "the root is read-only"
            assert container.inside(["sh", "-c", "touch /tmp/fine && touch /data/fine"]).returncode == 0
            assert container.inside(["id", "-u"]).stdout.strip() == "10001"
        for line in worker.log.read_text().splitlines():
            if line.startswith("{"):
                assert json.loads(line)["level"]

        # A process that hangs is told from one that works.
        worker.process.send_signal(signal.SIGSTOP)
        worker.inside(["touch", "--date=2 minutes ago", "/tmp/alive"])
        assert not worker.is_healthy()
        worker.process.send_signal(signal.SIGCONT)
        wait_for(worker.is_healthy, "the worker is healthy again")

        for web in webs:
            web.stop()  # uvicorn ends by the signal that it was sent, once it has tidied up
            assert "Finished server process" in web.log.read_text()
        assert beat.stop() == 0
        assert worker.stop() == 0
    finally:
        for container in containers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(container.process.pid, signal.SIGKILL)
            container.process.wait()


def _ask(port: int, path: str, host: str) -> int:
    headers = {"Host": host, "X-Forwarded-Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.9"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
