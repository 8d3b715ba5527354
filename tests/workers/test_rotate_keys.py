"""manage.py rotate_keys: every stored secret under the newest key, whatever happens meanwhile."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from accounts.models import User
from tests.makers import make_worker
from workers.models import Event, Worker
from workers.services import rotation, vault

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def under(settings: object) -> object:
    """Sets the keys, newest first."""

    def set_keys(*keys: str) -> None:
        settings.SECRETS_KEYS = list(keys)  # type: ignore[attr-defined]

    return set_keys


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_every_secret_is_readable_without_the_old_key_afterwards(under: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    under(OLD)  # type: ignore[operator]
    for number in range(5):
        make_worker(cml_username="a", cml_password_encrypted=vault.encrypt(f"planted-{number}"))
    make_worker()
    under(NEW, OLD)  # type: ignore[operator]
    make_worker(cml_username="a", cml_password_encrypted=vault.encrypt("planted-new"))

    said = json.loads(run("--json"))

    assert said == {"dry_run": False, "rotated": 5, "current": 1, "changed_meanwhile": 0, "unreadable": []}
    under(NEW)  # type: ignore[operator]
    stored = Worker.objects.exclude(cml_password_encrypted="").values_list("cml_password_encrypted", flat=True)
    assert sorted(map(vault.decrypt, stored)) == [
        "planted-0",
        "planted-1",
        "planted-2",
        "planted-3",
        "planted-4",
        "planted-new",
    ]
    event = Event.objects.get()
    assert (event.kind, event.actor_name, event.after) == (
        "secrets.rotated",
        "rotate_keys",
        "5 re-encrypted, 1 current already",
    )


@pytest.mark.django_db
def test_a_second_run_and_a_dry_run_change_nothing(under: object) -> None:
    under(OLD)  # type: ignore[operator]
    worker = make_worker(cml_password_encrypted=vault.encrypt("planted"))
    under(NEW, OLD)  # type: ignore[operator]

    before = Worker.objects.values_list("cml_password_encrypted", flat=True).get(pk=worker.pk)
    assert "1 would be re-encrypted, 0 under the newest key" in run("--dry-run")
    assert Worker.objects.values_list("cml_password_encrypted", flat=True).get(pk=worker.pk) == before
    assert not Event.objects.exists()

    assert "1 re-encrypted, 0 under the newest key" in run()
    rotated = Worker.objects.values_list("cml_password_encrypted", flat=True).get(pk=worker.pk)
    assert "0 re-encrypted, 1 under the newest key" in run()
    assert Worker.objects.values_list("cml_password_encrypted", flat=True).get(pk=worker.pk) == rotated


@pytest.mark.django_db
def test_a_password_that_is_changed_meanwhile_is_not_overwritten(
    under: object, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    under(OLD)  # type: ignore[operator]
    worker = make_worker(cml_password_encrypted=vault.encrypt("former"))
    other = make_worker(cml_password_encrypted=vault.encrypt("former"))
    old_process = vault.encrypt("changed by a process that knows only the old key")
    under(NEW, OLD)  # type: ignore[operator]
    honest = vault.reencrypted
    calls: list[str] = []

    def slowly(text: str) -> str:
        # Between our reading and our writing, somebody stores new passwords.
        calls.append(text)
        if len(calls) == 1:
            Worker.objects.filter(pk=worker.pk).update(cml_password_encrypted=vault.encrypt("changed"))
            Worker.objects.filter(pk=other.pk).update(cml_password_encrypted=old_process)
        return honest(text)

    monkeypatch.setattr(vault, "reencrypted", slowly)

    result = rotation.rotate_secrets(now=now)

    under(NEW)  # type: ignore[operator]
    worker.refresh_from_db()
    other.refresh_from_db()
    assert vault.decrypt(worker.cml_password_encrypted) == "changed"
    assert vault.decrypt(other.cml_password_encrypted) == "changed by a process that knows only the old key"
    assert (result.rotated, result.changed) == (1, 1)


@pytest.mark.django_db
def test_what_no_key_opens_is_named_and_the_rest_is_done(under: object) -> None:
    under(LOST)  # type: ignore[operator]
    lost = make_worker(cml_password_encrypted=vault.encrypt("planted-lost"))
    under(OLD)  # type: ignore[operator]
    good = make_worker(cml_password_encrypted=vault.encrypt("planted-good"))
    under(NEW, OLD)  # type: ignore[operator]
    out = io.StringIO()

    with pytest.raises(CommandError, match=r"1 secret cannot be decrypted.*Remove no key before") as caught:
        call_command("rotate_keys", stdout=out)

    assert caught.value.returncode == 3
    assert f"Cannot be decrypted: workers.Worker {lost.pk} cml_password_encrypted" in out.getvalue()
    under(NEW)  # type: ignore[operator]
    good.refresh_from_db()
    assert vault.decrypt(good.cml_password_encrypted) == "planted-good"


@pytest.mark.django_db
@pytest.mark.parametrize(("keys", "words"), [((), "SECRETS_KEYS is not set"), (("short",), "Key 1 of SECRETS_KEYS")])
def test_wrong_keys_are_refused_before_anything_is_read(keys: tuple[str, ...], words: str, under: object) -> None:
    under(*keys)  # type: ignore[operator]
    with pytest.raises(CommandError, match=words):
        run()


def test_every_field_of_secrets_is_found_by_its_name() -> None:
    found = {(place.model._meta.label, str(place)) for place in rotation.places()}
    assert {("workers.Worker", "cml_password_encrypted"), ("mfa.Authenticator", "data.secret")} <= found


@pytest.mark.django_db
def test_second_factors_are_rotated_and_what_else_they_hold_stays(under: object, uma: User) -> None:
    under(OLD)  # type: ignore[operator]
    app = TOTP.activate(uma, "JBSWY3DPEHPK3PXP").instance
    codes = RecoveryCodes.activate(uma)
    first, *others = codes.get_unused_codes()
    assert codes.validate_code(first)
    under(NEW, OLD)  # type: ignore[operator]

    assert json.loads(run("--json"))["rotated"] == 2

    under(NEW)  # type: ignore[operator]
    app.refresh_from_db()
    assert vault.decrypt(app.data["secret"]) == "JBSWY3DPEHPK3PXP"
    assert Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes() == others
    under(LOST)  # type: ignore[operator]
    with pytest.raises(CommandError, match="2 secrets cannot be decrypted"):
        run()


def test_the_documented_procedure_from_a_shell(tmp_path: Path) -> None:
    def manage(keys: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "TEST_DATABASE_URL"}}
        environment |= {"VAR": str(tmp_path), "SECRETS_KEYS": keys}
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, timeout=60)

    store = (
        "from workers.models import Worker; from workers.services import vault; "
        "Worker.objects.create(region='us-east-1', cml_username='a', cml_password_encrypted=vault.encrypt('planted-in-a-shell'))"
    )
    tell = "from workers.models import Worker; from workers.services import vault; print(vault.decrypt(Worker.objects.get().cml_password_encrypted))"
    assert manage(OLD, "migrate", "--verbosity", "0").returncode == 0
    assert manage(OLD, "shell", "--verbosity", "0", "-c", store).returncode == 0

    done = manage(f"{NEW},{OLD}", "rotate_keys")
    assert (done.returncode, done.stdout) == (0, "1 re-encrypted, 0 under the newest key already.\n"), done.stderr
    assert manage(NEW, "shell", "--verbosity", "0", "-c", tell).stdout.strip() == "planted-in-a-shell"

    refused = manage(LOST, "rotate_keys", "--json")
    assert refused.returncode == 3
    assert len(json.loads(refused.stdout)["unreadable"]) == 1
    assert "planted-in-a-shell" not in refused.stdout + refused.stderr
