"""Sessions of people: begun at sign-in, kept alive by what their person does, ended by their person, an administrator or Keycloak."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from importlib import import_module
from typing import Any

from allauth.core.internal.httpkit import get_client_ip
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from accounts.choices import AccountEvent, SignInMethod
from accounts.models import SignIn, User
from accounts.models.sign_in import USER_AGENT_LENGTH, SignInQuerySet
from accounts.signals import account_event

# Where a session keeps the id of its row.
SESSION_KEY = "sign_in"
# How exact "last seen" is, in seconds: a page that is clicked through writes no more often.
_EXACT_TO = 60.0
# The session whose request is being served, so that a change of one's own password does not end it.
serving: ContextVar[uuid.UUID | None] = ContextVar("serving", default=None)


def record_sign_in(
    request: HttpRequest,
    user: User,
    *,
    method: str,
    issuer: str = "",
    sid: str = "",
    subject: str = "",
    now: datetime | None = None,
) -> SignIn:
    """Begin the session of `user` in `request.session`, or say more of the one that begins: Django's login() has begun it already.

    method: a SignInMethod; issuer, subject and sid are Keycloak's names of itself, the person and their session.
    """
    now = now or timezone.now()
    known: dict[str, Any] = {"method": method, "issuer": issuer, "subject": subject, "sid": sid}
    current = _id_in(request.session)
    if current and SignIn.objects.filter(pk=current, user=user).update(**known):
        return SignIn.objects.get(pk=current)
    before: SignIn | None = getattr(request, "sign_in", None)
    if before is not None and before.user_id != user.pk:  # who used this browser until now
        before.delete()
    sign_in = SignIn.objects.create(
        user=user,
        started_at=now,
        last_seen_at=now,
        address=address_of(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:USER_AGENT_LENGTH],
        **known,
    )
    request.session[SESSION_KEY] = str(sign_in.pk)
    return sign_in


def end_sessions(
    *,
    user: User | None = None,
    issuer: str | None = None,
    sid: str | None = None,
    subject: str | None = None,
    except_key: str | None = None,
    by: User | None = None,
    why: str = "",
    address: str | None = None,
    now: datetime,
) -> int:
    """End the sessions that all of what is given fits, except the one with the session key `except_key`; returns how many were ended.

    Their pages are refused at once, their streams end at the next re-check. `user`, `sid` or `subject` must be given: nobody ends
    everybody's. by: who did it, None the portal or Keycloak; `why` and their `address` go to the audit.
    """
    if user is None and not sid and not subject:
        raise ValueError("Say whose sessions are to end: user, sid or subject.")
    found = SignIn.objects.all()
    if user is not None:
        found = found.filter(user=user)
    if issuer is not None:
        found = found.filter(issuer=issuer)
    if sid:
        found = found.filter(sid=sid)
    if subject:
        found = found.filter(subject=subject)
    if except_key and (kept := _id_in(_stored(except_key))):
        found = found.exclude(pk=kept)
    return _end(found, by=by, why=why, address=address, now=now)


def end_chosen(chosen: Iterable[uuid.UUID], *, user: User | None = None, by: User, address: str | None, now: datetime) -> int:
    """End the sessions with these ids, of `user` if given; returns how many there were."""
    found = SignIn.objects.filter(pk__in=list(chosen))
    return _end(found if user is None else found.filter(user=user), by=by, why="", address=address, now=now)


def _end(found: SignInQuerySet, *, by: User | None, why: str, address: str | None, now: datetime) -> int:
    alive = set(found.alive(now).values_list("pk", flat=True))
    ended: Counter[User] = Counter()
    for sign_in in found.select_related("user"):
        # One by one: of two who end the same session one does it, and one line of the audit is written.
        if SignIn.objects.filter(pk=sign_in.pk).delete()[0] and sign_in.pk in alive:
            ended[sign_in.user] += 1
    for person, count in ended.items():
        detail = ", ".join(filter(None, ["one session" if count == 1 else f"{count} sessions", why]))
        account_event.send(User, kind=AccountEvent.SESSIONS_ENDED, user=person, by=by, detail=detail, address=address)
    return ended.total()


def signed_out(request: HttpRequest) -> None:
    """The person of this session leaves: no session of theirs is left behind here."""
    if sign_in_id := _id_in(request.session):
        SignIn.objects.filter(pk=sign_in_id).delete()


def sign_in_of(session: SessionBase, user: User, *, now: datetime) -> SignIn | None:
    """The living sign-in behind a session of `user`; None: it was ended, or is over."""
    sign_in_id = _id_in(session)
    if sign_in_id is None:
        return None
    return SignIn.objects.alive(now).filter(pk=sign_in_id, user=user).first()


def touch(sign_in: SignIn, *, address: str | None, now: datetime, exactly: bool = False) -> None:
    """Its person did something at `now`. Written at most once a minute, or `exactly`; never brings an ended session back."""
    exact_to = min(_EXACT_TO, (settings.SESSION_IDLE_SECONDS or 3600) / 5)
    if not exactly and (now - sign_in.last_seen_at).total_seconds() < exact_to:
        return
    sign_in.last_seen_at, sign_in.address = max(now, sign_in.last_seen_at), address
    SignIn.objects.filter(pk=sign_in.pk).update(last_seen_at=sign_in.last_seen_at, address=address)


def prune(*, now: datetime) -> int:
    """Forget sessions that are over, and what Django stored of them; returns how many."""
    count, _ = SignIn.objects.over(now).delete()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return count


def address_of(request: HttpRequest) -> str | None:
    """The client's address, behind TRUSTED_PROXY_COUNT proxies; None when the server does not know it."""
    address: str | None = get_client_ip(request)
    return address


def _stored(session_key: str) -> SessionBase:
    session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return session


def _id_in(session: Any) -> uuid.UUID | None:
    with suppress(ValueError, TypeError):
        return uuid.UUID(session.get(SESSION_KEY, ""))
    return None


def method_of(backend: str) -> SignInMethod:
    """How somebody signed in whom the authentication backend `backend` (a dotted path) let in."""
    return SignInMethod.KEYCLOAK if "oidc" in backend.lower() else SignInMethod.LOCAL


def end_by_new_password(user: User, *, now: datetime) -> int:
    """A changed password ends every session of `user` but the one in which they changed it themselves."""
    found, by = SignIn.objects.filter(user=user), None
    if mine := serving.get():
        by = user if found.filter(pk=mine).exists() else None
        found = found.exclude(pk=mine)
    return _end(found, by=by, why="the password was changed", address=None, now=now)
