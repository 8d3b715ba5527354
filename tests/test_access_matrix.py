"""Every address × every kind of person. An address that is not in the table fails the test: decide who may, then write it down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from tests.conftest import signed_in
from tests.labs.makers import make_lab
from tests.labs.saving import version_of
from tests.makers import make_worker

pytestmark = pytest.mark.django_db

# What each person gets, in the order: signed out, no role, user, manager, admin (who is staff).
PEOPLE = ("signed out", "no role", "user", "manager", "admin")
IN = 302  # to sign-in
SEEN = (IN, 403, 200, 200, 200)
ADMIN_ONLY = (IN, 403, 403, 403, 200)
PUBLIC = (200, 200, 200, 200, 200)
# Staff open the Django admin; what they may do there their permissions say.
DESK = (IN, 403, 403, 403, 200)
DESK_REFUSED = (IN, 403, 403, 403, 403)

# (method, route, arguments, expected). Routes are as the URL configuration spells them.
MATRIX: list[tuple[str, str, dict[str, str], tuple[int, ...]]] = [
    ("GET", "livez", {}, PUBLIC),
    ("GET", "readyz", {}, PUBLIC),
    ("GET", "sign-in/", {}, (200, 302, 302, 302, 302)),
    ("POST", "sign-in/", {}, (200, 302, 302, 302, 302)),
    ("GET", "sign-in/inactive/", {}, PUBLIC),
    ("GET", "sign-out/", {}, (302, 200, 200, 200, 200)),
    ("POST", "sign-out/", {}, (302, 302, 302, 302, 302)),
    ("GET", "account/", {}, (IN, 200, 200, 200, 200)),
    ("POST", "account/", {}, (IN, 422, 422, 422, 422)),
    ("GET", "", {}, SEEN),
    ("GET", "workers/new/", {}, ADMIN_ONLY),
    ("POST", "workers/new/", {}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/new/<uuid:operation_id>/", {"operation_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("POST", "workers/new/<uuid:operation_id>/", {"operation_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("GET", "workers/import/", {}, ADMIN_ONLY),
    ("POST", "workers/import/", {}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/import/<uuid:operation_id>/", {"operation_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("POST", "workers/import/<uuid:operation_id>/", {"operation_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("GET", "workers/import/adopt/", {}, (IN, 403, 405, 405, 405)),
    ("POST", "workers/import/adopt/", {}, (IN, 403, 403, 403, 302)),
    ("GET", "workers/<uuid:worker_id>/", {"worker_id": "worker"}, SEEN),
    ("GET", "workers/<uuid:worker_id>/live/", {"worker_id": "worker"}, SEEN),
    ("GET", "workers/<uuid:worker_id>/history/", {"worker_id": "worker"}, (IN, 403, 302, 302, 302)),
    ("GET", "workers/<uuid:worker_id>/history.csv", {"worker_id": "worker"}, (IN, 403, 422, 422, 422)),
    ("GET", "workers/<uuid:worker_id>/timeline/", {"worker_id": "worker"}, SEEN),
    ("POST", "workers/<uuid:worker_id>/refresh/", {"worker_id": "worker"}, (IN, 403, 302, 302, 302)),
    ("GET", "workers/<uuid:worker_id>/refresh/", {"worker_id": "worker"}, (IN, 403, 405, 405, 405)),
    ("GET", "workers/<uuid:worker_id>/connection/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/connection/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/<uuid:worker_id>/connection/now/", {"worker_id": "worker"}, (IN, 403, 403, 403, 302)),
    ("POST", "workers/<uuid:worker_id>/connection/check/", {"worker_id": "worker"}, (IN, 403, 403, 403, 302)),
    ("POST", "workers/<uuid:worker_id>/connection/trust/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/<uuid:worker_id>/actions/", {"worker_id": "worker"}, SEEN),
    ("POST", "workers/<uuid:worker_id>/start/", {"worker_id": "worker"}, (IN, 403, 403, 302, 302)),
    ("POST", "workers/<uuid:worker_id>/stop/", {"worker_id": "worker"}, (IN, 403, 403, 302, 302)),
    ("GET", "workers/<uuid:worker_id>/terminate/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/terminate/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/<uuid:worker_id>/tags/", {"worker_id": "worker"}, (IN, 403, 403, 200, 200)),
    ("POST", "workers/<uuid:worker_id>/tags/", {"worker_id": "worker"}, (IN, 403, 403, 422, 422)),
    ("POST", "workers/<uuid:worker_id>/monitoring/", {"worker_id": "worker"}, (IN, 403, 403, 403, 302)),
    ("GET", "workers/<uuid:worker_id>/delete/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/delete/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/<uuid:worker_id>/license/", {"worker_id": "worker"}, (IN, 403, 302, 302, 302)),
    ("GET", "workers/<uuid:worker_id>/license/register/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/license/register/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/<uuid:worker_id>/license/renew/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/license/renew/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "workers/<uuid:worker_id>/license/deregister/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/license/deregister/", {"worker_id": "worker"}, (IN, 403, 403, 403, 302)),
    ("GET", "workers/<uuid:worker_id>/license/change/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/license/change/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "licences/", {}, SEEN),
    ("POST", "licences/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "licences/seats/<int:seat_id>/resolve/", {"seat_id": "0"}, (IN, 403, 403, 403, 404)),
    ("POST", "licences/seats/<int:seat_id>/resolve/", {"seat_id": "0"}, (IN, 403, 403, 403, 404)),
    ("POST", "workers/bulk/", {}, (IN, 403, 403, 302, 302)),
    ("GET", "workers/<uuid:worker_id>/operations/", {"worker_id": "worker"}, SEEN),
    ("GET", "workers/<uuid:worker_id>/labs/", {"worker_id": "worker"}, SEEN),
    ("GET", "labs/", {}, SEEN),
    ("POST", "labs/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "labs/<uuid:lab_id>/", {"lab_id": "lab"}, SEEN),
    ("GET", "labs/<uuid:lab_id>/history/", {"lab_id": "lab"}, SEEN),
    ("GET", "labs/import/", {}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/import/", {}, (IN, 403, 403, 422, 422)),
    ("POST", "labs/bulk/", {}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/bulk/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "labs/files/<uuid:operation_id>/", {"operation_id": "worker"}, (IN, 403, 403, 404, 404)),
    ("GET", "labs/<uuid:lab_id>/actions/", {"lab_id": "lab"}, SEEN),
    ("POST", "labs/<uuid:lab_id>/start/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("POST", "labs/<uuid:lab_id>/stop/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/<uuid:lab_id>/wipe/", {"lab_id": "lab"}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/<uuid:lab_id>/wipe/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/<uuid:lab_id>/delete/", {"lab_id": "lab"}, ADMIN_ONLY),
    ("POST", "labs/<uuid:lab_id>/delete/", {"lab_id": "lab"}, (IN, 403, 403, 403, 422)),
    ("POST", "labs/<uuid:lab_id>/download/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("POST", "labs/<uuid:lab_id>/backup/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/<uuid:lab_id>/versions/", {"lab_id": "lab"}, SEEN),
    ("GET", "labs/<uuid:lab_id>/versions/compare/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/versions/", {}, SEEN),
    ("GET", "labs/versions/<int:version_id>/", {"version_id": "version"}, (IN, 403, 403, 200, 200)),
    ("GET", "labs/versions/<int:version_id>/download/", {"version_id": "version"}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/versions/<int:version_id>/pin/", {"version_id": "version"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/versions/<int:version_id>/restore/", {"version_id": "version"}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/versions/<int:version_id>/restore/", {"version_id": "version"}, (IN, 403, 403, 422, 422)),
    ("GET", "workers/<uuid:worker_id>/labs/archive/", {"worker_id": "worker"}, (IN, 403, 403, 200, 200)),
    ("POST", "workers/<uuid:worker_id>/labs/backup/", {"worker_id": "worker"}, (IN, 403, 403, 302, 302)),
    ("GET", "operations/", {}, SEEN),
    ("POST", "operations/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "operations/<uuid:operation_id>/", {"operation_id": "worker"}, (IN, 403, 404, 404, 404)),
    ("GET", "workers/<uuid:worker_id>/alerts/", {"worker_id": "worker"}, SEEN),
    ("GET", "workers/<uuid:worker_id>/thresholds/", {"worker_id": "worker"}, ADMIN_ONLY),
    ("POST", "workers/<uuid:worker_id>/thresholds/", {"worker_id": "worker"}, (IN, 403, 403, 403, 302)),
    ("POST", "workers/<uuid:worker_id>/thresholds/mute/", {"worker_id": "worker"}, (IN, 403, 403, 403, 422)),
    ("GET", "alerts/", {}, SEEN),
    ("GET", "alerts/bell/", {}, SEEN),
    ("GET", "alerts/<uuid:alert_id>/", {"alert_id": "worker"}, (IN, 403, 404, 404, 404)),
    ("GET", "alerts/acknowledge/", {}, (IN, 403, 405, 405, 405)),
    ("POST", "alerts/acknowledge/", {}, (IN, 403, 403, 302, 302)),
    ("POST", "alerts/unacknowledge/", {}, (IN, 403, 403, 302, 302)),
    ("GET", "alerts/thresholds/", {}, ADMIN_ONLY),
    ("POST", "alerts/thresholds/", {}, (IN, 403, 403, 403, 302)),
    ("POST", "alerts/thresholds/mute/", {}, (IN, 403, 403, 403, 422)),
    ("GET", "notifications/", {}, ADMIN_ONLY),
    ("GET", "notifications/new/", {}, ADMIN_ONLY),
    ("POST", "notifications/new/", {}, (IN, 403, 403, 403, 422)),
    ("GET", "notifications/<uuid:target_id>/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("GET", "notifications/<uuid:target_id>/edit/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("POST", "notifications/<uuid:target_id>/edit/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("GET", "notifications/<uuid:target_id>/delete/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("POST", "notifications/<uuid:target_id>/delete/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("POST", "notifications/<uuid:target_id>/switch/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("POST", "notifications/<uuid:target_id>/test/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("POST", "notifications/<uuid:target_id>/secret/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    ("GET", "notifications/<uuid:target_id>/secret/", {"target_id": "worker"}, (IN, 403, 405, 405, 405)),
    ("POST", "notifications/<uuid:target_id>/rotate/", {"target_id": "worker"}, (IN, 403, 403, 403, 404)),
    (
        "GET",
        "notifications/<uuid:target_id>/deliveries/<int:delivery_id>/",
        {"target_id": "worker", "delivery_id": "1"},
        (IN, 403, 403, 403, 404),
    ),
    (
        "POST",
        "notifications/<uuid:target_id>/deliveries/<int:delivery_id>/again/",
        {"target_id": "worker", "delivery_id": "1"},
        (IN, 403, 403, 403, 404),
    ),
    ("GET", "audit/", {}, ADMIN_ONLY),
    ("POST", "audit/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "audit/export.csv", {}, ADMIN_ONLY),
    ("GET", "operations/batches/<uuid:batch_id>/", {"batch_id": "worker"}, (IN, 403, 404, 404, 404)),
    ("POST", "operations/batches/<uuid:batch_id>/retry/", {"batch_id": "worker"}, (IN, 403, 404, 404, 404)),
    ("GET", "admin/", {}, DESK),
    ("GET", "admin/login/", {}, (IN, 403, 403, 403, 302)),
    ("POST", "admin/logout/", {}, (IN, 403, 403, 403, 302)),
    ("GET", "admin/password_change/", {}, DESK),
    ("GET", "admin/password_change/done/", {}, DESK),
    ("GET", "admin/autocomplete/", {}, DESK_REFUSED),
    ("GET", "admin/jsi18n/", {}, DESK),
    (
        "GET",
        "admin/r/<path:content_type_id>/<path:object_id>/",
        {"content_type_id": "1", "object_id": "1"},
        (IN, 403, 403, 403, 404),
    ),
    ("GET", "admin/<app_label>/", {"app_label": "workers"}, DESK),
    ("GET", "admin/<path:url>", {"url": "nonsense"}, (IN, 403, 403, 403, 404)),
]
for model, may_change in (
    ("workers/worker", False),
    ("workers/event", False),
    ("workers/operation", False),
    ("workers/notificationtarget", False),
    ("workers/delivery", False),
    ("workers/regioncheck", False),
    ("workers/alert", False),
    ("workers/alertthreshold", False),
    ("workers/alertmute", False),
    ("labs/lab", False),
    ("labs/labversion", False),
    ("labs/labscheck", False),
    ("accounts/user", True),
):
    may_add = DESK if may_change else DESK_REFUSED
    MATRIX += [
        ("GET", f"admin/{model}/", {}, DESK),
        ("GET", f"admin/{model}/add/", {}, may_add),
        ("GET", f"admin/{model}/<path:object_id>/history/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("GET", f"admin/{model}/<path:object_id>/delete/", {"object_id": "absent"}, DESK_REFUSED),
        ("GET", f"admin/{model}/<path:object_id>/change/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("GET", f"admin/{model}/<path:object_id>/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
    ]
MATRIX += [
    ("GET", "admin/accounts/user/<id>/password/", {"id": "0"}, (IN, 403, 403, 403, 404)),
    ("GET", "admin/auth/group/", {}, DESK),
    ("GET", "admin/auth/group/add/", {}, DESK_REFUSED),
    ("GET", "admin/auth/group/<path:object_id>/history/", {"object_id": "0"}, (IN, 403, 403, 403, 302)),
    ("GET", "admin/auth/group/<path:object_id>/delete/", {"object_id": "0"}, DESK_REFUSED),
    ("GET", "admin/auth/group/<path:object_id>/change/", {"object_id": "0"}, (IN, 403, 403, 403, 302)),
    ("GET", "admin/auth/group/<path:object_id>/", {"object_id": "0"}, (IN, 403, 403, 403, 302)),
]


def routes() -> Iterator[str]:
    """Every route of the URL configuration, spelt in full."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern).removeprefix("^")
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route

    yield from walk(get_resolver().url_patterns, "")


