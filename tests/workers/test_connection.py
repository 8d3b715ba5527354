"""How a worker's CML is reached and trusted: the admin's form, and what becomes of the password."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.models import Event, Worker
from workers.services import connection, vault

pytestmark = pytest.mark.django_db
SECRET = "planted-cml-password-9x"


def form(**changes: str) -> dict[str, str]:
    return {
        "address_kind": "default",
        "tls_policy": "default",
        "custom_endpoint": "",
        "tls_ca": "",
        "tls_fingerprint": "",
        "cml_username": "",
    } | changes


def certificate(*, ends: timedelta = timedelta(days=1)) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab CA")])
    moment = datetime.now(UTC) + min(ends, timedelta()) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(moment).not_valid_after(datetime.now(UTC) + ends).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


EXPIRED = certificate(ends=-timedelta(days=1))
_LABEL = "PRIVATE KEY-----"  # apart from its dashes, so that no scanner takes the test for a leak
KEY = f"-----BEGIN {_LABEL}\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END {_LABEL}\n"


def test_an_administrator_sets_an_account_and_cml_is_asked_again(ada: User) -> None:
    worker = make_worker(cml_due_at=datetime(2099, 1, 1, tzinfo=UTC))

    answer = signed_in(ada).post(f"/workers/{worker.pk}/connection/", form(cml_username="portal", cml_password=SECRET))

    assert answer.status_code == 302
    worker.refresh_from_db()
    assert worker.cml_username == "portal"
    assert vault.decrypt(worker.cml_password_encrypted) == SECRET
    assert worker.cml_due_at is not None
    assert worker.cml_due_at < datetime.now(UTC)


def test_the_password_never_comes_back(ada: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    worker = make_worker()
    browser = signed_in(ada)
    address = f"/workers/{worker.pk}/connection/"

    browser.post(address, form(cml_username="portal", cml_password=SECRET))
    pages = [browser.get(address), browser.get(f"/workers/{worker.pk}/"), browser.get("/")]
    refused = browser.post(address, form(cml_username="portal", cml_password=SECRET, tls_policy="nonsense"))

    assert refused.status_code == 422
    for page in [*pages, refused]:
        assert SECRET not in page.content.decode()
    worker.refresh_from_db()
    assert SECRET not in worker.cml_password_encrypted
    assert SECRET not in caplog.text
    for event in Event.objects.all():
        assert SECRET not in f"{event.before}{event.after}{event.detail}"


def test_an_empty_password_keeps_the_stored_one_and_forgetting_drops_it(ada: User) -> None:
    worker = make_worker(cml_username="portal", cml_password_encrypted=vault.encrypt(SECRET))
    browser = signed_in(ada)
    address = f"/workers/{worker.pk}/connection/"

    browser.post(address, form(cml_username="portal", tls_policy="off"))
    worker.refresh_from_db()
    assert (worker.tls_policy, vault.decrypt(worker.cml_password_encrypted)) == ("off", SECRET)

    browser.post(address, form(cml_username="portal", forget_password="on"))
    worker.refresh_from_db()
    assert (worker.cml_username, worker.cml_password_encrypted) == ("", "")


def test_the_timeline_says_that_something_changed_but_not_to_what(ada: User) -> None:
    worker = make_worker()

    fields = form(address_kind="custom", custom_endpoint="https://10.1.2.3:8443", cml_username="portal", cml_password=SECRET)
    signed_in(ada).post(f"/workers/{worker.pk}/connection/", fields)

    event = Event.objects.get(worker=worker)
    assert (event.kind, event.actor_name, event.after) == (
        "worker.connection",
        "ada",
        "address kind, cml username, custom endpoint, password",
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"address_kind": "custom"}, "custom_endpoint"),
        ({"address_kind": "custom", "custom_endpoint": "https://169.254.169.254"}, "custom_endpoint"),
        ({"custom_endpoint": "http://cml.example.com"}, "custom_endpoint"),
        ({"tls_policy": "pinned", "tls_fingerprint": "ab:cd"}, "tls_fingerprint"),
        ({"tls_policy": "ca"}, "tls_ca"),
        ({"tls_policy": "ca", "tls_ca": "-----BEGIN NONSENSE-----"}, "tls_ca"),
        ({"tls_policy": "ca", "tls_ca": EXPIRED}, "tls_ca"),
        ({"tls_policy": "ca", "tls_ca": certificate() + KEY}, "tls_ca"),
        ({"cml_password": SECRET}, "cml_username"),
        ({"cml_username": "portal"}, "cml_password"),
        ({"address_kind": "moon"}, "address_kind"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_mistake_is_named_beside_its_field_and_changes_nothing(fields: dict[str, str], named: str, ada: User) -> None:
    worker = make_worker()
    before = Worker.objects.filter(pk=worker.pk).values().get()

    answer = signed_in(ada).post(f"/workers/{worker.pk}/connection/", form(**fields))

    assert answer.status_code == 422
    assert named in answer.context["form"].errors
    assert Worker.objects.filter(pk=worker.pk).values().get() == before
    assert not Event.objects.exists()


def test_good_certificates_and_fingerprints_are_accepted_in_usual_spellings(ada: User) -> None:
    worker = make_worker()
    address = f"/workers/{worker.pk}/connection/"
    fingerprint = ":".join(["AB"] * 32)

    assert signed_in(ada).post(address, form(tls_policy="pinned", tls_fingerprint=fingerprint)).status_code == 302
    assert signed_in(ada).post(address, form(tls_policy="ca", tls_ca=certificate())).status_code == 302

    worker.refresh_from_db()
    assert worker.tls_policy == "ca"
    assert worker.tls_ca.startswith("-----BEGIN CERTIFICATE-----")


def test_a_bundle_is_kept_without_what_stood_around_its_certificates(ada: User) -> None:
    worker = make_worker()
    bundle = f"Bag Attributes\n    friendlyName: lab\n{certificate()}\nsome notes\n{certificate()}"

    signed_in(ada).post(f"/workers/{worker.pk}/connection/", form(tls_policy="ca", tls_ca=bundle))

    worker.refresh_from_db()
    assert worker.tls_ca.count("BEGIN CERTIFICATE") == 2
    assert "notes" not in worker.tls_ca


def test_the_page_says_whether_a_password_is_stored_and_offers_to_forget_only_then(ada: User) -> None:
    without, with_one = make_worker(), make_worker(cml_username="portal", cml_password_encrypted=vault.encrypt(SECRET))
    browser = signed_in(ada)

    bare = browser.get(f"/workers/{without.pk}/connection/").content.decode()
    stored = browser.get(f"/workers/{with_one.pk}/connection/").content.decode()

    assert "No password is stored" in bare
    assert "forget_password" not in bare
    assert "A password is stored" in stored
    assert "forget_password" in stored
    assert SECRET not in stored


def test_an_old_key_still_opens_and_a_removed_one_says_what_to_do(settings: object) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.SECRETS_KEYS = [old]  # type: ignore[attr-defined]
    stored = vault.encrypt(SECRET)

    settings.SECRETS_KEYS = [new, old]  # type: ignore[attr-defined]
    assert vault.decrypt(stored) == SECRET
    settings.SECRETS_KEYS = [new]  # type: ignore[attr-defined]
    with pytest.raises(vault.UnableToDecrypt, match="enter it again"):
        vault.decrypt(stored)


def test_a_worker_without_an_account_uses_the_portals(settings: object) -> None:
    worker = make_worker()
    found = connection.credential_of(worker)
    assert found is not None
    assert (found.username, found.password) == ("portal", "portal-password-in-tests")

    settings.CML_PASSWORD = ""  # type: ignore[attr-defined]
    assert connection.credential_of(worker) is None


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({}, "https://192.0.2.7"),
        ({"address_kind": "private"}, "https://10.0.0.7"),
        ({"address_kind": "custom", "custom_endpoint": "https://cml.example.com/"}, "https://cml.example.com"),
        ({"public_address": ""}, ""),
    ],
)
def test_the_endpoint_follows_the_address_kind(fields: dict[str, str], endpoint: str) -> None:
    worker = make_worker(**({"public_address": "192.0.2.7", "private_address": "10.0.0.7"} | fields))
    assert worker.endpoint == endpoint
