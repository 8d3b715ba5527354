"""What is wrong with the settings of sign-in is named; and links are made by hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Identity, User
from accounts.oidc import checks
from tests.cmlmanager.test_settings import check
from tests.openid_provider import OpenIdProvider, provider, sign_in

__all__ = ["provider"]
GOOD = {
    "OIDC_ISSUER": "https://sso.example.com/realms/cml",
    "OIDC_INTERNAL_URL": "",
    "OIDC_RP_CLIENT_ID": "portal",
    "OIDC_RP_CLIENT_SECRET": "x",
    "OIDC_RP_SIGN_ALGO": "RS256",
    "OIDC_RP_SCOPES": "openid email",
    "OIDC_ROLE_MAP": {"group:/cml/admins": "admin"},
    "OIDC_DEFAULT_ROLE": "none",
    "OIDC_STAFF_ROLE": "admin",
    "OIDC_SUPERUSER_ROLE": "none",
}


def said(settings: Any, **changes: Any) -> str:
    for name, value in (GOOD | changes).items():
        setattr(settings, name, value)
    found = [*checks.check_provider(), *checks.check_roles(), *checks.check_provider_in_production()]
    return " ".join(str(message.msg) for message in found)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"OIDC_INTERNAL_URL": "http://keycloak:8080"},
        {"OIDC_RP_SIGN_ALGO": "ES256"},
        {
            "OIDC_ROLE_MAP": {"realm:x": "user", "client:a:b": "admin", "client:https://x:b": "admin"},
            "OIDC_DEFAULT_ROLE": "user",
        },
    ],
)
def test_good_settings_have_nothing_to_say(changes: dict[str, Any], settings: Any) -> None:
    assert said(settings, **changes) == ""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"OIDC_ISSUER": "sso.example.com"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://sso.example.com/realms/cml/.well-known/openid-configuration"}, "its issuer is shorter"),
        ({"OIDC_ISSUER": "https://sso.example.com/realms/cml/protocol/openid-connect/auth"}, "its issuer is shorter"),
        ({"OIDC_ISSUER": "https://me:secret@sso.example.com/"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "http://sso.example.com/realms/cml"}, "not on https"),
        ({"OIDC_INTERNAL_URL": "http://keycloak:8080/realms/cml"}, "scheme, host and port alone"),
        ({"OIDC_INTERNAL_URL": "keycloak:8080"}, "scheme, host and port alone"),
        ({"OIDC_RP_CLIENT_ID": ""}, "OIDC_CLIENT_ID is not"),
        ({"OIDC_RP_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET is not"),
        ({"OIDC_RP_SIGN_ALGO": "HS256"}, "OIDC_SIGN_ALGORITHM"),
        ({"OIDC_RP_SIGN_ALGO": "none"}, "OIDC_SIGN_ALGORITHM"),
        ({"OIDC_RP_SCOPES": "email"}, "lacks openid"),
        ({"OIDC_ROLE_MAP": []}, "not a JSON object"),
        ({"OIDC_ROLE_MAP": {"/cml/admins": "admin"}}, "has the key '/cml/admins'"),
        ({"OIDC_ROLE_MAP": {"group:/": "admin"}}, "has the key 'group:/'"),
        ({"OIDC_ROLE_MAP": {"client:portal": "admin"}}, "has the key 'client:portal'"),
        ({"OIDC_ROLE_MAP": {"group:x": "owner"}}, "the role 'owner'"),
        ({"OIDC_ROLE_MAP": {"group:x": "user"}}, "nobody an administrator"),
        ({"OIDC_ROLE_MAP": {}}, "OIDC_ROLE_MAP is empty"),
        ({"OIDC_DEFAULT_ROLE": "admin"}, "OIDC_DEFAULT_ROLE"),
        ({"OIDC_STAFF_ROLE": "boss"}, "OIDC_STAFF_ROLE"),
        ({"OIDC_SUPERUSER_ROLE": "user"}, "OIDC_SUPERUSER_ROLE"),
        ({"OIDC_ISSUER": ""}, "OIDC_ISSUER is not"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], named: str, settings: Any) -> None:
    assert named in said(settings, **changes)


def test_production_with_a_provider_passes_the_deployment_checks(tmp_path: Any) -> None:
    done = check(
        tmp_path,
        "--deploy",
        "--fail-level",
        "WARNING",
        OIDC_ISSUER="https://sso.example.com/realms/cml",
        OIDC_CLIENT_ID="portal",
        OIDC_CLIENT_SECRET="x",
        OIDC_ROLE_MAP='{"group:/cml/admins": "admin", "group:/cml/users": "user"}',
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.django_db
def test_an_operator_links_an_account_and_takes_the_link_away(provider: OpenIdProvider, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(email=provider.person["email"])
    call_command("link_identity", "ada", subject=provider.person["sub"])
    browser = Client()

    sign_in(browser, provider)

    assert browser.session["_auth_user_id"] == str(ada.pk)
    assert User.objects.get().role == "user"  # as the provider says
    call_command("link_identity", "ada", unlink=True)
    assert browser.get("/")["Location"].startswith("/sign-in/")
    assert sign_in(browser, provider)["Location"] == "/sign-in/?problem=known-email"


@pytest.mark.django_db
def test_an_identity_is_linked_to_one_account(provider: OpenIdProvider, ada: User, uma: User) -> None:
    call_command("link_identity", "ada", subject="x")
    for username, subject in (("uma", "x"), ("ada", "y"), ("uma", "")):
        with pytest.raises(CommandError, match="Nothing was linked"):
            call_command("link_identity", username, subject=subject)
    for arguments in ({"unlink": True}, {"subject": "z"}):
        with pytest.raises(CommandError):
            call_command("link_identity", "nobody", **arguments)

    assert Identity.objects.get().user == ada
