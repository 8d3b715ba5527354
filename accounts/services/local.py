"""What operators do with local accounts. Each is told to the audit; the caller says who did it."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import get_random_string

from accounts import signals
from accounts.choices import AccountEvent
from accounts.local import lockout
from accounts.models import User
from accounts.services.sessions import address_of

_LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look like another


class UnableToMake(Exception):
    """The account was not made; the sentence says why."""


def tell(kind: AccountEvent, request: HttpRequest, *, user: User | None, by: User | None, detail: str = "") -> None:
    """What a request brought about, with the client's address."""
    signals.account_event.send(User, kind=kind, user=user, by=by, detail=detail, address=address_of(request))


def _tell(kind: AccountEvent, user: User, *, by: User | None, detail: str = "", address: str | None = None) -> None:
    signals.account_event.send(User, kind=kind, user=user, by=by, detail=detail, address=address)


def unlock(*, user: User, by: User | None, detail: str = "", address: str | None = None) -> bool:
    """Let somebody try again who failed too often. Returns whether they were locked out; their failures are forgotten anyway."""
    was_locked = lockout.is_locked(user)
    lockout.clear(user)
    if was_locked:
        _tell(AccountEvent.UNLOCKED, user, by=by, detail=detail, address=address)
    return was_locked


@transaction.atomic
def remove_second_factors(*, user: User, by: User | None, detail: str = "", address: str | None = None) -> int:
    """Of somebody who lost theirs: app, passkeys and recovery codes. Returns how many there were."""
    removed, _ = Authenticator.objects.filter(user=user).delete()
    if removed:
        _tell(AccountEvent.FACTOR_REMOVED, user, by=by, detail=detail or "all of them, by an operator", address=address)
    return removed


@transaction.atomic
def require_new_password(*, user: User, by: User | None, address: str | None = None) -> bool:
    """At the next page this person must choose a new password. Returns False for accounts without one, and where it is due already."""
    if not user.has_usable_password() or user.must_change_password:
        return False
    User.objects.filter(pk=user.pk).update(must_change_password=True)
    _tell(AccountEvent.PASSWORD_RESET, user, by=by, detail="a new one must be chosen at the next page", address=address)
    return True


@transaction.atomic
def note_password_set(*, user: User, by: User, address: str | None = None) -> None:
    """An operator has given somebody a password, or taken it away: whoever knows it now must choose another one."""
    usable = user.has_usable_password()
    User.objects.filter(pk=user.pk).update(must_change_password=usable and user != by)
    detail = "given by an operator" if usable else "taken away: no local sign-in"
    _tell(AccountEvent.PASSWORD_RESET, user, by=by, detail=detail, address=address)


@transaction.atomic
def make_break_glass(*, username: str, password: str = "", replace: bool = False) -> tuple[User, str]:
    """The one administrator who may sign in with a password while Keycloak does the rest. Returns the account and its password.

    Without `password` one is made up. With `replace` the account that there is gets a new password, is unlocked, switched on and loses its second
    factors. Raises UnableToMake.
    """
    there = User.objects.filter(is_break_glass=True).first()
    if there and not replace:
        raise UnableToMake(
            f"There is a break-glass account already: {there.get_username()}. Use --replace to give it a new password."
        )
    user = there or User(username=username, is_break_glass=True)
    if there is None and User.objects.filter(username__iexact=username).exists():
        raise UnableToMake(f"Somebody else is called {username} already. Choose another --username.")
    chosen = password or get_random_string(24, _LETTERS)
    try:
        User.username_validator(user.username)
        validate_password(chosen, user)
    except ValidationError as error:
        raise UnableToMake(" ".join(error.messages)) from error
    user.is_active = user.is_staff = user.is_superuser = True
    user.must_change_password = False
    user.set_password(chosen)
    user.save()
    if there:
        remove_second_factors(user=user, by=None, detail="break-glass account made anew")
        lockout.clear(user)
    _tell(AccountEvent.BREAK_GLASS, user, by=None, detail="made anew" if there else "made")
    return user, chosen
