"""The client, put together from its calls, and the cache of clients that keeps connections between calls."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from typing import Any

from workers.clients.cml.calls.activity import ActivityCalls
from workers.clients.cml.calls.labs import LabCalls, LabWrites
from workers.clients.cml.calls.licensing import LicensingCalls
from workers.clients.cml.calls.notices import NoticeCalls
from workers.clients.cml.calls.people import PeopleCalls
from workers.clients.cml.calls.system import SystemCalls
from workers.clients.cml.tls import SYSTEM_CA, TlsPolicy
from workers.clients.cml.tokens import Credential


class CmlClient(SystemCalls, PeopleCalls, LicensingCalls, ActivityCalls, NoticeCalls, LabCalls, LabWrites):
    """One CML server as one account sees it: the calls by subject over the shared `Transport`, whose arguments it takes.

    Without a credential only `system_information` and `maintenance_mode` work. Every call raises `CmlError`.
    """


class _Clients:
    """Clients by what they were asked for. Those unused for a while are closed: nginx drops idle connections itself."""

    def __init__(self, *, most: int = 512, idle_seconds: float = 90) -> None:
        self._most = most
        self._idle_seconds = idle_seconds
        self.forget()

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._used: OrderedDict[tuple[Any, ...], tuple[float, CmlClient]] = OrderedDict()

    def get(self, key: tuple[Any, ...], **options: Any) -> CmlClient:
        now = time.monotonic()
        with self._lock:
            client = self._used[key][1] if key in self._used else CmlClient(**options)
            self._used[key] = (now, client)
            self._used.move_to_end(key)
            expired = self._expired(now)
        for old in expired:
            old.close()
        return client

    def _expired(self, now: float) -> list[CmlClient]:
        found = []
        while len(self._used) > self._most or next(iter(self._used.values()))[0] < now - self._idle_seconds:
            found.append(self._used.popitem(last=False)[1][1])
        return found


_clients = _Clients()
os.register_at_fork(after_in_child=_clients.forget)  # a TLS connection used by two processes serves neither


def client_for(
    *,
    base_url: str,
    credential: Credential | None,
    tls: TlsPolicy = SYSTEM_CA,
    **limits: Any,
) -> CmlClient:
    """A client with these settings, the same one for the same settings, so that connections and tokens are reused.

    `limits` are CmlClient's. At most 512 are kept, and none longer than 90 s without use; the key holds the credential hashed.
    Raises ValueError as CmlClient does.
    """
    key = (base_url, credential.digest() if credential else None, tls, tuple(sorted(limits.items())))
    return _clients.get(key, base_url=base_url, credential=credential, tls=tls, **limits)
