"""Sessions on CML servers: the credential, and the token that it was exchanged for, shared by all threads of the process."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

_PROCESS_KEY = secrets.token_bytes(32)
_MOST_TOKENS = 4096


@dataclass(frozen=True)
class Credential:
    """An account on a CML server. Its repr does not show the password."""

    username: str
    password: str = field(repr=False)

    def digest(self) -> str:
        """What identifies the credential in a cache key: useless outside this process, and holds no password."""
        content = f"{len(self.username)}:{self.username}:{self.password}".encode()
        return hmac.new(_PROCESS_KEY, content, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Token:
    """A session's token, wrapped so that a traceback with local variables does not show it."""

    value: str = field(repr=False)


class TokenSlot:
    """The one token of one credential on one server.

    CML's tokens live 24 hours and cannot be refreshed: a 401 means to log in again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: Token | None = None

    def __repr__(self) -> str:
        return "<TokenSlot>"

    def token(self, *, login: Callable[[], Token], refused: Token | None, until: float) -> Token:
        """The current token; `login` is called when there is none, or when the current one is `refused`.

        Threads that come at once wait for one login and share its token. Raises TimeoutError when that takes
        beyond `until` (time.monotonic()), and whatever `login` raises.
        """
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise TimeoutError("another thread's login takes too long")
        try:
            if self._token is None or self._token == refused:
                self._token = None
                self._token = login()
            return self._token
        finally:
            self._lock.release()

    def renew(self, token: Token) -> None:
        """Use this new token from now on."""
        self._token = token


class TokenStore:
    """Token slots by server and credential; the least recently used is forgotten beyond `most`."""

    def __init__(self, most: int = _MOST_TOKENS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[str, str], TokenSlot] = OrderedDict()

    def slot(self, *, base_url: str, credential: Credential) -> TokenSlot:
        """The slot of this credential on this server; a changed password has another one."""
        key = (base_url, credential.digest())
        with self._lock:
            slot = self._slots.setdefault(key, TokenSlot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._most:
                self._slots.popitem(last=False)
            return slot

    def clear(self) -> None:
        """Forget every token; the next call of each client logs in."""
        self._lock = threading.Lock()  # a forked child may have inherited a held one
        self._slots = OrderedDict()


tokens = TokenStore()
os.register_at_fork(after_in_child=tokens.clear)
