"""Access tokens of the provider at the portal's API: whose they are, what they may, and which are nobody's."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Identity, SignIn, User
from accounts.services.bearers import BearerRefused, identify
from tests.openid_provider import OpenIdProvider, provider, say, sign_in, somebody

__all__ = ["provider"]
pytestmark = pytest.mark.django_db


def may(token: str) -> User:
    return identify(f"Bearer {token}", now=timezone.now())


def refusal(token: str) -> str:
    with pytest.raises(BearerRefused) as refused:
        may(token)
    return str(refused.value)


@pytest.fixture
def kim(provider: OpenIdProvider) -> User:
    """A manager who has signed in with a browser before."""
    provider.person = somebody(groups=["/cml/managers"])
    sign_in(Client(), provider)
    return User.objects.get(username="kim")


def test_a_token_is_its_person_with_the_role_of_its_groups(provider: OpenIdProvider, kim: User) -> None:
    found = may(provider.access_token(groups=["/cml/managers"]))

    assert found == kim
    assert (found.role, found.credential) == ("manager", f"keycloak:{provider.person['sub']}")
    assert found.has_perm("workers.start_worker")
    assert not found.has_perm("workers.terminate_worker")


def test_a_token_opens_the_api_without_a_session(provider: OpenIdProvider, kim: User) -> None:
    before = SignIn.objects.count()

    answer = Client().get("/api/whoami", headers={"Authorization": f"Bearer {provider.access_token(groups=['/cml/managers'])}"})

    assert answer.status_code == 200
    assert answer.json()["username"] == "kim"
    assert answer.json()["role"] == "manager"
    assert not answer.cookies
    assert SignIn.objects.count() == before


@pytest.mark.parametrize(
    ("in_token", "known_here", "role"),
    [
        (["/cml/users"], "manager", "user"),  # demoted in Keycloak since the last sign-in
        (
            ["/cml/admins"],
            "manager",
            "manager",
        ),  # demoted here since the token was made, or promoted there and not seen here yet
        ([], "manager", None),
        (["/cml/managers"], None, None),
        (["/sales"], "admin", None),
    ],
)
def test_the_lesser_of_the_tokens_role_and_the_one_known_here_counts(
    in_token: list[str], known_here: str | None, role: str | None, provider: OpenIdProvider, kim: User
) -> None:
    kim.groups.set(Group.objects.filter(name=known_here))
    assert may(provider.access_token(groups=in_token)).role == role


def test_without_a_map_the_role_is_the_one_given_in_the_django_admin(
    provider: OpenIdProvider, kim: User, settings: Any
) -> None:
    settings.OIDC_ROLE_MAP = {}
    assert may(provider.access_token(groups=["/cml/admins"])).role == "manager"


def test_a_token_changes_nothing_of_its_persons_account(provider: OpenIdProvider, kim: User) -> None:
    may(provider.access_token(groups=["/cml/admins"], preferred_username="other", email="other@example.com"))
    kim.refresh_from_db()
    assert (kim.username, kim.email, kim.role) == ("kim", "kim@example.com", "manager")


def test_somebody_who_was_never_here_gets_no_account(provider: OpenIdProvider) -> None:
    assert "has never signed in here" in refusal(provider.access_token(groups=["/cml/admins"]))
    assert not User.objects.exists()
    assert not Identity.objects.exists()


def test_a_known_address_or_name_makes_a_token_nobody(provider: OpenIdProvider, kim: User) -> None:
    token = provider.access_token(sub="another", email="kim@example.com", preferred_username="kim", groups=["/cml/admins"])
    assert "has never signed in here" in refusal(token)


def test_an_account_that_is_switched_off_stays_so(provider: OpenIdProvider, kim: User) -> None:
    User.objects.update(is_active=False)
    assert "switched off" in refusal(provider.access_token(groups=["/cml/managers"]))


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "another-api"}, "another audience"),
        ({"aud": None}, "lacks the claim aud"),
        ({"iss": "https://evil.example.com/realms/cml"}, "another provider"),
        ({"azp": "another-client"}, "not in OIDC_API_CLIENTS"),
        ({"exp": 1}, "has expired"),
        ({"typ": "ID"}, "no access token"),
        ({"typ": "Refresh"}, "no access token"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_tokens_for_something_else_are_refused(claims: dict[str, Any], said: str, provider: OpenIdProvider, kim: User) -> None:
    assert said in refusal(provider.access_token(groups=["/cml/managers"]) if not claims else provider.access_token(**claims))


def test_a_token_that_somebody_else_signed_is_refused(provider: OpenIdProvider, kim: User) -> None:
    forged = provider.sign(provider.claims(typ="Bearer"), key="second", headers={"kid": "first"})
    assert "signature" in refusal(forged)


def test_keycloak_tokens_are_nothing_while_sign_in_with_it_is_off(provider: OpenIdProvider, kim: User, settings: Any) -> None:
    token = provider.access_token(groups=["/cml/managers"])
    settings.OIDC_ISSUER = ""
    assert "not known here" in refusal(token)


def test_a_provider_that_is_away_is_said_and_not_taken_for_a_bad_token(provider: OpenIdProvider, kim: User) -> None:
    from tests.openid_provider import forget

    token = provider.access_token(groups=["/cml/managers"])
    forget()
    provider.behaviours["certs"] = say(503, {})
    assert "cannot be checked while Keycloak is away" in refusal(token)


def test_checking_a_token_asks_the_provider_for_nothing_but_its_keys_once(provider: OpenIdProvider, kim: User) -> None:
    may(provider.access_token(groups=["/cml/managers"]))
    provider.asked.clear()
    for _ in range(5):
        may(provider.access_token(groups=["/cml/managers"]))
    assert provider.asked == []


def test_personal_tokens_work_beside_it(provider: OpenIdProvider, kim: User) -> None:
    assert not ApiToken.objects.exists()
    assert "not a whole token" in refusal("cmlm_nonsense")
