"""Listening for one simulated server: uvicorn's HTTP protocol on one loopback address, opened and closed as the server boots.

One `uvicorn.Server` per address would wake ten times a second each, and hundreds of servers share this process; so its
protocol is used with a shared configuration, as that class does itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from cmlmanager.sandbox.cml.certificates import server_context
from cmlmanager.sandbox.cml.server import SimulatedServer


def configuration(app: ASGIApp) -> uvicorn.Config:
    """The configuration that all listeners share."""
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    config.load()
    return config


async def serve_plain(app: ASGIApp, *, port: int) -> asyncio.Server:
    """Serve an application over plain HTTP on 127.0.0.1. Raises OSError when the port is taken."""
    config, state = configuration(app), ServerState()

    def protocol() -> asyncio.Protocol:
        made: asyncio.Protocol = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]
        return made

    return await asyncio.get_running_loop().create_server(protocol, host="127.0.0.1", port=port)


class _Cut(asyncio.Protocol):
    """Cuts each connection at once, before the TLS handshake."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class Listener:
    """The listening socket of one server. `follow` opens, changes or closes it to match what the server should show."""

    def __init__(self, *, server: SimulatedServer, port: int, config: uvicorn.Config) -> None:
        if not ipaddress.ip_address(server.address).is_loopback:
            raise ValueError(f"{server.address} is not a loopback address: simulated servers listen only there")
        self._server = server
        self._port = port
        self._config = config
        self._uvicorn_state = ServerState()
        self._uvicorn_state.default_headers = [(b"server", b"nginx")]
        self._open: asyncio.Server | None = None
        self._shows = ""

    async def follow(self) -> None:
        """Raises OSError when the address cannot be bound; the next call tries again."""
        wanted = self._wanted()
        if wanted == self._shows:
            return
        self.close()
        if wanted:
            self._open = await self._listen(cut=wanted.startswith("cut"))
        self._shows = wanted

    def _wanted(self) -> str:
        if not self._server.listens():
            return ""
        how = "cut" if self._server.misbehaviour.mode == "reset" else "open"
        return f"{how} {self._server.certificates}"

    async def _listen(self, *, cut: bool) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        address: dict[str, Any] = {"host": self._server.address, "port": self._port, "reuse_address": True}
        if cut:
            return await loop.create_server(_Cut, **address)
        return await loop.create_server(self._protocol, ssl=server_context(self._server.certificate), **address)

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._uvicorn_state, app_state={"cml": self._server}
        )
        return protocol

    def close(self) -> None:
        """Stop listening and cut the open connections, as an instance that stops does."""
        self._shows = ""
        if self._open is not None:
            self._open.close()
            self._open = None
        for connection in list(self._uvicorn_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
