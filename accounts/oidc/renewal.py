"""Sessions of the provider's people go on only while the provider says so: asked from here, with the refresh token, every few minutes.

No redirect is involved, so that a click of htmx, a form and a page's own re-read are all alike. Of requests that come together one asks;
the others go on. docs/sign-in.md says what happens when the provider is away.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from accounts.choices import AccountEvent
from accounts.models import ProviderSession, SignIn, User
from accounts.oidc import calls, discovery, people, tokens
from accounts.oidc.backend import Grant, refresh_token_in, userinfo_of
from accounts.oidc.errors import ProviderAway, ProviderRefused, SignInRefused, TokenRefused
from accounts.oidc.groups import apply_groups
from accounts.oidc.problems import Problem
from accounts.services import sessions
from accounts.signals import account_event
from cmlmanager import vault

logger = logging.getLogger(__name__)
# Where a session keeps when to look at its row again (seconds since the epoch): no query before that.
STAMP = "oidc_renew_at"
# For how long whoever moved renew_at may take: three calls.
_LEASE = timedelta(seconds=90)
# When a provider that is away is asked again for the same session, and for any.
_AGAIN = timedelta(minutes=1)
_OVER = "invalid_grant"  # OAuth's word for a refresh token that no longer counts
_PAUSE = 20.0


class Ended(Exception):
    """The session is over. problem: what its person is told."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


class _Outage:
    """Whether the provider is away, told once, for all sessions of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._asked_at = float("-inf")

    def is_fresh(self) -> bool:
        """Whether it was away a moment ago, so that asking now would only cost somebody time."""
        return self._since is not None and time.monotonic() - self._asked_at < _PAUSE

    def begins(self, error: Exception) -> None:
        with self._lock:
            self._asked_at = time.monotonic()
            if self._since is not None:
                return
            self._since = self._asked_at
        logger.warning("Sessions cannot be renewed, and go on for %s minutes at most: %s", settings.OIDC_GRACE_MINUTES, error)

    def ends(self) -> None:
        with self._lock:
            if self._since is None:
                return
            minutes = (time.monotonic() - self._since) / 60
            self._since = None
        logger.info("Sessions are renewed again, after %.0f minutes.", minutes)


outage = _Outage()


def begin(session: SessionBase, sign_in: SignIn, grant: Grant, *, now: datetime) -> None:
    """Keep for a new session what its renewals need."""
    interval = timedelta(minutes=settings.OIDC_RENEW_MINUTES)
    ProviderSession.objects.update_or_create(
        sign_in=sign_in,
        defaults={
            "id_token_encrypted": vault.encrypt(grant.id_token),
            "refresh_token_encrypted": vault.encrypt(grant.refresh_token) if grant.refresh_token else "",
            "renewed_at": now,
            "renew_at": now + interval,
        },
    )
    session[STAMP] = (now + interval).timestamp()


def is_due(session: SessionBase, *, now: datetime) -> bool:
    """Whether the session is one of the provider's people and should be looked at."""
    stamp = session.get(STAMP)
    return isinstance(stamp, int | float) and stamp <= now.timestamp()


def renew(session: SessionBase, *, now: datetime) -> User | None:
    """Renew what is due, unless another request does. The person with their role of now; None when nothing was done.

    Raises Ended when the provider says that it is over, or the account does.
    """
    kept = _kept(session)
    if kept is None:
        raise Ended(Problem.ENDED, "its row is gone")
    if not _is_ours_to_renew(kept, session, now=now):
        return None
    user = kept.sign_in.user
    try:
        grant = _ask(kept)
        people.follow(user, people.person_of(grant.claims | grant.userinfo))
        apply_groups(user, (grant.claims, grant.userinfo))
    except (ProviderAway, ProviderRefused) as error:
        if isinstance(error, ProviderRefused) and error.code == _OVER:
            raise Ended(Problem.ENDED, str(error)) from error
        # Also when it refuses for another reason, such as a secret that was changed: that is not the person's doing.
        outage.begins(error)
        _put_off(kept, session, now=now)
        return None
    except SignInRefused as error:
        raise Ended(error.problem, str(error)) from error
    except (TokenRefused, vault.UnableToDecrypt) as error:
        raise Ended(Problem.ENDED, str(error)) from error
    outage.ends()
    _keep(kept, grant, session, now=now)
    return user


