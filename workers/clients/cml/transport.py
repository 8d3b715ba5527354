"""What every call is made of: the login, the one repetition after a 401, the check of the status and the reading of JSON."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from workers.clients.cml.errors import CmlNotFound, CmlRefused, CmlUnexpected, description, from_status
from workers.clients.cml.exchange import Body, Call, Exchange, Reply
from workers.clients.cml.tls import deadline, remaining
from workers.clients.cml.tokens import Token, TokenSlot, tokens

__all__ = ["Body", "Call", "Reply", "Transport"]
_UNCERTAIN = (500, 502, 504)  # a proxy's or CML's own failure, perhaps after the work was done


@dataclass(frozen=True)
class LoginAnswer:
    """The JSON of a successful login, wrapped so that a traceback with local variables does not show the token in it."""

    content: Any = field(repr=False)

    @property
    def token(self) -> Token | None:
        """The token, None when there is none that a header can carry."""
        token = self.content.get("token") if isinstance(self.content, dict) else self.content
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            return None
        return Token(token)


class Transport(Exchange):
    """Exchanges with a login, whose answers are checked. Nothing is repeated but a call that got a 401, once.

    Made with the arguments of `Exchange`; every method raises `CmlError`.
    """

    def _anonymous(self, call: Call) -> Reply:
        """A successful answer to a call that needs no account."""
        with deadline(time.monotonic() + self._total_limit(call)):
            return self._checked(call, self._send(call))

    def _authorized(self, call: Call, *, sink: Callable[[bytes], None] | None = None) -> Reply:
        """A successful answer; `sink` as `_send` has it."""
        return self._checked(call, self._answered(call, sink=sink))

    def _answered(self, call: Call, *, sink: Callable[[bytes], None] | None = None) -> Reply:
        """The answer, whatever its status. A 401 drops the token, logs in once and repeats the call once."""
        slot = self._slot()
        with deadline(time.monotonic() + self._total_limit(call)):
            reply = self._send(call, token=self._token(slot, refused=None), sink=sink)
            if reply.status == 401:
                reply = self._send(call, token=self._token(slot, refused=reply.token), sink=sink)
        return reply

    def _slot(self) -> TokenSlot:
        """Where the account's token is kept."""
        if self._credential is None:
            raise CmlRefused(f"No CML account is set for {self.base_url}: enter one in the worker's settings.")
        return tokens.slot(base_url=self.base_url, credential=self._credential)

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
        return self._token_in(path, self._login_answer(path))

    def _token_in(self, path: str, answer: LoginAnswer) -> Token:
        """The token that a login's answer holds."""
        if answer.token is None:
            self._unexpected(Call("POST", path, login=True), "the answer holds no token")
        return answer.token

    def _login_answer(self, path: str) -> LoginAnswer:
        """What CML answers to the right user name and password. Raises CmlRefused when they are not."""
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
        return LoginAnswer(self._json(call, self._checked(call, reply)))

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

    def _get_array(self, path: str) -> list[Any]:
        """The JSON array at `path`."""
        call = Call("GET", path)
        return self._array(call, self._authorized(call))

    def _write(self, method: str, path: str, value: Any) -> dict[str, Any]:
        """The JSON object that CML answers to this one; an empty one when it only says that it is done."""
        call = Call(method, path, Body.of_json(value))
        reply = self._authorized(call)
        return self._object(call, reply) if reply.body.strip() else {}

    def _said(self, call: Call, reply: Reply) -> str:
        """CML's own words in an answer that is no success."""
        return description(reply.body, secrets=_secrets(call, reply))

    def _object(self, call: Call, reply: Reply) -> dict[str, Any]:
        """The JSON object that the reply holds."""
        answer = self._json(call, reply)
        if not isinstance(answer, dict):
            self._unexpected(call, f"the answer is not a JSON object but {type(answer).__name__}")
        return answer

    def _array(self, call: Call, reply: Reply) -> list[Any]:
        """The JSON array that the reply holds."""
        answer = self._json(call, reply)
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


def _secrets(call: Call, reply: Reply) -> list[str]:
    """What the request carried that nobody may read."""
    return [*(call.body.secrets if call.body else ()), *([reply.token.value] if reply.token else ())]
