"""The process: moto's server with our layers, the clock that moves states and saves them, and an orderly end."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from moto.moto_api._internal import mock_random
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from cmlmanager.sandbox.aws import demo
from cmlmanager.sandbox.aws.account import Account
from cmlmanager.sandbox.aws.control import Control
from cmlmanager.sandbox.aws.faults import Switchboard
from cmlmanager.sandbox.aws.launches import Launches
from cmlmanager.sandbox.aws.moto_patches import install
from cmlmanager.sandbox.aws.snapshot import Snapshot
from cmlmanager.sandbox.aws.states import Delays
from cmlmanager.sandbox.fleet import REGIONS

_HOST = "127.0.0.1"
_TICK = 0.25  # seconds between looks at the clock; a change is on disk soon after


class _Handler(MotoRequestHandler):
    """Writes no line per request, and tells AWS's time."""

    switchboard: Switchboard

    def log_request(self, *args: Any) -> None:
        """Nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The header Date."""
        return super().date_time_string((time.time() if timestamp is None else timestamp) + self.switchboard.seconds_ahead)


def serve(*, port: int, data: Path, seeded: bool, speed: float) -> None:
    """Run until SIGTERM or SIGINT. Prints one line when ready; port 0 takes any free one. Raises SystemExit for an unreadable file."""
    # A list, because a handler runs between two steps of this very thread: it may not wait for a lock, as Event.set does.
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: signals.append(received))
    account, switchboard, launches = Account(Delays.at_speed(speed)), Switchboard(), Launches()
    install(account, switchboard, launches)
    _make_networks(account)
    _Handler.switchboard = switchboard
    snapshot = Snapshot(data)
    try:
        snapshot.load(account, launches)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if seeded and not account.instances:
        demo.seed(account)
    server = make_server(
        _HOST,
        port,
        Control(DomainDispatcherApplication(create_backend_app), account, switchboard),
        threaded=True,
        request_handler=_Handler,
    )
    threading.Thread(target=server.serve_forever, args=(_TICK,), daemon=True).start()
    print(f"simulated AWS on http://{_HOST}:{server.server_port}", flush=True)
    while not signals:
        time.sleep(_TICK)
        account.settle()
        if account.changed.is_set():
            snapshot.save(account, launches)
    server.shutdown()
    snapshot.save(account, launches, patience=5)


def _make_networks(account: Account) -> None:
    """Make each region's default network now and always alike: ids of subnets in somebody's settings outlive a restart."""
    for region in REGIONS:
        mock_random.seed(region)
        account.backend(region)
    mock_random.seed(os.urandom(16))
