"""Who may open a stream and who may keep it: short questions to the database, in two threads that no stream holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, get_user
from django.db import connections
from django.http import HttpRequest
from django.utils import timezone
from django_eventstream.utils import get_channelmanager

from accounts.local import duties
from accounts.services.bearers import BearerRefused, identify
from accounts.services.sessions import address_of, sign_in_of

Answer = TypeVar("Answer")
# Seconds after which the database counts as away.
_PATIENCE = 10.0
_TOGETHER = 200


@dataclass(frozen=True, slots=True)
class Credential:
    """By what a request says who it is. Kept in memory only, for as long as its stream is open, and never printed.

    session_key: of a page. authorization: the whole header of a program, which then counts instead. address: the client's, or None.
    """

    session_key: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)
    address: str | None = field(default=None, compare=False)

    def __bool__(self) -> bool:
        return bool(self.session_key or self.authorization)


@dataclass(frozen=True, slots=True)
class Verdict:
    """user_id: whose credential it is, None when it is nobody's; `refusal` may then say why.

    denied: the channels that this person may not read. powers: changes when what they may do at all changes; of this process only.
    """

    user_id: str | None
    denied: frozenset[str]
    powers: int = 0
    refusal: str = ""


Question = tuple[Credential, frozenset[str]]


def credential_of(request: HttpRequest) -> Credential:
    """What a request for the stream brings. A bearer token counts before a session; another scheme is a proxy's business."""
    authorization = request.headers.get("Authorization", "")
    if authorization.partition(" ")[0].lower() == "bearer":
        return Credential(authorization=authorization, address=address_of(request))
    return Credential(session_key=request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""))


class Authorizer:
    """Asks Django's sessions, authentication and permissions from an event loop."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[Question, asyncio.Future[Verdict]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, credential: Credential, channels: frozenset[str]) -> Verdict:
        """The verdict on one credential. Raises TimeoutError or django.db.Error when the database does not answer.

        Questions that come while another is answered are then asked together: after a restart every page comes back at once.
        """
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(((credential, channels), verdict))
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
        """The verdicts on many credentials, in one turn of one thread. Raises as `ask` does."""
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
    """Each credential's person and the channels denied to them, as the database says now.

    A credential and a person are read for each question; permissions once for each person and token.
    """
    manager = get_channelmanager()
    known: dict[tuple[str, str, str], bool] = {}
    powers: dict[tuple[str, str], int] = {}
    verdicts = []
    for credential, channels in questions:
        try:
            user = _user_of(credential)
        except BearerRefused as refused:
            verdicts.append(Verdict(None, channels, refusal=str(refused)))
            continue
        if user is None:
            verdicts.append(Verdict(None, channels))
            continue
        who = (user.pk, user.credential)
        for channel in channels:
            if (*who, channel) not in known:
                known[*who, channel] = manager.can_read_channel(user, channel)
        if who not in powers:
            powers[who] = hash("*" if user.is_superuser and not user.credential else frozenset(user.get_all_permissions()))
        denied = frozenset(channel for channel in channels if not known[*who, channel])
        verdicts.append(Verdict(str(user.pk), denied, powers[who]))
    return verdicts


class _SessionData(dict[str, Any]):
    """What a session holds. `get_user` deletes or renews one that fails its check; our answers tell the browser neither."""

    def flush(self) -> None:
        self.clear()

    def cycle_key(self) -> None:
        pass


def _user_of(credential: Credential) -> Any:
    """The active person whose credential it is, or None: expired, signed out, password changed, deactivated, unknown.

    Raises BearerRefused for a token that opens nothing.
    """
    now = timezone.now()
    if credential.authorization:
        return identify(credential.authorization, now=now, address=credential.address)
    session = import_module(settings.SESSION_ENGINE).SessionStore(credential.session_key)
    request = HttpRequest()
    request.session = _SessionData(session.load())  # type: ignore[assignment]
    user = get_user(request)
    if not user.is_authenticated or not user.is_active:
        return None
    # Whoever must first choose a password or set up a second factor is told nothing either.
    if duties.outstanding(user, request.session.get(BACKEND_SESSION_KEY)) is not None:
        return None
    return user if sign_in_of(request.session, user, now=now) else None
