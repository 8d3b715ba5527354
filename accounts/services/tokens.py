"""Personal API tokens: made, shown once, revoked."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.choices import AccountEvent
from accounts.models import ApiToken, User
from accounts.models.api_token import NAME_LENGTH
from accounts.roles import Role
from accounts.services import bearers
from accounts.signals import account_event

_KEPT_DAYS = 90


class UnableToMake(Exception):
    """No token was made; the message says why. `field`: name, scope or days, or "" for what is about none of them."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


def roles_for(user: User) -> list[Role]:
    """The roles that a token of `user` may have, least first: none above their own."""
    roles = list(Role)
    return roles[: roles.index(user.role) + 1] if user.role else []


def make(
    user: User, *, name: str, scope: Role, days: int, by: User | None, address: str | None, now: datetime
) -> tuple[ApiToken, str]:
    """A new token of `user` and its text, which nobody can read again. by: None, an operator at a shell. Raises UnableToMake."""
    _check(user, name=name, scope=scope, days=days)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two at once could be one too many
        usable = user.api_tokens.usable(now)
        if usable.count() >= settings.API_TOKENS_PER_PERSON:
            limit = settings.API_TOKENS_PER_PERSON
            raise UnableToMake(f"{user} has {limit} tokens already, and that is the limit here. Revoke one that is not needed.")
        if user.api_tokens.filter(name=name, revoked_at__isnull=True).exists():
            raise UnableToMake("There is a token of this name already. Choose another, or revoke that one first.", "name")
        text = bearers.new_token()
        token = ApiToken.objects.create(
            user=user,
            name=name,
            scope=scope,
            prefix=text[: bearers.PREFIX_LENGTH],
            token_hash=bearers.hash_of(text),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        detail = f"{token}, {scope.label}, for {days} day{'' if days == 1 else 's'}"
        account_event.send(User, kind=AccountEvent.TOKEN_CREATED, user=user, by=by, detail=detail, address=address)
    return token, text


def _check(user: User, *, name: str, scope: Role, days: int) -> None:
    if not user.is_active:
        raise UnableToMake(f"The account {user} is switched off.")
    if user.role is None:
        raise UnableToMake(f"{user} has no role, so a token could do nothing.")
    if scope not in roles_for(user):
        raise UnableToMake(f"A token may do no more than its person: {user} is {user.role.label}.", "scope")
    if not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
        raise UnableToMake(f"Give the token a name of at most {NAME_LENGTH} characters that says where it is used.", "name")
    if not 1 <= days <= settings.API_TOKEN_DAYS:
        raise UnableToMake(f"A token may last from 1 to {settings.API_TOKEN_DAYS} days here.", "days")


def revoke(token: ApiToken, *, by: User | None, address: str | None, now: datetime) -> bool:
    """From now on it opens nothing; streams that it opened end at their next re-check. False: it was revoked before."""
    with transaction.atomic():
        if not ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
            return False
        kind = AccountEvent.TOKEN_REVOKED
        account_event.send(User, kind=kind, user=token.user, by=by, detail=str(token), address=address)
    return True


def prune(*, now: datetime) -> int:
    """Forget tokens that have been good for nothing for a season; returns how many. The audit keeps their story."""
    long_ago = now - timedelta(days=_KEPT_DAYS)
    count, _ = ApiToken.objects.filter(Q(expires_at__lt=long_ago) | Q(revoked_at__lt=long_ago)).delete()
    return count
