"""Which simulated servers there are: it follows the running instances of the simulated AWS."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from cmlmanager.sandbox.cml.app import application
from cmlmanager.sandbox.cml.boot import BootTimes
from cmlmanager.sandbox.cml.listener import Listener, configuration
from cmlmanager.sandbox.cml.server import SimulatedServer

_TICK = 0.1  # seconds; a server's socket appears at most so late
_LONGEST_ANSWER = 16 * 1024 * 1024


class Supervisor:
    """Starts a server for each running instance and stops it when the instance leaves that state."""

    def __init__(self, *, aws: str, port: int, data: Path, boot: BootTimes, username: str, password: str, poll: float) -> None:
        self.servers: dict[str, SimulatedServer] = {}
        self._url = f"{aws.rstrip('/')}/_sandbox/instances"
        self._port = port
        self._data = data
        self._boot = boot
        self._account = {"username": username, "password": password}
        self._poll = poll
        self._listeners: dict[str, Listener] = {}
        self._config = configuration(application())
        self._complained: dict[str, str] = {}
        # the simulated AWS is on this machine: no proxy of the environment is asked for it
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def run(self, started: asyncio.Event) -> None:
        """Until cancelled. Sets `started` after the first attempt to read the instances."""
        next_poll = 0.0
        while True:
            if time.monotonic() >= next_poll:
                next_poll = time.monotonic() + self._poll
                await self.refresh()
            await self.follow()
            started.set()
            await asyncio.sleep(min(_TICK, self._poll))

    async def refresh(self) -> None:
        """Read the instances and start and stop servers. When AWS does not answer, what runs keeps running."""
        try:
            instances = await asyncio.to_thread(self._read)
        except (OSError, ValueError) as error:
            self._complain("aws", f"the simulated AWS does not answer, servers stay as they are: {error}")
            return
        self._complained.pop("aws", None)
        running = {i["instance_id"]: i for i in instances if i.get("state") == "running" and i.get("public_address")}
        for instance_id in set(self.servers) - set(running):
            self._stop(instance_id)
        for instance_id, instance in running.items():
            known = self.servers.get(instance_id)
            if known and (known.address, known.state_since) != (instance["public_address"], instance["state_since"]):
                self._stop(instance_id)
                known = None
            if known is None:
                self._start(instance)

    def _read(self) -> list[dict[str, Any]]:
        with self._opener.open(self._url, timeout=5) as answer:
            instances = json.loads(answer.read(_LONGEST_ANSWER))
        if not isinstance(instances, list):
            raise ValueError("it does not answer a list of instances")  # noqa: TRY004 - what it sent, not what we passed
        return instances

    def _start(self, instance: dict[str, Any]) -> None:
        instance_id = instance["instance_id"]
        try:
            server = SimulatedServer(instance=instance, directory=self._data / instance_id, boot=self._boot, **self._account)
            listener = Listener(server=server, port=self._port, config=self._config)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._complain(instance_id, f"{instance_id} cannot run: {error}")
            return
        self.servers[instance_id], self._listeners[instance_id] = server, listener

    def _stop(self, instance_id: str) -> None:
        self._listeners.pop(instance_id).close()
        self.servers.pop(instance_id).close()

    async def follow(self) -> None:
        """Open and close sockets as the servers boot and misbehave."""
        for instance_id, listener in list(self._listeners.items()):
            try:
                await listener.follow()
            except OSError as error:
                self._complain(instance_id, f"{instance_id} cannot listen: {error}")

    def stop(self) -> None:
        """Stop every server."""
        for instance_id in list(self.servers):
            self._stop(instance_id)

    def _complain(self, about: str, sentence: str) -> None:
        """Say each thing once, not each second."""
        if self._complained.get(about) != sentence:
            self._complained[about] = sentence
            print(sentence, file=sys.stderr, flush=True)
