"""Fixtures for every test: four people, the fleet's makers are in tests.makers."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from cmlmanager.runtime import reading


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """Pages are rendered with hashed static files, as in production."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(autouse=True)
def settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has changed a setting, and no query asks whether: its moment would depend on the clock. After a change it is asked again."""
    monkeypatch.setattr(reading, "_snapshot", reading.Snapshot({}, math.inf))


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _person(username: str, role: Role | None) -> User:
    person = User.objects.create_user(username=username, first_name=username.title())
    if role:
        person.groups.add(Group.objects.get(name=role.value))
    return person


@pytest.fixture
def uma(db: None) -> User:
    """May see."""
    return _person("uma", Role.USER)


@pytest.fixture
def miguel(db: None) -> User:
    """May start, stop and tag."""
    return _person("miguel", Role.MANAGER)


@pytest.fixture
def ada(db: None) -> User:
    """May do everything."""
    return _person("ada", Role.ADMIN)


@pytest.fixture
def noah(db: None) -> User:
    """Signed in, without a role."""
    return _person("noah", None)


def signed_in(person: User) -> Client:
    """A browser of `person`."""
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
