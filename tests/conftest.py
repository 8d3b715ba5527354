"""Fixtures for every test: four people, the fleet's makers are in tests.makers."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from accounts.models import SignIn, User
from accounts.roles import Role
from accounts.signals import account_event
from cmlmanager.runtime import reading
from workers.services import people

pytest_plugins = ["tests.world"]  # one database for tests that walk every address


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


def person_of(username: str, role: Role | None) -> User:
    """Somebody with this role, who cannot sign in by password."""
    person = User.objects.create_user(username=username, first_name=username.title())
    if role:
        person.groups.add(Group.objects.get(name=role.value))
    return person


@pytest.fixture
def uma(db: None) -> User:
    """May see."""
    return person_of("uma", Role.USER)


@pytest.fixture
def miguel(db: None) -> User:
    """May start, stop and tag."""
    return person_of("miguel", Role.MANAGER)


@pytest.fixture
def ada(db: None) -> User:
    """May do everything."""
    return person_of("ada", Role.ADMIN)


@pytest.fixture
def noah(db: None) -> User:
    """Signed in, without a role."""
    return person_of("noah", None)


def signed_in(person: User) -> Client:
    """A browser of `person`, on this machine. How they came is in no audit: tests look at what is done then."""
    client = Client()
    account_event.disconnect(dispatch_uid=people.ACCOUNT_EVENT)
    try:
        client.force_login(person, backend="accounts.local.backend.LocalBackend")
    finally:
        people.connect()
    # Django signs in without a request; the first one would otherwise be the news of an address.
    SignIn.objects.filter(pk=client.session["sign_in"]).update(address="127.0.0.1")
    return client
