"""Authenticator apps and recovery codes: setting up, signing in, being led to it, losing it. Passkeys need a browser: tests.browser."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from cryptography.fernet import Fernet
from django.test import Client

from accounts.local import lockout
from accounts.models import User
from accounts.services import local
from cmlmanager import vault
from tests import planted
from tests.accounts.test_local_accounts import PASSWORD, try_sign_in, with_password
from tests.conftest import signed_in
from tests.world import confirmed
from workers.models import Event

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(secret: str = SECRET, step: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))


@pytest.fixture
def with_app(uma: User) -> User:
    TOTP.activate(with_password(uma), SECRET)
    return uma


def set_up(browser: Client, commit: Any) -> str:
    """Set up an app; returns its secret."""
    page = browser.get("/account/second-factor/app/")
    secret: str = page.context["form"].secret
    with commit(execute=True):
        done = browser.post("/account/second-factor/app/", {"code": code(secret)})
    assert done["Location"] == "/account/second-factor/codes/"
    return secret


def test_an_app_is_set_up_after_confirming_and_codes_come_with_it(uma: User, django_capture_on_commit_callbacks: Any) -> None:
    browser = signed_in(with_password(uma))
    asked = browser.get("/account/second-factor/app/")
    assert asked["Location"] == "/account/confirm/?next=%2Faccount%2Fsecond-factor%2Fapp%2F"
    back = browser.post("/account/confirm/", {"password": PASSWORD, "next": "/account/second-factor/app/"})
    assert back["Location"] == "/account/second-factor/app/"
    page = browser.get("/account/second-factor/app/").content.decode()
    assert 'src="data:image/svg+xml;base64,' in page

    set_up(browser, django_capture_on_commit_callbacks)

    assert len(browser.get("/account/second-factor/codes/").context["unused_codes"]) == 10
    told = Event.objects.filter(kind="person.factor_added").order_by("id").values_list("detail", flat=True)
    assert sorted(told) == ["authenticator app", "recovery codes"]


def test_a_wrong_code_sets_nothing_up(uma: User) -> None:
    browser = confirmed(signed_in(with_password(uma)), uma)
    browser.get("/account/second-factor/app/")

    answer = browser.post("/account/second-factor/app/", {"code": "000000"})

    assert "not right" in answer.content.decode()
    assert not Authenticator.objects.exists()


def test_secrets_are_encrypted_wherever_they_rest(uma: User, django_capture_on_commit_callbacks: Any) -> None:
    browser = confirmed(signed_in(with_password(uma)), uma)
    waiting = browser.get("/account/second-factor/app/").context["form"].secret
    assert waiting not in str(dict(browser.session)), "not even while it waits for the first code"

    secret = set_up(browser, django_capture_on_commit_callbacks)

    stored = {one.type: one.data for one in Authenticator.objects.all()}
    assert vault.decrypt(stored["totp"]["secret"]) == secret
    assert len(vault.decrypt(stored["recovery_codes"]["seed"])) == 80
    assert secret not in planted.database()
    shown = browser.get("/account/second-factor/codes/").context["unused_codes"]
    assert not any(one in planted.database() for one in shown)


def test_a_password_alone_does_not_open_an_account_with_an_app(with_app: User) -> None:
    browser = Client()
    answer = try_sign_in(browser=browser)

    assert answer["Location"] == "/sign-in/second-factor/"
    assert not answer.is_in
    assert browser.get("/")["Location"].startswith("/sign-in/")
    wrong = browser.post("/sign-in/second-factor/", {"code": "123456"})
    assert "not right" in wrong.content.decode()
    entered = browser.post("/sign-in/second-factor/", {"code": code()})

    assert entered["Location"] == "/"
    assert browser.get("/").status_code == 200


def test_a_code_works_once(with_app: User) -> None:
    first, second = Client(), Client()
    try_sign_in(browser=first)
    try_sign_in(browser=second)
    used = code()
    assert first.post("/sign-in/second-factor/", {"code": used}).status_code == 302

    assert "not right" in second.post("/sign-in/second-factor/", {"code": used}).content.decode()


def test_a_recovery_code_opens_the_account_once(with_app: User) -> None:
    spare = RecoveryCodes.activate(with_app).get_unused_codes()[0]
    for expected in (302, 200):
        browser = Client()
        try_sign_in(browser=browser)
        assert browser.post("/sign-in/second-factor/", {"code": spare}).status_code == expected


def test_guessing_codes_locks_out_and_an_operator_unlocks(with_app: User, ada: User) -> None:
    browser = Client()
    try_sign_in(browser=browser)
    for number in range(5):
        browser.post("/sign-in/second-factor/", {"code": f"{number:06}"})

    assert "Too many" in browser.post("/sign-in/second-factor/", {"code": code()}).content.decode()
    assert lockout.is_locked(with_app)
    assert local.unlock(user=with_app, by=ada)
    assert browser.post("/sign-in/second-factor/", {"code": code()}).status_code == 302


def test_removing_the_app_takes_the_codes_along_and_is_told(with_app: User) -> None:
    browser = confirmed(signed_in(with_app), with_app)

    assert browser.post("/account/second-factor/app/remove/")["Location"] == "/account/second-factor/"

    assert not Authenticator.objects.exists()
    assert Event.objects.get(kind="person.factor_removed").detail == "authenticator app"


def test_administrators_are_led_to_set_one_up_and_can_do_nothing_else(
    ada: User, uma: User, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.MFA_REQUIRED_FOR_ADMINS = True
    assert signed_in(uma).get("/").status_code == 200
    browser = signed_in(with_password(ada))

    for address in ("/", "/audit/", "/admin/", "/account/"):
        assert browser.get(address)["Location"] == "/account/second-factor/"
    assert browser.post("/workers/bulk/")["Location"] == "/account/second-factor/"
    assert browser.get("/labs/", headers={"HX-Request": "true"})["HX-Redirect"] == "/account/second-factor/"
    assert "Administrators need a second factor" in browser.get("/account/second-factor/").content.decode()
    assert browser.get("/sign-out/").status_code == 200
    set_up(confirmed(browser, ada), django_capture_on_commit_callbacks)

    assert browser.get("/audit/").status_code == 200


def test_administrators_of_keycloak_are_not_asked_for_one(ada: User, settings: Any) -> None:
    settings.MFA_REQUIRED_FOR_ADMINS = True
    settings.AUTHENTICATION_BACKENDS = [settings.LOCAL_BACKEND, "django.contrib.auth.backends.ModelBackend"]
    browser = Client()
    browser.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    assert browser.get("/audit/").status_code == 200


def test_a_secret_whose_key_is_gone_is_a_sentence_and_an_operator_helps(with_app: User, ada: User, settings: Any) -> None:
    RecoveryCodes.activate(with_app)
    browser = Client()
    try_sign_in(browser=browser)
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]

    answer = browser.post("/sign-in/second-factor/", {"code": "123456"})

    assert answer.status_code == 200
    assert "Ask an administrator" in answer.content.decode()
    inside = confirmed(signed_in(with_app), with_app)
    for page in ("", "app/remove/"):
        assert inside.get(f"/account/second-factor/{page}").status_code == 200
    for page in ("codes/", "codes/new/", "codes/download/"):
        assert inside.get(f"/account/second-factor/{page}")["Location"] == "/account/second-factor/"
    assert local.remove_second_factors(user=with_app, by=ada) == 2
    assert try_sign_in().is_in