def normal(route: str) -> str:
    """Two of the admin's own routes are regular expressions."""
    if "(?P<app_label>" in route:
        return "admin/<app_label>/"
    if route == "admin/(?P<url>.*)$":
        return "admin/<path:url>"
    return route


def test_every_address_is_in_the_matrix() -> None:
    in_matrix = {route for _, route, _, _ in MATRIX}
    existing = {normal(route) for route in routes()}

    assert existing - in_matrix == set(), "addresses without a decision"
    assert in_matrix - existing == set(), "decisions about addresses that do not exist"


@pytest.fixture
def browsers(noah: User, uma: User, miguel: User, ada: User) -> dict[str, Client]:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    people = dict(zip(PEOPLE[1:], (noah, uma, miguel, ada), strict=True))
    return {"signed out": Client()} | {name: signed_in(person) for name, person in people.items()}


@pytest.mark.parametrize(
    ("method", "route", "arguments", "expected"), MATRIX, ids=lambda value: value if isinstance(value, str) else ""
)
def test_who_may(
    method: str, route: str, arguments: dict[str, str], expected: tuple[int, ...], browsers: dict[str, Client]
) -> None:
    worker = make_worker()
    things = {"worker": str(worker.pk), "lab": str((lab := make_lab(worker)).pk), "version": str(version_of(lab).pk)}
    address = "/" + route
    for name, value in arguments.items():
        for placeholder in (f"<uuid:{name}>", f"<int:{name}>", f"<path:{name}>", f"<{name}>"):
            address = address.replace(placeholder, things.get(value, value))

    answers = {person: browser.generic(method, address) for person, browser in browsers.items()}

    assert tuple(answers[person].status_code for person in PEOPLE) == expected
    if expected[0] == IN and "sign-out" not in route:
        # The admin's own sign-in address leads on to the portal's, which its line of the matrix shows.
        assert answers["signed out"]["Location"].startswith(("/sign-in/", "/admin/login/"))


@pytest.mark.parametrize("route", ["", "history/", "actions/", "wipe/", "delete/"])
def test_a_lab_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/labs/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


@pytest.mark.parametrize("route", ["", "live/", "history/", "timeline/", "connection/", "labs/"])
def test_a_worker_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/workers/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


def test_someone_without_a_role_is_told_why_and_whom_to_ask(noah: User, settings: object) -> None:
    settings.SUPPORT_CONTACT = "labs@example.com"  # type: ignore[attr-defined]

    page = signed_in(noah).get("/").content.decode()

    assert "labs@example.com" in page
    assert "sign-out" in page


def test_a_group_is_given_exactly_the_tables_permissions(db: None) -> None:
    from accounts.roles import Role, capabilities_of

    for role in Role:
        held = {f"{p.content_type.app_label}.{p.codename}" for p in Group.objects.get(name=role.value).permissions.all()}
        assert held == capabilities_of(role)
