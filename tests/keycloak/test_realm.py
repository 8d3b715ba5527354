"""The realm that deploy/keycloak ships, without the portal: what it gives out, and what it refuses."""

from __future__ import annotations

import pytest

from tests.keycloak.administration import Administration
from tests.keycloak.flow import Visitor, claims_of
from tests.keycloak.server import Keycloak

pytestmark = pytest.mark.keycloak

PEOPLE = [
    ("admin", "/cml/admins", "cml-admin"),
    ("manager", "/cml/managers", "cml-manager"),
    ("user", "/cml/users", "cml-user"),
]


@pytest.mark.parametrize(("person", "group", "role"), PEOPLE)
def test_tokens_and_userinfo_say_group_and_role(person: str, group: str, role: str, visitor: Visitor) -> None:
    tokens = visitor.tokens(person)
    identity, access = claims_of(tokens["id_token"]), claims_of(tokens["access_token"])
    told = visitor.userinfo(tokens["access_token"])

    for claims in (identity, access, told):
        assert claims["groups"] == [group]
        assert claims["realm_access"]["roles"] == [role]
        assert claims["email_verified"] is True
        assert claims["preferred_username"] == person
    assert identity["aud"] == "cmlmanager"
    assert identity["nonce"] == "nonce"
    assert access["aud"] == "cmlmanager-api"
    assert (access["azp"], access["typ"]) == ("cmlmanager", "Bearer")
    assert identity["sid"] == access["sid"]
    assert "refresh_token" in tokens  # the portal renews its sessions with it


def test_a_script_gets_a_token_when_its_person_says_yes_in_a_browser(visitor: Visitor) -> None:
    access = claims_of(visitor.device_token("manager")["access_token"])

    assert (access["aud"], access["azp"]) == ("cmlmanager-api", "cmlmanager-api")
    assert access["groups"] == ["/cml/managers"]
    assert access["exp"] - access["iat"] == 300


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "Missing+parameter%3A+code_challenge_method"),
        ({"code_challenge_method": "plain"}, "code+challenge+method+is+not+matching"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"response_type": "code id_token"}, "unauthorized_client"),
    ],
)
def test_only_the_code_flow_with_pkce(changed: dict[str, str | None], said: str, visitor: Visitor) -> None:
    answer = visitor.ask(**changed)
    assert answer.status_code == 302
    assert said in answer.headers["Location"]
    assert "code=" not in answer.headers["Location"]


@pytest.mark.parametrize(
    "address",
    ["{}/oidc/callback/more", "{}/oidc/callback", "{}/", "http://evil.example.com/oidc/callback/", "{}/oidc/callback/?x=1"],
)
def test_only_the_portals_own_address_gets_codes(address: str, visitor: Visitor) -> None:
    answer = visitor.ask(redirect_uri=address.format(visitor.keycloak.portal_url))
    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize("address", ["{}/", "http://evil.example.com/sign-in/"])
def test_after_signing_out_nobody_is_sent_elsewhere(address: str, visitor: Visitor) -> None:
    where = address.format(visitor.keycloak.portal_url)
    answer = visitor.open(f"{visitor.endpoint('logout')}?client_id=cmlmanager&post_logout_redirect_uri={where}")
    assert answer.status_code == 400


@pytest.mark.parametrize("client", ["cmlmanager", "cmlmanager-api"])
def test_no_program_gets_in_with_a_password(client: str, visitor: Visitor) -> None:
    secret = {"client_secret": visitor.keycloak.client_secret} if client == "cmlmanager" else {}
    password = visitor.keycloak.demo_password
    refused = visitor.post("token", grant_type="password", username="admin", password=password, client_id=client, **secret)
    assert refused.status_code == 400
    assert refused.json()["error"] == "unauthorized_client"


def test_the_client_needs_its_secret(visitor: Visitor) -> None:
    refused = visitor.post("token", grant_type="authorization_code", code="x", client_id="cmlmanager", client_secret="wrong")
    assert refused.status_code == 401
    assert refused.json()["error"] in {"invalid_client", "unauthorized_client"}


def test_nobody_registers_and_guessing_is_slowed_down(visitor: Visitor, administration: Administration) -> None:
    person = administration.add("guessed")
    assert "registration" not in visitor.ask().text
    for number in range(10):
        Visitor(visitor.keycloak).sign_in("guessed", f"wrong-password-{number}")

    status = administration.call("GET", f"attack-detection/brute-force/users/{person['id']}")

    assert status["numFailures"] >= 2
    assert status["disabled"]
    assert "Location" not in Visitor(visitor.keycloak).sign_in("guessed").headers


def test_people_cannot_change_the_address_that_the_portal_trusts(visitor: Visitor, administration: Administration) -> None:
    profile = administration.call("GET", "users/profile")
    edit = {field["name"]: field["permissions"]["edit"] for field in profile["attributes"]}
    assert edit["email"] == edit["username"] == ["admin"]


def test_a_realm_without_the_portals_address_is_not_imported(keycloak: Keycloak, administration: Administration) -> None:
    """The file's placeholders are all filled in: nothing of the imported realm still reads like one."""
    text = str(administration.client()) + str(administration.client("cmlmanager-api"))
    assert "${" not in text
    assert administration.client()["secret"] == keycloak.client_secret
