"""Bearer tokens of the portal's own: who they are, what they may, when they open nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.roles import CAPABILITIES, Role, capabilities_of
from accounts.services import bearers, tokens
from accounts.services.bearers import BearerRefused, identify
from accounts.signals import account_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def told() -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(sender: Any, **news: Any) -> None:
        heard.append(news["kind"].value)

    account_event.connect(hear)
    yield heard
    account_event.disconnect(hear)


def token_of(person: User, scope: Role, now: datetime, days: int = 30, name: str = "script") -> tuple[ApiToken, str]:
    return tokens.make(person, name=name, scope=scope, days=days, by=person, address=None, now=now)


def refusal(authorization: str, now: datetime) -> str:
    with pytest.raises(BearerRefused) as refused:
        identify(authorization, now=now)
    return str(refused.value)


def test_a_token_names_its_person_with_the_tokens_role(ada: User, now: datetime) -> None:
    token, text = token_of(ada, Role.MANAGER, now)
    user = identify(f"Bearer {text}", now=now, address="192.0.2.7")
    assert (user, user.scope, user.role, user.credential) == (ada, Role.MANAGER, Role.MANAGER, f"token:{token.pk}")
    token.refresh_from_db()
    assert (token.last_used_at, token.last_used_from) == (now, "192.0.2.7")


@pytest.mark.parametrize("scope", Role)
def test_a_token_may_exactly_what_its_role_may(scope: Role, ada: User, now: datetime) -> None:
    _, text = token_of(ada, scope, now)
    user = identify(f"bearer {text}", now=now)
    assert {name for name in CAPABILITIES if user.has_perm(name)} == capabilities_of(scope)
    assert user.get_all_permissions() == capabilities_of(scope)
    assert not user.has_perm("auth.delete_group")
    assert user.has_module_perms("workers")
    assert not user.has_module_perms("sessions")
    assert {name for name in CAPABILITIES if async_to_sync(user.ahas_perm)(name)} == capabilities_of(scope)
    assert async_to_sync(user.ahas_module_perms)("workers")


def test_a_superusers_token_is_no_superuser(ada: User, now: datetime) -> None:
    ada.is_superuser = True
    ada.save()
    _, text = token_of(ada, Role.USER, now)
    user = identify(f"Bearer {text}", now=now)
    assert not user.has_perm("workers.terminate_worker")
    assert user.has_perm("workers.view_worker")


def test_nobody_gets_a_token_above_their_own_role(miguel: User, noah: User, now: datetime) -> None:
    with pytest.raises(tokens.UnableToMake, match="no more than its person"):
        token_of(miguel, Role.ADMIN, now)
    with pytest.raises(tokens.UnableToMake, match="no role"):
        token_of(noah, Role.USER, now)


def test_a_token_loses_power_with_its_person(miguel: User, now: datetime) -> None:
    _, text = token_of(miguel, Role.MANAGER, now)
    miguel.groups.set([Group.objects.get(name="user")])
    assert identify(f"Bearer {text}", now=now).role == Role.USER
    miguel.groups.clear()
    user = identify(f"Bearer {text}", now=now)
    assert user.role is None
    assert not user.get_all_permissions()
    User.objects.filter(pk=miguel.pk).update(is_active=False)
    assert "switched off" in refusal(f"Bearer {text}", now)


def test_expired_and_revoked_tokens_open_nothing(uma: User, now: datetime, told: list[str]) -> None:
    token, text = token_of(uma, Role.USER, now, days=1)
    assert "expired" in refusal(f"Bearer {text}", now + timedelta(days=1))
    assert tokens.revoke(token, by=uma, address=None, now=now)
    assert not tokens.revoke(token, by=uma, address=None, now=now)
    assert "revoked" in refusal(f"Bearer {text}", now)
    assert "revoked" in refusal(f"Bearer {text}", now + timedelta(minutes=30))
    assert told == ["token_created", "token_revoked", "token_refused"]
    refusal(f"Bearer {text}", now + timedelta(minutes=61))
    assert told[-2:] == ["token_refused", "token_refused"]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer a b",
        "Bearer é",
        "Bearer \x00",
        "Bearer " + "x" * 20_000,
        "cmlm_abc",
    ],
)
def test_what_is_no_bearer_token_is_refused_with_a_sentence(authorization: str, now: datetime) -> None:
    assert refusal(authorization, now).endswith((".", "”."))


def test_a_mistyped_token_is_told_apart_without_the_database(uma: User, now: datetime, django_assert_num_queries: Any) -> None:
    _, text = token_of(uma, Role.USER, now)
    wrong = text[:20] + ("x" if text[20] != "x" else "y") + text[21:]
    with django_assert_num_queries(0):
        assert "letters are missing or wrong" in refusal(f"Bearer {wrong}", now)
        assert "letters are missing or wrong" in refusal(f"Bearer {text[:-1]}", now)


def test_another_secret_behind_a_known_beginning_is_refused(uma: User, now: datetime) -> None:
    token, _ = token_of(uma, Role.USER, now)
    body = token.prefix + "A" * 32
    assert refusal(f"Bearer {body}{bearers.checksum(body)}", now) == bearers.UNKNOWN
    assert refusal(f"Bearer {bearers.new_token()}", now) == bearers.UNKNOWN


def test_the_text_is_recognisable_random_and_nowhere_kept(uma: User, now: datetime) -> None:
    texts = {bearers.new_token() for _ in range(50)}
    assert len(texts) == 50
    assert all(re.fullmatch(r"cmlm_[0-9A-Za-z]{46}", text) for text in texts)
    _, text = token_of(uma, Role.USER, now)
    stored = " ".join(str(value) for value in ApiToken.objects.values().get().values())
    assert text not in stored
    assert text[bearers.PREFIX_LENGTH :] not in stored


def test_use_is_written_once_a_minute(uma: User, now: datetime) -> None:
    token, text = token_of(uma, Role.USER, now)
    for seconds in (0, 30, 61):
        identify(f"Bearer {text}", now=now + timedelta(seconds=seconds))
        token.refresh_from_db()
    assert token.last_used_at == now + timedelta(seconds=61)
    identify(f"Bearer {text}", now=now + timedelta(seconds=90))
    token.refresh_from_db()
    assert token.last_used_at == now + timedelta(seconds=61)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\nb"}, "name"),
    ],
)
def test_odd_wishes_are_refused_beside_their_field(fields: dict[str, Any], field: str, uma: User, now: datetime) -> None:
    with pytest.raises(tokens.UnableToMake) as refused:
        tokens.make(uma, **({"name": "ok", "scope": Role.USER, "days": 1, "by": uma, "address": None, "now": now} | fields))
    assert refused.value.field == field


def test_names_are_unique_and_the_number_has_a_limit(uma: User, now: datetime, settings: Any) -> None:
    settings.API_TOKENS_PER_PERSON = 2
    first, _ = token_of(uma, Role.USER, now, name="one")
    with pytest.raises(tokens.UnableToMake, match="of this name"):
        token_of(uma, Role.USER, now, name="one")
    token_of(uma, Role.USER, now, name="two")
    with pytest.raises(tokens.UnableToMake, match="2 tokens already"):
        token_of(uma, Role.USER, now, name="three")
    tokens.revoke(first, by=uma, address=None, now=now)
    token_of(uma, Role.USER, now, name="one")


def test_tokens_that_are_long_past_are_forgotten(uma: User, now: datetime) -> None:
    token_of(uma, Role.USER, now, days=1)
    assert tokens.prune(now=now + timedelta(days=80)) == 0
    assert tokens.prune(now=now + timedelta(days=92)) == 1