def end(session: SessionBase, user: User) -> None:
    """The row of a session that the provider ended goes, with its tokens."""
    with suppress(ValueError, TypeError):
        ended, _ = SignIn.objects.filter(pk=uuid.UUID(session.get(sessions.SESSION_KEY, ""))).delete()
        if ended:
            detail = f"one session, by {settings.OIDC_NAME}"
            account_event.send(User, kind=AccountEvent.SESSIONS_ENDED, user=user, by=None, detail=detail, address=None)


def _is_ours_to_renew(kept: ProviderSession, session: SessionBase, *, now: datetime) -> bool:
    """Whether it is due and can be renewed, the provider may answer, and no other request is at it."""
    if kept.renew_at > now:
        session[STAMP] = kept.renew_at.timestamp()
        return False
    if not kept.refresh_token_encrypted or (outage.is_fresh() and _has_grace(kept, now)):
        return False  # it ends when its grace does
    # Whoever moves the time asks: a refresh token that is used twice would end the session at a provider that revokes them.
    return ProviderSession.objects.filter(pk=kept.pk, renew_at=kept.renew_at).update(renew_at=now + _LEASE) == 1


def _ask(kept: ProviderSession) -> Grant:
    """Fresh tokens and claims. Raises ProviderAway, ProviderRefused, TokenRefused, UnableToDecrypt."""
    refresh_token = vault.decrypt(kept.refresh_token_encrypted)
    fields = {
        "grant_type": "refresh_token",
        "client_id": settings.OIDC_RP_CLIENT_ID,
        "client_secret": settings.OIDC_RP_CLIENT_SECRET,
        "refresh_token": refresh_token,
    }
    answer = calls.post(discovery.provider().token_endpoint, fields)
    subject = kept.sign_in.subject
    id_token, claims = vault.decrypt(kept.id_token_encrypted), {"sub": subject}
    if "id_token" in answer:
        id_token = answer["id_token"]
        claims = tokens.verify_renewed_id_token(id_token, subject=subject)
    try:
        userinfo = userinfo_of(answer.get("access_token"), subject=subject)
    except ProviderRefused as error:
        # The token is a second old: it is the person who is no longer welcome.
        raise ProviderRefused(str(error), _OVER) from error
    return Grant(claims, userinfo, id_token, refresh_token_in(answer) or refresh_token)


def _keep(kept: ProviderSession, grant: Grant, session: SessionBase, *, now: datetime) -> None:
    renew_at = now + timedelta(minutes=settings.OIDC_RENEW_MINUTES)
    ProviderSession.objects.filter(pk=kept.pk).update(
        id_token_encrypted=vault.encrypt(grant.id_token),
        refresh_token_encrypted=vault.encrypt(grant.refresh_token),
        renewed_at=now,
        renew_at=renew_at,
    )
    session[STAMP] = renew_at.timestamp()


def _put_off(kept: ProviderSession, session: SessionBase, *, now: datetime) -> None:
    ProviderSession.objects.filter(pk=kept.pk).update(renew_at=now + _AGAIN)
    session[STAMP] = (now + _AGAIN).timestamp()


def _has_grace(kept: ProviderSession, now: datetime) -> bool:
    return now - kept.renewed_at < timedelta(minutes=settings.OIDC_RENEW_MINUTES + settings.OIDC_GRACE_MINUTES)


def _kept(session: SessionBase) -> ProviderSession | None:
    with suppress(ValueError, TypeError):
        pk = uuid.UUID(session.get(sessions.SESSION_KEY, ""))
        return ProviderSession.objects.select_related("sign_in__user").filter(pk=pk).first()
    return None
