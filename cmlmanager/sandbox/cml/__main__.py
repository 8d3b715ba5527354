"""`python -m cmlmanager.sandbox.cml`: run a simulated CML server for every running instance of the simulated AWS."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from cmlmanager.sandbox.cml.boot import BootTimes
from cmlmanager.sandbox.cml.control import control_app
from cmlmanager.sandbox.cml.listener import serve_plain
from cmlmanager.sandbox.cml.supervisor import Supervisor
from cmlmanager.sandbox.process import die_with_parent


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m cmlmanager.sandbox.cml", description=__doc__)
    parser.add_argument("--aws", required=True, help="address of the simulated AWS, http://127.0.0.1:PORT")
    parser.add_argument("--port", type=int, required=True, help="port of every simulated server, on its instance's address")
    parser.add_argument("--data", type=Path, required=True, help="directory that keeps the servers' states")
    parser.add_argument("--control", type=int, default=0, help="port of the control listener on 127.0.0.1; 0 for none")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster than usual everything goes; 0: at once")
    parser.add_argument("--poll", type=float, default=1.0, help="seconds between two looks at the instances")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--password", default="cml-sandbox")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the process that started this one ends")
    options = parser.parse_args()
    if options.speed < 0 or options.poll <= 0:
        parser.error("--speed is not below 0, --poll is above 0")
    return options


async def main(options: argparse.Namespace) -> None:
    """Run until SIGINT or SIGTERM."""
    supervisor = Supervisor(
        aws=options.aws,
        port=options.port,
        data=options.data,
        boot=BootTimes(speed=options.speed),
        username=options.username,
        password=options.password,
        poll=options.poll,
    )
    stopped, started = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    control = await serve_plain(control_app(supervisor), port=options.control) if options.control else None
    running = asyncio.create_task(supervisor.run(started))
    await _first_of(started, running)
    if not running.done():
        print(f"simulated CML servers on port {options.port}", flush=True)
    await _first_of(stopped, running)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running  # raises what ended it, if it was not us
    if control:
        control.close()
    supervisor.stop()


async def _first_of(event: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Wait for the event, or for the task to end by itself."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


if __name__ == "__main__":
    chosen = arguments()
    if chosen.die_with_parent:
        die_with_parent()
    asyncio.run(main(chosen))
