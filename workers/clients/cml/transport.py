"""One HTTP exchange with one CML server: connections, limits, the login and the one repetition after a 401."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import requests
import urllib3.exceptions

from workers.clients.cml.addresses import origin
from workers.clients.cml.errors import CmlError, CmlNotFound, CmlRefused, CmlUnexpected, from_status, from_transport, was_sent
from workers.clients.cml.tls import SYSTEM_CA, TlsAdapter, TlsPolicy, deadline, remaining
from workers.clients.cml.tokens import Credential, Token, TokenSlot, tokens

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
TOTAL_TIMEOUT = 60.0
LONG_TIMEOUT = 120.0
MAX_BODY = 20 * 1024 * 1024
MAX_LARGE_BODY = 64 * 1024 * 1024
_MAX_ERROR_BODY = 256 * 1024
_CHUNK = 64 * 1024
_UNCERTAIN = (500, 502, 504)  # a proxy's or CML's own failure, perhaps after the work was done


@dataclass(frozen=True)
class Body:
    """What a request carries. Wrapped so that a traceback with local variables does not show it; `secrets` are its secret parts."""

    content: bytes = field(repr=False)
    content_type: str = "application/json"
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


class Transport:
    """The exchanges of one account with one CML server. Threads may share it: each call borrows a connection of its own.

    `base_url` is `https://host` or `https://host:port`; plain HTTP is refused, since the password would cross it.
    `connect_timeout` and `read_timeout` (seconds) bound each wait, `total_timeout` the whole call with its login and its
    repetition; long calls have `long_timeout` for both. `max_body` and, for large ones, `max_large_body` (bytes) bound the
    unpacked answer. Redirects are not followed. Nothing is repeated but a call that got a 401.

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

    def _anonymous(self, call: Call) -> Reply:
        """A successful answer to a call that needs no account."""
        with deadline(time.monotonic() + self._total_limit(call)):
            return self._checked(call, self._send(call))

    def _authorized(self, call: Call, *, sink: Callable[[bytes], None] | None = None) -> Reply:
        """A successful answer; `sink` as `_send` has it."""
        return self._checked(call, self._answered(call, sink=sink))

    def _answered(self, call: Call, *, sink: Callable[[bytes], None] | None = None) -> Reply:
        """The answer, whatever its status. A 401 drops the token, logs in once and repeats the call once."""
        if self._credential is None:
            raise CmlRefused(f"No CML account is set for {self.base_url}: enter one in the worker's settings.")
        slot = tokens.slot(base_url=self.base_url, credential=self._credential)
        with deadline(time.monotonic() + self._total_limit(call)):
            reply = self._send(call, token=self._token(slot, refused=None), sink=sink)
            if reply.status == 401:
                reply = self._send(call, token=self._token(slot, refused=reply.token), sink=sink)
        return reply

    def _token(self, slot: TokenSlot, *, refused: Token | None) -> Token:
        try:
            return slot.token(login=self._login, refused=refused, until=time.monotonic() + remaining())
        except TimeoutError as caught:
            error = self._transport_error(caught, Call("POST", "/auth_extended", login=True))
        raise error

    def _login(self) -> Token:
        """A new token. `auth_extended` is missing from old versions, which know only `authenticate`."""
        try:
            return self._token_from("/auth_extended")
        except CmlNotFound:
            return self._token_from("/authenticate")

    def _token_from(self, path: str) -> Token:
        answer = self._login_answer(path)
        token = answer.get("token") if isinstance(answer, dict) else answer
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            self._unexpected(Call("POST", path, login=True), "the answer holds no token")
        return Token(token)

    def _login_answer(self, path: str) -> Any:
        """What CML answers to the right user name and password, as JSON. Raises CmlRefused when they are not."""
        credential = self._credential
        assert credential is not None
        body = Body.of_json({"username": credential.username, "password": credential.password})
        call = Call("POST", path, body, login=True)
        reply = self._send(call)
        if reply.status in (401, 403):
            raise CmlRefused(
                f"CML at {self.base_url} does not accept the user name and password of {self.username!r}: "
                "correct the worker's CML account.",
                f"{call.name}: HTTP {reply.status}",
            )
        if reply.status >= 300:
            reply = Reply(reply.status, b"")  # dropped, since CML's validation errors may quote what was sent
        return self._json(call, self._checked(call, reply))

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
        headers = {"Authorization": f"Bearer {token.value}"} if token else {}
        if call.body:
            headers["Content-Type"] = call.body.content_type
        with session.request(
            call.method,
            f"{self.base_url}/api/v0{call.path}",
            headers=headers,
            data=call.body.content if call.body else None,
            timeout=(min(self._connect_timeout, left), min(self._read_limit(call), left)),
            allow_redirects=False,
            stream=True,
        ) as response:
            status = response.status_code
            parts: list[bytes] = []
            take = sink if sink and status < 300 else parts.append
            for part in self._pieces(response, call):
                take(part)
            return Reply(status, b"".join(parts), token)

    def _pieces(self, response: requests.Response, call: Call) -> Iterator[bytes]:
        """The unpacked answer; an error's is cut where no description can be that long any more."""
        most = self._max_large_body if call.large else self._max_body
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

    def _checked(self, call: Call, reply: Reply) -> Reply:
        """The reply when it is a success. Raises CmlError otherwise."""
        if 200 <= reply.status < 300:
            return reply
        error = from_status(
            reply.status,
            reply.body,
            call=call.name,
            where=self.base_url,
            username=self.username,
            secrets=_secrets(call, reply),  # no local variable, which a traceback would show
        )
        raise error.uncertain() if call.writes and reply.status in _UNCERTAIN else error

    def _get_object(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`."""
        call = Call("GET", path)
        return self._object(call, self._authorized(call))

    def _object(self, call: Call, reply: Reply) -> dict[str, Any]:
        """The JSON object that the reply holds."""
        answer = self._json(call, reply)
        if not isinstance(answer, dict):
            self._unexpected(call, f"the answer is not a JSON object but {type(answer).__name__}")
        return answer

    def _array(self, call: Call, reply: Reply) -> list[Any]:
        """The JSON array that the reply holds; also the values of an object, since some versions key arrays by id."""
        answer = self._json(call, reply)
        if isinstance(answer, dict):
            return list(answer.values())
        if not isinstance(answer, list):
            self._unexpected(call, f"the answer is not a JSON array but {type(answer).__name__}")
        return answer

    def _json(self, call: Call, reply: Reply) -> Any:
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(reply.body, parse_constant=lambda _: None)
        # Outside a handler: the decoder's error holds the body, which may be that of a login.
        return self._unexpected(call, "the answer is not JSON" if reply.body.strip() else "the answer is empty")

    def _unexpected(self, call: Call, detail: str) -> NoReturn:
        error = CmlUnexpected(
            f"{self.base_url} answered something that CML does not: check that this address is a CML server.",
            f"{call.name}: {detail}",
        )
        raise error.uncertain() if call.writes else error

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


def _secrets(call: Call, reply: Reply) -> list[str]:
    """What the request carried that nobody may read."""
    return [*(call.body.secrets if call.body else ()), *([reply.token.value] if reply.token else ())]
