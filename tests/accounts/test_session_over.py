"""What becomes of a press or a request whose session is over, or whose person may less than before."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.access import UNATTENDED
from accounts.models import SignIn, User
from accounts.roles import Role
from tests.conftest import signed_in
from tests.makers import make_worker

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/?q=bgp&page=2"}


def over(person: User) -> Client:
    browser = signed_in(person)
    SignIn.objects.all().delete()
    return browser


@pytest.mark.parametrize("method", ["get", "post"])
def test_htmx_goes_to_sign_in_and_comes_back_to_its_page(method: str, miguel: User) -> None:
    worker = make_worker()
    browser = over(miguel)
    path = f"/workers/{worker.pk}/{'live' if method == 'get' else 'start'}/"
    answer = getattr(browser, method)(path, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/sign-in/?next=/%3Fq%3Dbgp%26page%3D2")
    said = browser.get(answer["HX-Redirect"]).content.decode()
    assert ("nothing was done" in said) == (method == "post")


def test_a_page_that_asks_by_itself_is_told_and_not_sent_away(uma: User) -> None:
    answer = over(uma).get("/", headers={**HTMX, UNATTENDED: "1"})
    assert (answer.status_code, answer["HX-Trigger"]) == (401, "session:over")
    assert not answer.has_header("HX-Redirect")


def test_a_form_comes_back_to_the_page_it_was_on_and_not_to_its_own_address(miguel: User) -> None:
    worker = make_worker()
    browser = over(miguel)
    answer = browser.post(
        f"/workers/{worker.pk}/start/", headers={"Referer": f"http://testserver/workers/{worker.pk}/?window=1h"}
    )
    assert answer["Location"] == f"/sign-in/?next=/workers/{worker.pk}/%3Fwindow%3D1h"
    assert "nothing was done" in browser.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    "page", ["https://evil.example/x", "http://testserver//evil.example/x", "javascript:alert(1)", "nonsense"]
)
def test_no_page_of_another_site_is_come_back_to(page: str, miguel: User) -> None:
    worker = make_worker()
    browser = over(miguel)
    by_form = browser.post(f"/workers/{worker.pk}/start/", headers={"Referer": page})
    by_htmx = browser.post(f"/workers/{worker.pk}/start/", headers={**HTMX, "HX-Current-URL": page})
    for address in (by_form["Location"], by_htmx["HX-Redirect"]):
        assert "evil" not in address
        assert "alert" not in address


def test_signing_out_leads_nowhere_back(uma: User) -> None:
    answer = signed_in(uma).post("/sign-out/", headers={"Referer": "http://testserver/labs/"})
    assert answer["Location"] == "/sign-in/"


def test_a_press_that_the_role_does_not_allow_any_more_is_refused_at_once_and_said(miguel: User) -> None:
    worker = make_worker()
    browser = signed_in(miguel)
    miguel.groups.set([Group.objects.get(name=Role.USER.value)])
    answer = browser.post(f"/workers/{worker.pk}/start/", headers=HTMX)
    assert (answer.status_code, answer["HX-Trigger"]) == (403, "session:refused")


def test_a_page_that_reads_itself_learns_that_it_may_not(ada: User) -> None:
    worker = make_worker()
    browser = signed_in(ada)
    ada.groups.clear()
    answer = browser.get(f"/workers/{worker.pk}/live/", headers={**HTMX, UNATTENDED: "1"})
    assert (answer.status_code, answer["HX-Trigger"]) == (403, "session:powers")


def test_a_form_of_another_session_says_so(uma: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(uma, backend="accounts.local.backend.LocalBackend")
    assert browser.post("/account/", headers=HTMX)["HX-Trigger"] == "session:stale"


def test_every_page_of_a_signed_in_person_carries_the_banner_hidden(uma: User) -> None:
    page = signed_in(uma).get("/").content.decode()
    assert 'id="session-banner"' in page
    assert "session-banner" not in Client().get("/sign-in/").content.decode()
