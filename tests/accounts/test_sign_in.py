"""Getting in, staying out, and one's own account."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker

pytestmark = pytest.mark.django_db
PASSWORD = "a-good-long-password"


@pytest.fixture
def uma_with_password(uma: User) -> User:
    uma.set_password(PASSWORD)
    uma.save()
    return uma


def sign_in(browser: Client, password: str = PASSWORD, **more: str):  # type: ignore[no-untyped-def]
    return browser.post("/sign-in/", {"login": "uma", "password": password} | more)


def test_signing_in_leads_to_where_one_wanted_to_go(uma_with_password: User) -> None:
    worker = make_worker()
    browser = Client()
    asked = browser.get(f"/workers/{worker.pk}/?window=1h")
    assert asked["Location"] == f"/sign-in/?next=/workers/{worker.pk}/%3Fwindow%3D1h"

    answer = sign_in(browser, next=f"/workers/{worker.pk}/?window=1h")

    assert answer["Location"] == f"/workers/{worker.pk}/?window=1h"
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    "next_url", ["https://evil.example.com/", "//evil.example.com", "javascript:alert(1)", "/\\evil.example.com"]
)
def test_nobody_is_sent_to_another_site(next_url: str, uma_with_password: User) -> None:
    assert sign_in(Client(), next=next_url)["Location"] == "/"


def test_a_wrong_password_says_nothing_about_who_exists(uma_with_password: User) -> None:
    known = sign_in(Client(), "wrong")
    unknown = Client().post("/sign-in/", {"login": "nobody", "password": "wrong"})

    assert known.status_code == unknown.status_code == 200
    assert known.context["form"].errors == unknown.context["form"].errors


def test_guessing_is_slowed_down(uma_with_password: User) -> None:
    for _ in range(5):
        sign_in(Client(), "wrong")

    refused = sign_in(Client())

    assert "_auth_user_id" not in refused.client.session
    assert "too many" in refused.content.decode().lower()


def test_deactivated_people_do_not_get_in_and_are_out_at_once(uma_with_password: User) -> None:
    browser = signed_in(uma_with_password)
    assert browser.get("/").status_code == 200

    User.objects.update(is_active=False)

    assert browser.get("/")["Location"].startswith("/sign-in/")
    refused = sign_in(Client())
    assert "_auth_user_id" not in refused.client.session


def test_signing_out_needs_a_post_and_ends_the_session(uma: User) -> None:
    browser = signed_in(uma)
    key = browser.session.session_key

    assert browser.get("/sign-out/").status_code == 200
    assert browser.get("/").status_code == 200
    browser.post("/sign-out/")

    assert browser.get("/").status_code == 302
    assert not type(browser.session).get_model_class().objects.filter(session_key=key).exists()


def test_the_session_is_a_new_one_after_sign_in(uma_with_password: User) -> None:
    browser = Client()
    browser.get("/sign-in/")
    session = browser.session
    session["planted"] = True
    session.save()
    before = session.session_key

    sign_in(browser)

    assert browser.session.session_key != before


@pytest.mark.parametrize("name", ["account_signup", "account_reset_password", "account_email"])
def test_nobody_registers_here(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_forms_need_the_token(uma: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(uma, backend="accounts.local.backend.LocalBackend")

    refused = browser.post("/account/", {"time_zone": "UTC", "colour_scheme": "dark"})

    assert refused.status_code == 403
    assert "open" in refused.content.decode().lower()


def test_preferences_are_kept_and_used(uma: User) -> None:
    browser = signed_in(uma)

    assert browser.post("/account/", {"time_zone": "Asia/Tokyo", "colour_scheme": "dark"}).status_code == 302

    page = browser.get("/account/").content.decode()
    assert 'data-theme="dark"' in page
    uma.refresh_from_db()
    assert uma.time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    "fields", [{"time_zone": "Moon/Base", "colour_scheme": "dark"}, {"time_zone": "UTC", "colour_scheme": "pink"}]
)
def test_a_preference_that_does_not_exist_is_refused_beside_its_field(fields: dict[str, str], uma: User) -> None:
    answer = signed_in(uma).post("/account/", fields)
    assert answer.status_code == 422
    assert answer.context["form"].errors


def test_a_time_zone_that_was_dropped_from_the_database_breaks_no_page(uma: User) -> None:
    User.objects.update(time_zone="US/Gone")
    assert signed_in(uma).get("/").status_code == 200


def test_pages_of_signed_in_people_are_kept_by_no_cache(uma: User) -> None:
    worker = make_worker()
    browser = signed_in(uma)
    for address in ("/", f"/workers/{worker.pk}/", "/account/"):
        assert "no-store" in browser.get(address)["Cache-Control"]


def test_htmx_is_told_to_go_to_sign_in_and_back_to_its_page(uma: User) -> None:
    worker = make_worker()
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/?q=bgp&page=2"}

    answer = Client().get(f"/workers/{worker.pk}/live/", headers=headers)

    assert answer.status_code == 204
    assert answer["HX-Redirect"] == "/sign-in/?next=/%3Fq%3Dbgp%26page%3D2"


def test_an_administrator_who_is_no_superuser_makes_no_superusers(ada: User, uma: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    browser = signed_in(ada)
    page = browser.get(f"/admin/accounts/user/{uma.pk}/change/")
    assert page.status_code == 200

    form = page.context["adminform"].form
    fields = {name: value for name, value in form.initial.items() if name in form.fields and value is not None}
    fields |= {"is_superuser": "on", "groups": [group.pk for group in uma.groups.all()]}
    browser.post(f"/admin/accounts/user/{uma.pk}/change/", fields)

    uma.refresh_from_db()
    assert not uma.is_superuser
