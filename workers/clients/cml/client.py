"""Calls to one CML server, and the cache of clients that keeps connections between calls."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import threading
import time
import urllib.parse
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any, NoReturn

import requests
import urllib3.exceptions

from workers.clients.cml.answers import LabTile, Licensing, SystemHealth, SystemInformation, SystemStats
from workers.clients.cml.errors import CmlError, CmlNotFound, CmlRefused, CmlUnexpected, from_status, from_transport
from workers.clients.cml.tls import SYSTEM_CA, TlsAdapter, TlsPolicy, deadline, remaining
from workers.clients.cml.tokens import Credential, Token, TokenSlot, tokens

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
TOTAL_TIMEOUT = 60.0
MAX_BODY = 20 * 1024 * 1024
_CHUNK = 64 * 1024


class CmlClient:
    """One CML server as one account sees it. Threads may share it: each call in progress borrows a connection of its own.

    `base_url` is `https://host` or `https://host:port`; plain HTTP is refused, since the password would cross it.
    `connect_timeout` and `read_timeout` (seconds) bound each wait, `total_timeout` the whole call with its login and its
    repetition, `max_body` (bytes) the unpacked answer. Redirects are not followed. Without a credential only
    `system_information` works.

    Raises ValueError when `base_url` or the TLS policy's CA bundle is malformed; every method raises `CmlError`.
    """

    def __init__(
        self,
        *,
        base_url: str,
        credential: Credential | None,
        tls: TlsPolicy = SYSTEM_CA,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        total_timeout: float = TOTAL_TIMEOUT,
        max_body: int = MAX_BODY,
    ) -> None:
        self.base_url = _origin(base_url)
        self.tls = tls
        self._credential = credential
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._total_timeout = total_timeout
        self._max_body = max_body
        self._idle: deque[requests.Session] = deque([self._session()])  # made now so that a bad CA bundle is found here
        self._closed = False

    def __repr__(self) -> str:
        return f"<CmlClient {self.base_url} as {self.username or 'nobody'}>"

    @property
    def username(self) -> str:
        """The account's name, "" without one."""
        return self._credential.username if self._credential else ""

    def close(self) -> None:
        """Close the idle connections; those of calls in progress close when the calls end. The client stays usable."""
        self._closed = True
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop().close()

    def system_information(self) -> SystemInformation:
        """Version and readiness, without a login. Cisco CML 2.9 API, GET /system_information."""
        return SystemInformation.read(self._object("/system_information", anonymous=True))

    def system_stats(self) -> SystemStats:
        """CPU, memory, disk and node counts. Cisco CML 2.9 API, GET /system_stats."""
        return SystemStats.read(self._object("/system_stats"))

    def system_health(self) -> SystemHealth:
        """CML's own checks and whether it is licensed. Cisco CML 2.9 API, GET /system_health."""
        return SystemHealth.read(self._object("/system_health"))

    def licensing(self) -> Licensing:
        """Registration, authorization and entitlements. Cisco CML 2.9 API, GET /licensing."""
        return Licensing.read(self._object("/licensing"))

    def lab_tiles(self) -> tuple[LabTile, ...]:
        """Every lab that the account sees (an administrator: all), in one call. Cisco CML 2.9 API, GET /populate_lab_tiles.

        Raises CmlUnexpected, and never returns fewer labs, when the answer is not a set of tiles.
        """
        tiles = self._object("/populate_lab_tiles").get("lab_tiles")
        if not isinstance(tiles, dict):
            self._unexpected("GET /populate_lab_tiles", "the answer holds no object 'lab_tiles'")
        return tuple(LabTile.read(lab_id, value) for lab_id, value in tiles.items())

    def _object(self, path: str, *, anonymous: bool = False) -> Mapping[str, Any]:
        """The JSON object at `path`."""
        with deadline(time.monotonic() + self._total_timeout):
            body = self._exchange("GET", path) if anonymous else self._authorized("GET", path)
        answer = self._json(f"GET {path}", body)
        if not isinstance(answer, dict):
            self._unexpected(f"GET {path}", f"the answer is not a JSON object but {type(answer).__name__}")
        return answer

    def _authorized(self, method: str, path: str) -> bytes:
        """The answer's body. A 401 drops the token, logs in once and repeats the call once."""
        if self._credential is None:
            raise CmlRefused(f"No CML account is set for {self.base_url}: enter one in the worker's settings.")
        slot = tokens.slot(base_url=self.base_url, credential=self._credential)
        token = self._token(slot, refused=None)
        status, body = self._send(method, path, token=token)
        if status == 401:
            token = self._token(slot, refused=token)
            status, body = self._send(method, path, token=token)
        return self._checked(method, path, status, body)

    def _token(self, slot: TokenSlot, *, refused: Token | None) -> Token:
        try:
            return slot.token(login=self._login, refused=refused, until=time.monotonic() + remaining())
        except TimeoutError as caught:
            error = self._transport_error(caught)
        raise error

    def _login(self) -> Token:
        """A new token. `auth_extended` is missing from old versions, which know only `authenticate`."""
        try:
            answer = self._json("POST /auth_extended", self._exchange("POST", "/auth_extended", login=True))
        except CmlNotFound:
            answer = self._json("POST /authenticate", self._exchange("POST", "/authenticate", login=True))
        token = answer.get("token") if isinstance(answer, dict) else answer
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            self._unexpected("login", "the answer holds no token")
        return Token(token)

    def _exchange(self, method: str, path: str, *, login: bool = False) -> bytes:
        status, body = self._send(method, path, login=login)
        if login and status >= 300:
            body = b""  # dropped, since CML's validation errors may quote what was sent
        if login and status in (401, 403):
            raise CmlRefused(
                f"CML at {self.base_url} does not accept the user name and password of {self.username!r}: "
                "correct the worker's CML account.",
                f"{method} {path}: HTTP {status}",
            )
        return self._checked(method, path, status, body)

    def _checked(self, method: str, path: str, status: int, body: bytes) -> bytes:
        if 200 <= status < 300:
            return body
        raise from_status(status, body, call=f"{method} {path}", where=self.base_url, username=self.username)

    def _send(self, method: str, path: str, *, token: Token | None = None, login: bool = False) -> tuple[int, bytes]:
        """Status and body of one HTTP exchange. Raises CmlError when there is no complete answer within the limits."""
        session = self._borrow()
        error: CmlError
        try:
            return self._receive(session, method, path, token=token, login=login)
        except CmlError:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as caught:
            error = self._transport_error(caught)
        finally:
            self._give_back(session)
        # Outside the handler, so that the error carries no context: a requests error holds the request with its
        # password or token, which a traceback with local variables would show.
        raise error

    def _receive(
        self, session: requests.Session, method: str, path: str, *, token: Token | None, login: bool
    ) -> tuple[int, bytes]:
        left = remaining()
        credential = self._credential
        with session.request(
            method,
            f"{self.base_url}/api/v0{path}",
            headers={"Authorization": f"Bearer {token.value}"} if token else {},
            json={"username": credential.username, "password": credential.password} if login and credential else None,
            timeout=(min(self._connect_timeout, left), min(self._read_timeout, left)),
            allow_redirects=False,
            stream=True,
        ) as response:
            return response.status_code, self._body(response, f"{method} {path}")

    def _body(self, response: requests.Response, call: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_content(_CHUNK):
            size += len(part)
            if size > self._max_body:
                raise CmlUnexpected(
                    f"The answer of CML at {self.base_url} is larger than {self._max_body} bytes and was not read further.",
                    call,
                )
            parts.append(part)
            remaining()
        return b"".join(parts)

    def _json(self, call: str, body: bytes) -> Any:
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(body, parse_constant=lambda _: None)
        # Outside a handler: the decoder's error holds the body, which may be that of a login.
        return self._unexpected(call, "the answer is not JSON" if body.strip() else "the answer is empty")

    def _unexpected(self, call: str, detail: str) -> NoReturn:
        raise CmlUnexpected(
            f"{self.base_url} answered something that CML does not: check that this address is a CML server.",
            f"{call}: {detail}",
        )

    def _transport_error(self, caught: BaseException) -> CmlError:
        return from_transport(
            caught,
            where=self.base_url,
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
            total_timeout=self._total_timeout,
        )

    def _session(self) -> requests.Session:
        session = requests.Session()
        # Else the process's environment and ~/.netrc could replace the CA, insert a proxy or overwrite our token, that is
        # change the worker's TLS policy behind the operator's back.
        session.trust_env = False
        session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        session.headers["Accept"] = "application/json"
        session.headers["User-Agent"] = session.headers["X-CML-CLIENT"] = "cml-cloud-manager/1"
        session.mount("https://", TlsAdapter(self.tls))
        return session

    def _borrow(self) -> requests.Session:
        # requests.Session is not documented as thread-safe, and threads of a pool come and go: so sessions belong to the
        # client, and a call has one to itself.
        try:
            return self._idle.pop()
        except IndexError:
            return self._session()

    def _give_back(self, session: requests.Session) -> None:
        if self._closed:
            session.close()
        else:
            self._idle.append(session)


def _origin(base_url: str) -> str:
    parts = urllib.parse.urlsplit(base_url.strip())
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"A CML server's address starts with https:// and a host name, unlike {base_url!r}.")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.rstrip("/"):
        raise ValueError("A CML server's address is https://host or https://host:port and nothing more.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{parts.port}" if parts.port else f"https://{host}"


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
