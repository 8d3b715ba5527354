"""Where a webhook may go. The address that is connected to is checked, not only the name, and never asked for twice."""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

MAX_URL = 2_000
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?", re.IGNORECASE
)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Services that hand out credentials or settings to whoever asks from inside, beyond 169.254.0.0/16. Sources: EC2 user guide, "Instance
# metadata"; Azure, "What is IP address 168.63.129.16"; Alibaba Cloud, "Instance metadata".
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "168.63.129.16", "100.100.100.200")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class NotAllowed(Exception):
    """An address to which nothing is sent; the sentence says why."""


@dataclass(frozen=True)
class Reach:
    """What beside the public internet may be reached: private networks, and this machine itself."""

    private: bool = False
    loopback: bool = False

    def refuse(self, address: Address) -> None:
        """Raises NotAllowed unless `address` may be connected to."""
        for one in _meanings(address):
            reason = self._why_not(one)
            if reason:
                raise NotAllowed(reason)

    def _why_not(self, address: Address) -> str:
        if address.is_loopback:
            return "" if self.loopback else "The host is this machine itself, which is not allowed."
        if address in _METADATA or address.is_link_local:
            return "The host is a link-local or metadata address, which is never allowed."
        if address.is_multicast or address.is_unspecified or address.is_reserved:
            return "The host is no address of a single machine, which is never allowed."
        if not address.is_global and not self.private:
            return "The host is in a private network; the setting NOTIFY_PRIVATE_NETWORKS allows those."
        return ""


def _meanings(address: Address) -> list[Address]:
    """The address and the IPv4 addresses that hide in it."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    teredo = address.teredo[1] if address.teredo else None
    return [address, *(one for one in (address.sixtofour, teredo) if one)]


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
    """A connection to the first address of `host` that answers. Raises NotAllowed when any of them may not be reached."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        reach.refuse(ipaddress.ip_address(str(place[0]).partition("%")[0]))
    error: OSError | None = None
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
        except OSError as failure:
            connection.close()
            error = failure
            continue
        watch.over(connection.dup())
        return connection
    raise error or OSError("the name has no address")


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
