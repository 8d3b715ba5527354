"""What happens to people and their roles, as lines of the audit. accounts sends the signals and knows nothing of the audit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from accounts.choices import AccountEvent
from accounts.models import User
from accounts.roles import Role
from accounts.signals import account_event, role_changed
from workers.choices import ActorKind, EventKind
from workers.models import Event
from workers.notification_choices import NoticeType, Severity
from workers.services.notifications import Notice, post
from workers.services.record import SYSTEM, Actor

ACCOUNT_EVENT = "workers.people.account_event"


def connect() -> None:
    """Once, when the app is ready."""
    role_changed.connect(_role_changed, dispatch_uid="workers.people.role_changed")
    account_event.connect(_account_event, dispatch_uid=ACCOUNT_EVENT)


def _role_changed(
    sender: Any, *, user: User, before: Any, after: Any, by: User | None = None, source: str = "", **kwargs: Any
) -> None:
    words = {"before": _role(before), "after": _role(after)}
    if words["before"] != words["after"]:
        _line(EventKind.ROLE_CHANGED, user, by=by, detail=source, address=kwargs.get("address"), **words)


def _account_event(
    sender: Any,
    *,
    kind: str,
    user: User | None,
    by: User | None = None,
    detail: str = "",
    address: str | None = None,
    **kwargs: Any,
) -> None:
    """`before` and `after` may come along, for what has them."""
    told = AccountEvent(str(kind))
    words = {name: str(kwargs.get(name) or "") for name in ("before", "after")}
    _line(EventKind(f"person.{told.value}"), user, by=by, detail=detail, address=address, **words)
    if told == AccountEvent.BREAK_GLASS and user is not None:
        _alarm(user, detail)


def _role(value: Any) -> str:
    """A role, several, or none, in words."""
    if isinstance(value, str) or value is None:
        return Role(value).label if value in Role.values else (value or "No role")
    names: Iterable[Any] = value
    return ", ".join(sorted(_role(name) for name in names)) or "No role"


def _line(
    kind: EventKind, user: User | None, *, by: User | None, detail: str, address: str | None, before: str, after: str
) -> None:
    actor = Actor(kind=ActorKind.PERSON, user=by) if by is not None else SYSTEM
    Event.objects.create(
        at=timezone.now(),
        kind=kind,
        subject_name=(user.get_username() if user is not None else "")[:255],
        actor_kind=actor.kind,
        actor=actor.user,
        actor_name=actor.name[:150],
        before=before[:500],
        after=after[:500],
        detail=detail[:500],
        from_address=address or None,
    )


def _alarm(user: User, detail: str) -> None:
    """The people who are told of alerts hear of the break-glass account, too."""
    name = user.get_username()
    sentence = (
        f"The break-glass account {name} was used: {detail}. If nobody of you did it, end its sessions and look at the audit."
    )
    notice = Notice(
        type=NoticeType.BREAK_GLASS,
        severity=Severity.CRITICAL,
        title=f"Break-glass account {name}",
        sentence=sentence,
        path="/audit/?about=person",
        data={"username": name, "what": detail},
    )
    post(notice, now=timezone.now())
