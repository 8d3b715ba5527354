"""One HTTP exchange with one CML server: its connections, and its limits of time and size."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import requests.auth
import urllib3.exceptions

from workers.clients.cml.addresses import origin
from workers.clients.cml.errors import CmlError, CmlUnexpected, from_transport, was_sent
from workers.clients.cml.tls import SYSTEM_CA, TlsAdapter, TlsPolicy, remaining
from workers.clients.cml.tokens import Credential, Token

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
TOTAL_TIMEOUT = 60.0
LONG_TIMEOUT = 120.0
MAX_BODY = 20 * 1024 * 1024
MAX_LARGE_BODY = 64 * 1024 * 1024
_MAX_STREAMED_BODY = 512 * 1024 * 1024  # never held in memory, so that its time is the narrower limit
_MAX_ERROR_BODY = 256 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Body:
    """What a request carries. Wrapped so that a traceback with local variables does not show it; `secrets` are its secret parts."""

    content: bytes = field(repr=False)
    content_type: str = "application/json"  # "" sends none
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of_json(cls, value: Any, *, secrets: Iterable[str] = ()) -> Body:
        return cls(json.dumps(value).encode(), secrets=tuple(secrets))


@dataclass(frozen=True)
class Call:
    """One call: `long` ones have more time, since CML composes their answer or digests their body first; `large` ones more bytes."""

    method: str
    path: str
    body: Body | None = None
    long: bool = False
    large: bool = False
    login: bool = False

    @property
    def writes(self) -> bool:
        """Whether it changes anything that a repetition could change twice."""
        return self.method != "GET" and not self.login

    @property
    def name(self) -> str:
        """The call without its query, for messages."""
        return f"{self.method} {self.path.partition('?')[0]}"


@dataclass(frozen=True)
class Reply:
    """A complete answer, and the token that the request carried."""

    status: int
    body: bytes = field(repr=False)  # that of a login holds a token
    token: Token | None = None


@dataclass(frozen=True)
class _Bearer(requests.auth.AuthBase):
    """Puts the token into the request as late as possible: no local variable of ours holds the header."""

    token: Token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token.value}"
        return request


class Exchange:
    """HTTP exchanges of one account with one CML server. Threads may share it: each call borrows a connection of its own.

    `base_url` is `https://host` or `https://host:port`; plain HTTP is refused, since the password would cross it.
    `connect_timeout` and `read_timeout` (seconds) bound each wait, `total_timeout` the whole call with its login and its
    repetition; long calls have `long_timeout` for both. `max_body` and, for large ones, `max_large_body` (bytes) bound the
    unpacked answer. Redirects are not followed,
    and nothing is repeated.

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
        long_timeout: float = LONG_TIMEOUT,
        max_body: int = MAX_BODY,
        max_large_body: int = MAX_LARGE_BODY,
    ) -> None:
        self.base_url = origin(base_url)
        self.tls = tls
        self._credential = credential
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._total_timeout = total_timeout
        self._long_timeout = long_timeout
        self._max_body = max_body
        self._max_large_body = max_large_body
        self._idle: deque[requests.Session] = deque([self._session()])  # made now so that a bad CA bundle is found here
        self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url} as {self.username or 'nobody'}>"

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

    def _send(self, call: Call, *, token: Token | None = None, sink: Callable[[bytes], None] | None = None) -> Reply:
        """One HTTP exchange. A good answer goes to `sink` in pieces when there is one, and Reply.body is empty then.

        Raises CmlError when there is no complete answer within the limits.
        """
        session = self._borrow()
        error: CmlError
        try:
            return self._receive(session, call, token=token, sink=sink)
        except CmlError:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as caught:
            error = self._transport_error(caught, call)
        finally:
            self._give_back(session)
        # Outside the handler, so that the error carries no context: a requests error holds the request with its
        # password or token, which a traceback with local variables would show.
        raise error

    def _receive(
        self, session: requests.Session, call: Call, *, token: Token | None, sink: Callable[[bytes], None] | None
    ) -> Reply:
        left = remaining()
        with session.request(
            call.method,
            f"{self.base_url}/api/v0{call.path}",
            headers={"Content-Type": call.body.content_type} if call.body and call.body.content_type else {},
            auth=_Bearer(token) if token else None,
            data=call.body.content if call.body else None,
            timeout=(min(self._connect_timeout, left), min(self._read_limit(call), left)),
            allow_redirects=False,
            stream=True,
        ) as response:
            status = response.status_code
            parts: list[bytes] = []
            take = sink if sink and status < 300 else parts.append
            for part in self._pieces(response, call, streamed=sink is not None):
                take(part)
            return Reply(status, b"".join(parts), token)

    def _pieces(self, response: requests.Response, call: Call, *, streamed: bool) -> Iterator[bytes]:
        """The unpacked answer; an error's is cut where no description can be that long any more."""
        most = _MAX_STREAMED_BODY if streamed else self._max_large_body if call.large else self._max_body
        size = 0
        for part in response.iter_content(_CHUNK):
            size += len(part)
            if response.status_code >= 300 and size > _MAX_ERROR_BODY:
                return
            if size > most:
                error = CmlUnexpected(
                    f"The answer of CML at {self.base_url} is larger than {most} bytes and was not read further.", call.name
                )
                raise error.uncertain() if call.writes else error
            yield part
            remaining()

    def _transport_error(self, caught: BaseException, call: Call) -> CmlError:
        error = from_transport(
            caught,
            where=self.base_url,
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_limit(call),
            total_timeout=self._total_limit(call),
        )
        return error.uncertain() if call.writes and was_sent(caught) else error

    def _read_limit(self, call: Call) -> float:
        return self._long_timeout if call.long else self._read_timeout

    def _total_limit(self, call: Call) -> float:
        return self._long_timeout if call.long else self._total_timeout

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
