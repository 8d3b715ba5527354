"""Which addresses may be connected to. What is connected to is checked, not only the name, and never asked for twice."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

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


def connect(host: str, port: int, *, reach: Reach, timeout: Callable[[], float | None]) -> socket.socket:
    """A connection to the first address of `host` that answers; `timeout` gives the seconds for each try, asked for anew before it.

    Raises NotAllowed, before anything is connected to, when any address of the name may not be reached; OSError when none answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        reach.refuse(ipaddress.ip_address(str(place[0]).partition("%")[0]))
    error: OSError | None = None
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout())
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a body waits for the headers' receipt
            connection.connect(place)
        except OSError as failure:
            connection.close()
            error = failure
            continue
        return connection
    raise error or OSError("the name has no address")
