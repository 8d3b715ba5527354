"""Who may open a stream and who may keep it: short questions to the database, in two threads that no stream holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import get_user
from django.db import connections
from django.http import HttpRequest
from django.utils import timezone
from django_eventstream.utils import get_channelmanager

from accounts.services.sessions import sign_in_of

Answer = TypeVar("Answer")
# Seconds after which the database counts as away.
_PATIENCE = 10.0
_TOGETHER = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """user_id: whose session it is, None when nobody is signed in. denied: the channels that this person may not read."""

    user_id: str | None
    denied: frozenset[str]


Question = tuple[str, frozenset[str]]


def credential_of(request: HttpRequest) -> str:
    """By what the request says who it is: the session's key, or "". Bearer tokens of the API will be read here, and judged in `_user_of`."""
    return request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")


class Authorizer:
    """Asks Django's sessions, authentication and permissions from an event loop."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[Question, asyncio.Future[Verdict]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, session_key: str, channels: frozenset[str]) -> Verdict:
        """The verdict on one session. Raises TimeoutError or django.db.Error when the database does not answer.

        Questions that come while another is answered are then asked together: after a restart every page comes back at once.
        """
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(((session_key, channels), verdict))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_waiting(), name="live-authorize")
        return await verdict

    async def _ask_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            try:
                verdicts = await self.ask_all([question for question, _ in batch])
            except Exception as error:  # whatever it was, it is each asker's answer
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), verdict in zip(batch, verdicts, strict=True):
                    if not future.done():
                        future.set_result(verdict)

    async def ask_all(self, questions: Sequence[Question]) -> list[Verdict]:
        """The verdicts on many sessions, in one turn of one thread. Raises as `ask` does."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="live-authorize")
        work = asyncio.get_running_loop().run_in_executor(self._threads, _with_own_connections, lambda: judge_all(questions))
        return await asyncio.wait_for(work, _PATIENCE + len(questions) / 100)

    def stop(self) -> None:
        """Let the threads end; a question that is under way is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _with_own_connections(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    finally:
        # These threads serve all pages of a process: a connection kept here would be one that nobody else can use.
        connections.close_all()


def judge_all(questions: Iterable[Question]) -> list[Verdict]:
    """Each session's person and the channels denied to them, as the database says now.

    A session and a person are read for each question; permissions once for each person.
    """
    manager = get_channelmanager()
    known: dict[tuple[str, str], bool] = {}
    verdicts = []
    for session_key, channels in questions:
        user = _user_of(session_key)
        if user is None:
            verdicts.append(Verdict(None, channels))
            continue
        for channel in channels:
            if (user.pk, channel) not in known:
                known[user.pk, channel] = manager.can_read_channel(user, channel)
        verdicts.append(Verdict(str(user.pk), frozenset(c for c in channels if not known[user.pk, c])))
    return verdicts


class _SessionData(dict[str, Any]):
    """What a session holds. `get_user` deletes or renews one that fails its check; our answers tell the browser neither."""

    def flush(self) -> None:
        self.clear()

    def cycle_key(self) -> None:
        pass


def _user_of(session_key: str) -> Any:
    """The active person signed in with `session_key`, or None: expired, signed out, password changed, deactivated, unknown."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    request = HttpRequest()
    request.session = _SessionData(session.load())  # type: ignore[assignment]
    user = get_user(request)
    if not user.is_authenticated or not user.is_active:
        return None
    return user if sign_in_of(request.session, user, now=timezone.now()) else None
