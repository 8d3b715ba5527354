"""What groups and roles at the provider make of somebody here."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.oidc.groups import apply_groups
from accounts.roles import Role
from accounts.signals import account_event, role_changed
from tests.conftest import signed_in
from tests.openid_provider import OpenIdProvider, provider, sign_in

__all__ = ["provider"]
pytestmark = pytest.mark.django_db
MAP = {
    "group:/cml/admins": "admin",
    "group:cml-managers": "manager",
    "realm:cml-user": "user",
    "client:cmlmanager:admin": "admin",
    "client:https://portal.example.com:manager": "manager",
}


@pytest.fixture(autouse=True)
def role_map(settings: Any) -> Any:
    settings.OIDC_ROLE_MAP = dict(MAP)
    return settings


def role_with(user: User, *claims: dict[str, Any]) -> Role | None:
    apply_groups(user, claims)
    return User.objects.get(pk=user.pk).role


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["/cml/admins"]}, "admin"),
        ({"groups": ["cml/admins"]}, "admin"),  # a mapper that leaves the slash out
        ({"groups": ["/cml-managers"]}, "manager"),
        ({"groups": ["cml-managers"]}, "manager"),
        ({"groups": "cml-managers"}, "manager"),
        ({"groups": ["cml-managers", "/cml/admins"]}, "admin"),  # the highest
        ({"groups": ["/elsewhere/cml/admins"]}, None),
        ({"groups": ["/cml/admins/trainees"]}, None),
        ({"groups": ["admins"]}, None),
        ({"groups": ["/CML/Admins"]}, None),
        ({"groups": ["//cml/admins"]}, None),
        ({"groups": ["cml-user"]}, None),  # a group is no realm role
        ({"roles": ["cml-user"]}, "user"),
        ({"roles": ["/cml/admins"]}, None),
        ({"realm_access": {"roles": ["cml-user"]}}, "user"),
        ({"resource_access": {"cmlmanager": {"roles": ["admin"]}}}, "admin"),
        ({"resource_access": {"another": {"roles": ["admin"]}}}, None),
        ({"resource_access": {"https://portal.example.com": {"roles": ["manager"]}}}, "manager"),
        ({}, None),
        ({"groups": None, "roles": 7, "realm_access": [], "resource_access": {"cmlmanager": "admin"}}, None),
        ({"groups": [{"name": "/cml/admins"}, 7, None]}, None),
    ],
)
def test_claims_become_a_role(claims: dict[str, Any], role: str | None, noah: User) -> None:
    assert role_with(noah, claims) == role


def test_userinfo_and_id_token_count_together(noah: User) -> None:
    assert role_with(noah, {"groups": ["/cml/admins"]}, {"roles": ["cml-user"]}) == "admin"


def test_what_is_taken_away_there_is_taken_away_here(miguel: User) -> None:
    assert role_with(miguel, {"roles": ["cml-user"]}) == "user"
    assert role_with(miguel, {"groups": []}) is None
    assert not miguel.has_perm("workers.view_worker")


def test_other_groups_are_left_alone(noah: User) -> None:
    noah.groups.add(Group.objects.create(name="night shift"))

    role_with(noah, {"groups": ["/cml/admins"]})
    role_with(noah, {})

    assert [group.name for group in noah.groups.all()] == ["night shift"]


def test_people_without_a_mapped_group_are_users_by_setting(noah: User, role_map: Any) -> None:
    role_map.OIDC_DEFAULT_ROLE = "user"

    assert role_with(noah, {"groups": ["/sales"]}) == "user"
    assert role_with(noah, {"groups": ["/cml/admins"]}) == "admin"
    assert role_with(noah, {}) == "user"


@pytest.mark.parametrize("value", ["admin", "manager", "owner", ""])
def test_no_setting_makes_everybody_more_than_a_user(value: str, noah: User, role_map: Any) -> None:
    role_map.OIDC_DEFAULT_ROLE = value
    assert role_with(noah, {}) is None


def test_staff_follows_the_role_both_ways_and_superuser_stays_out(noah: User) -> None:
    role_with(noah, {"groups": ["/cml/admins"]})
    assert (noah.is_staff, noah.is_superuser) == (True, False)
    role_with(noah, {"roles": ["cml-user"]})
    assert not noah.is_staff
    assert not User.objects.get(pk=noah.pk).is_staff


def test_a_superuser_that_the_provider_does_not_make_is_none(noah: User) -> None:
    User.objects.filter(pk=noah.pk).update(is_superuser=True, is_staff=True)

    assert role_with(noah, {"roles": ["cml-user"]}) == "user"
    assert not User.objects.get(pk=noah.pk).is_superuser


def test_superusers_by_setting(noah: User, role_map: Any) -> None:
    role_map.OIDC_SUPERUSER_ROLE = "admin"
    role_with(noah, {"groups": ["/cml/admins"]})
    assert User.objects.get(pk=noah.pk).is_superuser


def test_without_a_map_roles_are_given_here(miguel: User, role_map: Any) -> None:
    role_map.OIDC_ROLE_MAP = {}
    User.objects.filter(pk=miguel.pk).update(is_staff=True)

    assert role_with(miguel, {"groups": ["/cml/admins"]}) == "manager"
    assert User.objects.get(pk=miguel.pk).is_staff


@pytest.mark.parametrize("broken", [[], "x", {"group:/cml/admins": "owner"}, {"nonsense": "admin"}])
def test_a_map_that_makes_no_sense_gives_nothing(broken: Any, noah: User, role_map: Any) -> None:
    role_map.OIDC_ROLE_MAP = broken
    assert role_with(noah, {"groups": ["/cml/admins"]}) is None


def test_a_change_is_announced_once_and_no_change_is_not(noah: User) -> None:
    heard: list[tuple[Any, ...]] = []

    def hear(sender: Any, *, user: User, before: Any, after: Any, by: Any, source: str, **kwargs: Any) -> None:
        heard.append((sender, user, before, after, by, source))

    def hear_more(sender: Any, *, kind: str, user: User, before: str, after: str, **kwargs: Any) -> None:
        heard.append((kind, user, before, after))

    role_changed.connect(hear)
    account_event.connect(hear_more)
    try:
        role_with(noah, {"groups": ["/cml/admins"]})
        role_with(noah, {"groups": ["/cml/admins"]})
    finally:
        role_changed.disconnect(hear)
        account_event.disconnect(hear_more)

    assert heard == [
        ("staff", noah, "Not staff", "Staff"),
        (User, noah, None, Role.ADMIN, None, "Keycloak groups"),
    ]


def test_at_every_sign_in(provider: OpenIdProvider) -> None:
    provider.person["groups"] = ["/cml/managers"]
    sign_in(Client(), provider)
    kim = User.objects.get()
    assert kim.role == "manager"

    provider.person["groups"] = ["/cml/users"]
    sign_in(Client(), provider)

    assert User.objects.get().role == "user"
    provider.person["groups"] = []
    browser = Client()
    sign_in(browser, provider)
    assert browser.get("/").status_code == 403
    assert "no role yet" in browser.get("/").content.decode()


def test_groups_of_the_id_token_count_when_userinfo_has_none(provider: OpenIdProvider) -> None:
    del provider.person["groups"]
    provider.id_token_claims = {"groups": ["/cml/admins"]}

    sign_in(Client(), provider)

    assert User.objects.get().role == "admin"


def test_local_people_keep_what_they_have(ada: User, role_map: Any) -> None:
    """The map is about people of the provider."""
    assert signed_in(ada).get("/").status_code == 200
    assert User.objects.get(pk=ada.pk).role == "admin"
