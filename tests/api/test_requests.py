"""What happens around every operation: who asks, errors, pages, ETags."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.roles import Role
from accounts.services.bearers import PREFIX_LENGTH, hash_of, new_token
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.models import Operation

pytestmark = pytest.mark.django_db
NOWHERE = "00000000-0000-4000-8000-000000000000"


def problem(answer: HttpResponse, code: str) -> dict[str, Any]:
    """The problem details of `answer`, which must be of the kind `code`."""
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.content)
    assert body["code"] == code
    assert body["status"] == answer.status_code
    assert body["type"] == f"/api/docs#problem-{code}"
    return body


def test_somebody_who_is_not_signed_in_gets_401_and_is_told_how(client: Client) -> None:
    answer = client.get("/api/workers")

    assert answer.status_code == 401
    assert "Bearer" in problem(answer, "unauthenticated")["detail"]
    assert answer["WWW-Authenticate"] == 'Bearer realm="CML Cloud Manager"'


def test_a_session_may_change_something_only_with_its_csrf_token(ada: User) -> None:
    worker = make_worker(machine_state="stopped")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada, backend="accounts.local.backend.LocalBackend")

    refused = browser.post(f"/api/workers/{worker.pk}/start", {}, content_type="application/json")
    page = browser.get("/").content.decode()
    token = page.split('"X-CSRFToken": "')[1].split('"')[0]
    taken = browser.post(f"/api/workers/{worker.pk}/start", {}, content_type="application/json", headers={"X-CSRFToken": token})

    problem(refused, "csrf")
    assert taken.status_code == 202


def test_a_wrong_bearer_is_refused_even_beside_a_good_session(ada: User) -> None:
    answer = signed_in(ada).get("/api/workers", headers={"Authorization": "Bearer nonsense"})

    problem(answer, "unauthenticated")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_somebody_without_a_role_is_told_whom_to_ask_and_who_they_are(noah: User, settings: Any) -> None:
    settings.SUPPORT_CONTACT = "labs@example.com"
    browser = signed_in(noah)

    assert "labs@example.com" in problem(browser.get("/api/workers"), "no-role")["detail"]
    assert browser.get("/api/whoami").json()["role"] is None


def test_whoami_tells_the_role_and_what_it_may_do(miguel: User) -> None:
    told = signed_in(miguel).get("/api/whoami").json()

    assert (told["username"], told["role"], told["credential"]) == ("miguel", "manager", "session")
    assert "workers.start_worker" in told["capabilities"]
    assert "workers.terminate_worker" not in told["capabilities"]


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not-found"),
        ("GET", "/api/workers/", 404, "not-found"),
        ("POST", "/api/nothing/at/all", 404, "not-found"),
        ("GET", f"/api/workers/{NOWHERE}", 404, "not-found"),
        ("GET", "/api/workers/not-a-uuid", 404, "not-found"),
        ("DELETE", "/api/workers", 405, "method-not-allowed"),
        ("GET", "/api/workers?page=0", 422, "invalid"),
        ("GET", "/api/workers?sort=colour", 422, "invalid"),
        ("GET", "/api/workers?stat=running", 422, "invalid"),
        ("GET", "/api/workers?q=%00", 422, "invalid"),
        ("POST", f"/api/workers/{NOWHERE}/start", 404, "not-found"),
    ],
)
def test_every_error_is_a_problem(method: str, address: str, status: int, code: str, ada: User) -> None:
    answer = signed_in(ada).generic(method, address)

    assert answer.status_code == status
    assert problem(answer, code)["detail"]
    if status == 405:
        assert answer["Allow"]


def test_an_odd_host_is_a_problem_too(ada: User) -> None:
    problem(signed_in(ada).get("/api/workers", headers={"Host": "evil.example.com"}), "bad-request")


def test_errors_point_at_the_field(ada: User) -> None:
    worker = make_worker(machine_state="stopped")
    browser = signed_in(ada)
    start = f"/api/workers/{worker.pk}/start"

    too_long = browser.post(start, {"reason": "x" * 501}, content_type="application/json")
    unknown = browser.post(start, {"raeson": "x"}, content_type="application/json")
    query = browser.get("/api/workers?size=201&stat=running")
    sort = browser.get("/api/workers?page=x&state=on")

    assert [(one["place"], one["pointer"]) for one in problem(too_long, "invalid")["errors"]] == [("body", "/reason")]
    assert [one["pointer"] for one in problem(unknown, "invalid")["errors"]] == ["/raeson"]
    assert [(one["place"], one["pointer"]) for one in problem(query, "invalid")["errors"]] == [("query", "/stat")]
    assert {(one["place"], one["pointer"]) for one in problem(sort, "invalid")["errors"]} == {
        ("query", "/page"),
        ("query", "/state/0"),
    }
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "bad-request"),
        (b'{"reason": NaN}', "application/json", 400, "bad-request"),
        (b"[" * 100_000, "application/json", 400, "bad-request"),
        (b"\xff\xfe", "application/json", 400, "bad-request"),
        (b"[]", "application/json", 422, "invalid"),
        (b'{"reason": "\\u0000"}', "application/json", 422, "invalid"),
        (b'{"reason": "\\ud800"}', "application/json", 422, "invalid"),
        (b"reason=x", "application/x-www-form-urlencoded", 415, "not-json"),
        (b'{"reason": "' + b"x" * 3_000_000 + b'"}', "application/json", 413, "too-large"),
    ],
)
def test_odd_bodies_are_refused_and_change_nothing(body: bytes, kind: str, status: int, code: str, ada: User) -> None:
    worker = make_worker(machine_state="stopped")

    answer = signed_in(ada).post(f"/api/workers/{worker.pk}/start", body, content_type=kind)

    assert answer.status_code == status
    problem(answer, code)
    assert not Operation.objects.exists()


def test_a_mistake_of_ours_is_told_without_its_inside(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.api import fleet

    monkeypatch.setattr(fleet, "paged", lambda *_: 1 / 0)
    browser = signed_in(ada)
    browser.raise_request_exception = False

    answer = browser.get("/api/workers")

    assert answer.status_code == 500
    assert "ZeroDivision" not in json.dumps(problem(answer, "internal"))


def test_a_list_comes_a_page_at_a_time_with_links(uma: User) -> None:
    for number in range(5):
        make_worker(name=f"w{number}")
    browser = signed_in(uma)

    first = browser.get("/api/workers?size=2&sort=name&region=us-east-1")
    body = first.json()
    names = [one["name"] for one in body["items"]]
    address: str | None = body["links"]["next"]
    while address:
        page = browser.get(address).json()
        names += [one["name"] for one in page["items"]]
        address = page["links"]["next"]
    behind = browser.get("/api/workers?size=2&page=9&sort=name").json()

    assert (body["total"], body["pages"], body["page"], body["size"]) == (5, 3, 1, 2)
    assert names == ["w0", "w1", "w2", "w3", "w4"]
    assert '</api/workers?size=2&sort=name&region=us-east-1&page=2>; rel="next"' in first["Link"]
    assert 'rel="prev"' not in first["Link"]
    assert (behind["items"], behind["links"]["next"], behind["links"]["previous"]) == (
        [],
        None,
        "/api/workers?size=2&page=3&sort=name",
    )


def test_who_has_it_already_gets_304(uma: User) -> None:
    worker = make_worker(name="w")
    browser = signed_in(uma)
    for address in ("/api/workers", f"/api/workers/{worker.pk}"):
        etag = browser.get(address)["ETag"]
        again = browser.get(address, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
        assert etag.startswith("W/")
    worker.name = "renamed"
    worker.save()

    assert browser.get("/api/workers", headers={"If-None-Match": etag}).status_code == 200


def test_no_cache_between_keeps_what_only_one_person_may_see(uma: User) -> None:
    make_worker()
    answer = signed_in(uma).get("/api/workers")

    assert "private" in answer["Cache-Control"]
    assert {"Authorization", "Cookie"} <= {name.strip() for name in answer["Vary"].split(",")}


def test_head_is_get_without_a_body(uma: User) -> None:
    make_worker()
    browser = signed_in(uma)

    answer = browser.head("/api/workers")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["ETag"] == browser.get("/api/workers")["ETag"]


def bearer(person: User, scope: Role, **changes: Any) -> dict[str, str]:
    """The header of a new token of `person`."""
    raw = new_token()
    now = timezone.now()
    fields = {"name": raw[-12:], "prefix": raw[:PREFIX_LENGTH], "token_hash": hash_of(raw), "created_at": now}
    ApiToken.objects.create(user=person, scope=scope, **fields | {"expires_at": now + timedelta(days=1)} | changes)
    return {"Authorization": f"Bearer {raw}"}


def test_a_token_may_what_its_role_may_and_the_audit_says_that_it_was_a_program(ada: User, client: Client) -> None:
    worker = make_worker(machine_state="stopped")
    start = f"/api/workers/{worker.pk}/start"
    manager, reader = bearer(ada, Role.MANAGER), bearer(ada, Role.USER)

    refused = client.post(start, {}, content_type="application/json", headers=reader)
    taken = client.post(start, {}, content_type="application/json", headers=manager)
    told = client.get("/api/whoami", headers=reader).json()

    assert "This token’s role (User)" in problem(refused, "forbidden")["detail"]
    assert taken.status_code == 202
    assert taken.json()["by"] == {"kind": "api", "name": "ada"}
    assert (told["role"], told["credential"]) == ("user", "token")


def test_an_expired_or_revoked_token_is_refused_with_the_reason(ada: User, client: Client) -> None:
    then = timezone.now() - timedelta(days=2)
    expired = bearer(ada, Role.USER, created_at=then, expires_at=then + timedelta(days=1))
    revoked = bearer(ada, Role.USER, revoked_at=then)

    assert "expired" in problem(client.get("/api/workers", headers=expired), "unauthenticated")["detail"]
    assert "revoked" in problem(client.get("/api/workers", headers=revoked), "unauthenticated")["detail"]
