"""How a CML server's certificate is checked, and the HTTPS adapter that does it and keeps to a deadline."""

from __future__ import annotations

import contextvars
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from workers.clients import reach
from workers.clients.reach import NotAllowed, Reach

# CML servers stand in private networks, the sandbox's on this machine; a metadata service is none, whatever name leads there.
REACH = Reach(private=True, loopback=True)

_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar("cml_deadline", default=None)


@dataclass(frozen=True)
class TlsPolicy:
    """Which certificate a worker's CML server must show. CML ships self-signed ones.

    `system`: one that the operating system's CAs vouch for, for the name in the address.
    `ca`: one that `ca_pem` (PEM, one or more certificates; the server's own will do) vouches for, for the name in the address.
    `pinned`: exactly the one whose DER has the SHA-256 `fingerprint` (hex; colons and case do not matter), for any name.
    `off`: any at all.

    Raises ValueError when what the mode needs is missing or malformed.
    """

    mode: Literal["system", "ca", "pinned", "off"] = "system"
    ca_pem: str = field(default="", repr=False)
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if self.mode not in ("system", "ca", "pinned", "off"):
            raise ValueError(f"The TLS mode is one of system, ca, pinned, off; not {self.mode!r}.")
        if self.mode == "pinned":
            object.__setattr__(self, "fingerprint", self.fingerprint.replace(":", "").strip().lower())
            if not re.fullmatch(r"[0-9a-f]{64}", self.fingerprint):
                raise ValueError("The fingerprint is the certificate's SHA-256: 64 hexadecimal digits, with or without colons.")
        if self.mode == "ca" and "-----BEGIN CERTIFICATE-----" not in self.ca_pem:
            raise ValueError("The CA bundle is PEM text with at least one BEGIN CERTIFICATE block.")


SYSTEM_CA = TlsPolicy()


@contextmanager
def deadline(moment: float) -> Iterator[None]:
    """Within this block no read of this thread's CML connections lasts beyond `moment` (time.monotonic()), nor beyond that of a block around it."""
    around = _deadline.get()
    token = _deadline.set(moment if around is None else min(around, moment))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining() -> float:
    """Seconds until the deadline in force; raises TimeoutError when it has passed, and is endless when there is none."""
    moment = _deadline.get()
    if moment is None:
        return float("inf")
    left = moment - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for the whole call is used up")
    return left


class _DeadlineSocket(ssl.SSLSocket):
    """A TLS socket whose reads end at the call's deadline.

    A read time-out alone starts anew with every byte, so a server that drips its answer, headers included, would hold
    a thread for ever.
    """

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        own = self.gettimeout()
        left = remaining()
        if own is not None and left < own:
            self.settimeout(left)
        try:
            return super().recv_into(*args, **kwargs)
        finally:
            self.settimeout(own)


class _GuardedConnection(HTTPSConnection):
    """A connection that looks where its name leads before it connects."""

    def _new_conn(self) -> socket.socket:
        limit = self.timeout if isinstance(self.timeout, int | float) else None
        try:
            return reach.connect(self._dns_host, self.port or 443, reach=REACH, timeout=lambda: limit)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "connecting took too long") from error
        except (NotAllowed, OSError) as error:
            raise NewConnectionError(self, "no connection") from error


class _GuardedPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedConnection


class _UnverifiedConnection(_GuardedConnection):
    """A connection of the policy "off", without urllib3's warning at each request.

    The operator chose it and the portal shows it; silencing through `warnings` would silence other libraries' requests too.
    """

    def connect(self) -> None:
        super().connect()
        self.is_verified = True  # urllib3 reads this only to decide whether to warn


class _UnverifiedPool(HTTPSConnectionPool):
    ConnectionCls = _UnverifiedConnection


_contexts: dict[TlsPolicy, ssl.SSLContext] = {}
_contexts_lock = threading.Lock()
_MOST_CONTEXTS = 128


def ssl_context(policy: TlsPolicy) -> ssl.SSLContext:
    """The context of a policy, shared by its connections: one with the system's CAs weighs a megabyte and 10 ms.

    Raises ValueError when the CA bundle cannot be read.
    """
    if policy.mode == "pinned":
        policy = TlsPolicy("off")  # the fingerprint is compared after the handshake, so these share a context
    with _contexts_lock:
        if policy not in _contexts:
            if len(_contexts) >= _MOST_CONTEXTS:
                _contexts.pop(next(iter(_contexts)))
            _contexts[policy] = _new_context(policy)
        return _contexts[policy]


def _new_context(policy: TlsPolicy) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _DeadlineSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if policy.mode == "system":
        context.load_default_certs()
    elif policy.mode == "ca":
        try:
            context.load_verify_locations(cadata=policy.ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError("The CA bundle holds no certificate that can be read.") from error
        # Operators paste the server's own certificate, which is rarely marked as a CA and lacks what strict mode wants.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class TlsAdapter(HTTPAdapter):
    """Mounts a policy on a session. `requests` decides nothing about certificates any more: not by `verify`, nor by certifi."""

    def __init__(self, policy: TlsPolicy) -> None:
        self._policy = policy
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        pool_kwargs["ssl_context"] = context = ssl_context(self._policy)
        pool_kwargs["cert_reqs"] = context.verify_mode
        if self._policy.mode == "pinned":
            pool_kwargs["assert_fingerprint"] = self._policy.fingerprint
        if self._policy.mode in ("pinned", "off"):
            pool_kwargs["assert_hostname"] = False
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        pool = _UnverifiedPool if self._policy.mode == "off" else _GuardedPool
        self.poolmanager.pool_classes_by_scheme = {"https": pool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:  # a pair of dictionaries, of types private to requests
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool as the policy made it; `requests` would add certifi's CAs here."""
