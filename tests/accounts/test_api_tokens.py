"""The page of one's API tokens, the operators' list, and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.roles import Role
from accounts.services import tokens
from accounts.services.bearers import identify
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


def make(browser: Client, **fields: Any) -> Any:
    return browser.post("/account/tokens/", {"name": "report", "scope": "user", "days": "30"} | fields)


def test_a_token_is_made_shown_once_used_and_revoked(miguel: User) -> None:
    browser = signed_in(miguel)
    made = make(browser, scope="manager")
    assert made.status_code == 201
    assert "no-store" in made["Cache-Control"]
    text = made.context["text"]
    assert text in made.content.decode()
    assert identify(f"Bearer {text}", now=timezone.now()).role == Role.MANAGER

    page = browser.get("/account/tokens/").content.decode()
    assert "report" in page
    assert text not in page
    token = ApiToken.objects.get()
    assert browser.post(f"/account/tokens/{token.pk}/revoke/").status_code == 302
    token.refresh_from_db()
    assert token.revoked_at


@pytest.mark.parametrize(
    "fields", [{"scope": "admin"}, {"scope": "root"}, {"days": "0"}, {"days": "9999"}, {"days": "x"}, {"name": ""}]
)
def test_what_cannot_be_is_said_beside_its_field_and_makes_nothing(fields: dict[str, str], miguel: User) -> None:
    answer = make(signed_in(miguel), **fields)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == set(fields)
    assert not ApiToken.objects.exists()


def test_sending_the_form_again_makes_no_second_token(uma: User) -> None:
    browser = signed_in(uma)
    make(browser)
    assert make(browser).status_code == 422
    assert ApiToken.objects.count() == 1


def test_nobody_sees_or_revokes_somebody_elses(uma: User, miguel: User) -> None:
    make(signed_in(miguel), name="of-miguel")
    browser = signed_in(uma)
    assert "of-miguel" not in browser.get("/account/tokens/").content.decode()
    assert browser.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404


def test_without_a_role_there_is_no_token_to_make(noah: User) -> None:
    browser = signed_in(noah)
    assert "no role" in browser.get("/account/tokens/").content.decode()
    assert make(browser).status_code == 422


def test_operators_see_no_secret_and_revoke(miguel: User, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    token, text = tokens.make(miguel, name="report", scope=Role.USER, days=1, by=miguel, address=None, now=timezone.now())
    desk = signed_in(ada)
    page = desk.get("/admin/accounts/apitoken/").content.decode()
    detail = desk.get(f"/admin/accounts/apitoken/{token.pk}/change/").content.decode()
    assert token.prefix in page
    for secret in (text, token.token_hash):
        assert secret not in page
        assert secret not in detail
    desk.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at


def command(*arguments: str, database: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "create_api_token", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_prints_a_token_once_or_says_why_not(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    environment = {**os.environ, "DATABASE_URL": database}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=ROOT, env=environment, check=True)
    people = (
        "import django; django.setup()\n"
        "from django.contrib.auth.models import Group\nfrom accounts.models import User\n"
        "User.objects.create_user('uma').groups.add(Group.objects.get(name='user'))\nUser.objects.create_user('noah')"
    )
    subprocess.run([sys.executable, "-c", people], cwd=ROOT, env=environment, check=True)

    made = command("uma", "--name", "report", "--role", "user", "--days", "7", database=database)
    assert (made.returncode, made.stdout.startswith("cmlm_"), len(made.stdout.split())) == (0, True, 1)
    as_json = command("uma", "--name", "other", "--role", "user", "--days", "7", "--json", database=database)
    assert json.loads(as_json.stdout)["token"].startswith("cmlm_")

    for arguments, status, sentence in (
        (("uma", "--name", "report", "--role", "user", "--days", "7"), 3, "of this name"),
        (("uma", "--name", "more", "--role", "admin", "--days", "7"), 3, "no more than its person"),
        (("noah", "--name", "more", "--role", "user", "--days", "7"), 3, "no role"),
        (("nobody", "--name", "more", "--role", "user", "--days", "7"), 4, "Nobody is called nobody"),
        (("uma", "--name", "more", "--role", "king", "--days", "7"), 2, "invalid choice"),
    ):
        refused = command(*arguments, database=database)
        assert (refused.returncode, sentence in refused.stderr, refused.stdout) == (status, True, ""), refused.stderr
