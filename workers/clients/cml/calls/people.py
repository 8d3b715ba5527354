"""Calls about the server's accounts, and which of them the portal is."""

from __future__ import annotations

import time

from workers.clients.cml.answers.people import CmlAccount, CmlUser
from workers.clients.cml.tls import deadline
from workers.clients.cml.transport import Call, Transport


class PeopleCalls(Transport):
    """Who is who."""

    def account(self) -> CmlAccount:
        """Who the portal is here, from a new login, which proves the password too. Cisco CML 2.9 API, POST /auth_extended."""
        call = Call("POST", "/auth_extended", login=True)
        slot = self._slot()
        with deadline(time.monotonic() + self._total_limit(call)):
            answer = self._login_answer(call.path)
        slot.renew(self._token_in(call.path, answer))
        account = CmlAccount.read(answer.content)
        if not account.user_id:
            self._unexpected(call, "the answer holds no id")
        return account

    def users(self) -> tuple[CmlUser, ...]:
        """Every account. Cisco CML 2.9 API, GET /users."""
        return tuple(CmlUser.read(value) for value in self._get_array("/users"))
