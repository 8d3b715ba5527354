"""Where a webhook may go. The address that is connected to is checked, not only the name, and never asked for twice."""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
import ssl
import threading
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from workers.clients import reach as reaching
from workers.clients.reach import NotAllowed, Reach

MAX_URL = 2_000
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?", re.IGNORECASE
)


def check_url(url: str, reach: Reach) -> SplitResult:
    """The parts of a webhook's address. Raises NotAllowed with a sentence for the person who typed it. Asks no name server."""
    if len(url) > MAX_URL:
        raise NotAllowed(f"The address is longer than {MAX_URL} characters.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise NotAllowed("The address holds signs that no web address has; encode them.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAllowed("Write the address as https://host/path.") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise NotAllowed("Write the address as https://host/path.")
    if parts.scheme == "http" and not reach.private:
        raise NotAllowed("Use https: without it the notices could be read on the way.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise NotAllowed("Leave out user names, passwords and everything after #.")
    if port == 0:
        raise NotAllowed("Port 0 cannot be connected to.")
    _check_host(parts.hostname, reach)
    return parts


def _check_host(host: str, reach: Reach) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # 0x7f000001, 2130706433 and 127.1 are addresses in the eyes of a C library.
        if re.fullmatch(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+))*\.?", host, re.IGNORECASE):
            raise NotAllowed("Write an IPv4 address as four decimal numbers.") from None
        if not _HOST_NAME.fullmatch(host):
            raise NotAllowed("That is not the name of a host.") from None
        if host.rstrip(".") == "localhost" and not reach.loopback:
            raise NotAllowed("The host is this machine itself, which is not allowed.") from None
        return
    reach.refuse(address)


class Watch:
    """Ends a connection at a deadline: a read time-out alone starts anew with every byte that a slow server drips."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._timer.cancel()

    def over(self, connection: socket.socket) -> None:
        """Have `connection` ended, too. It is a duplicate of the descriptor, which TLS takes away from the original."""
        self._sockets.append(connection)

    def _end(self) -> None:
        self.expired = True
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already

    def close(self) -> None:
        """Give the duplicates back."""
        for connection in self._sockets:
            connection.close()


def connect(host: str, port: int, *, reach: Reach, timeout: float | None, watch: Watch) -> socket.socket:
    """A connection that `watch` ends at its deadline. Raises NotAllowed when an address of `host` may not be reached."""
    connection = reaching.connect(host, port, reach=reach, timeout=lambda: timeout)
    watch.over(connection.dup())
    return connection


class _Guarded:
    """Connects only where `reach` allows. Mixed into urllib3's connections, whose TLS then checks the certificate for the name."""

    def __init__(self, *args: Any, reach: Reach, watch: Watch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reach, self._watch = reach, watch

    def _new_conn(self) -> socket.socket:
        me: Any = self
        try:
            return connect(me._dns_host, me.port, reach=self._reach, timeout=me.timeout, watch=self._watch)
        except socket.gaierror as error:
            raise NameResolutionError(me.host, me, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(me, "connecting took too long") from error
        except OSError as error:
            raise NewConnectionError(me, "no connection") from error


class _HttpConnection(_Guarded, HTTPConnection):
    pass


class _HttpsConnection(_Guarded, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = _HttpsConnection


@functools.lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """What the machine's own authorities vouch for; shared, because one weighs a megabyte and 10 ms."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def pool_for(parts: SplitResult, *, reach: Reach, watch: Watch, timeout: urllib3.Timeout) -> urllib3.HTTPConnectionPool:
    """A pool for one request to a checked address: no proxies, no retries."""
    assert parts.hostname is not None  # check_url saw to it
    common: dict[str, Any] = {"timeout": timeout, "retries": False, "maxsize": 1, "reach": reach, "watch": watch}
    if parts.scheme == "https":
        return _HttpsPool(parts.hostname, parts.port or 443, ssl_context=tls_context(), **common)
    return _HttpPool(parts.hostname, parts.port or 80, **common)
