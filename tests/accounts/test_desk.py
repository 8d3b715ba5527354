"""People in the Django admin: every change of what somebody may do is told, and nobody raises themselves."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.accounts.test_local_accounts import lock_out, with_password
from tests.conftest import signed_in
from workers.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(ada: User) -> Client:
    """An administrator who is staff, not a superuser."""
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    return signed_in(ada)


@pytest.fixture
def root(db: None) -> Client:
    return signed_in(User.objects.create_superuser("root"))


# The form shows sessions below; nothing is changed there.
NO_SESSIONS = {"sign_ins-TOTAL_FORMS": "0", "sign_ins-INITIAL_FORMS": "0"}


def save(browser: Client, person: User, **changes: Any) -> Any:
    """Fill the form in as it is, with changes, and send it. A check box that is off is left out."""
    address = f"/admin/accounts/user/{person.pk}/change/"
    form = browser.get(address).context["adminform"].form
    fields = {name: form.initial.get(name) for name in form.fields if name != "password"}
    fields["groups"] = [group.pk for group in form.initial.get("groups", [])]
    fields["user_permissions"] = [one.pk for one in form.initial.get("user_permissions", [])]
    for name in ("last_login", "date_joined"):
        if moment := fields.pop(name, None):
            fields |= {f"{name}_0": f"{moment:%Y-%m-%d}", f"{name}_1": f"{moment:%H:%M:%S}"}
    fields |= NO_SESSIONS | changes
    return browser.post(address, {name: value for name, value in fields.items() if value not in (None, False)})


def role(name: str) -> list[int]:
    return [Group.objects.get(name=name).pk]


SESSIONS = ("person.signed_in", "person.signed_out", "person.sessions_ended")


def told() -> list[tuple[str, ...]]:
    """Kind, whose account, before, after, by whom. Of sessions there are tests of their own."""
    events = Event.objects.filter(kind__startswith="person.").exclude(kind__in=SESSIONS).order_by("id")
    return list(events.values_list("kind", "subject_name", "before", "after", "actor_name"))


def test_another_role_is_one_line_of_the_audit(desk: Client, uma: User) -> None:
    assert save(desk, uma, groups=role("manager")).status_code == 302

    assert told() == [("person.role", "uma", "User", "Manager", "ada")]
    event = Event.objects.latest("id")
    assert (event.detail, event.from_address) == ("Django admin", "127.0.0.1")
    assert uma.groups.get().name == "manager"


def test_taking_the_role_away_making_staff_and_switching_off_are_told_each(desk: Client, uma: User) -> None:
    save(desk, uma, groups=[], is_staff=True)
    save(desk, uma, is_active=False)
    save(desk, uma, is_active=True)

    assert told() == [
        ("person.role", "uma", "User", "No role", "ada"),
        ("person.staff", "uma", "Not staff", "Staff", "ada"),
        ("person.deactivated", "uma", "", "", "ada"),
        ("person.activated", "uma", "", "", "ada"),
    ]


def test_saving_without_a_change_tells_nothing(desk: Client, uma: User) -> None:
    save(desk, uma, first_name="Uma T.")

    assert told() == []


def test_a_new_account_is_told_and_its_owner_must_choose_a_password(desk: Client) -> None:
    fields = {
        "username": "nina",
        "usable_password": "true",
        "password1": "first-password-here",
        "password2": "first-password-here",
    }
    fields |= NO_SESSIONS
    answer = desk.post("/admin/accounts/user/add/", fields)
    assert answer.status_code == 302, answer.context["errors"]

    nina = User.objects.get(username="nina")
    assert nina.must_change_password
    assert told() == [("person.created", "nina", "", "", "ada")]


def test_a_password_that_an_operator_gives_must_be_changed_and_ends_sessions(desk: Client, uma: User) -> None:
    browser = signed_in(with_password(uma))
    new = {"usable_password": "true", "password1": "given-by-an-operator", "password2": "given-by-an-operator"}
    assert desk.post(f"/admin/accounts/user/{uma.pk}/password/", new).status_code == 302

    uma.refresh_from_db()
    assert uma.must_change_password
    assert browser.get("/").status_code == 302
    assert told() == [("person.password_reset", "uma", "", "", "ada")]


def test_single_permissions_and_superusers_are_made_by_superusers_and_told(root: Client, uma: User) -> None:
    permission = Permission.objects.get(codename="view_event")
    save(root, uma, user_permissions=[permission.pk], is_superuser=True, is_staff=True)

    assert told() == [
        ("person.role", "uma", "User", "Administrator", "root"),
        ("person.staff", "uma", "Not staff", "Superuser", "root"),
        ("person.permissions", "uma", "No permissions of their own", "Own permissions: view_event", "root"),
    ]


def test_an_administrator_cannot_go_beyond_the_role_table(desk: Client, ada: User) -> None:
    strong = Group.objects.create(name="auditors")
    strong.permissions.add(Permission.objects.get(codename="delete_group"))
    save(desk, ada, is_superuser=True, groups=[*role("admin"), strong.pk])

    ada.refresh_from_db()
    assert not ada.is_superuser
    assert not ada.groups.filter(pk=strong.pk).exists()


def test_a_group_that_the_editor_cannot_give_is_kept(desk: Client, uma: User) -> None:
    strong = Group.objects.create(name="auditors")
    strong.permissions.add(Permission.objects.get(codename="delete_group"))
    uma.groups.add(strong)

    save(desk, uma, groups=role("manager"))

    assert set(uma.groups.values_list("name", flat=True)) == {"manager", "auditors"}


def test_an_administrator_does_not_take_a_superuser_over(desk: Client, root: Client) -> None:
    boss = User.objects.get(username="root")
    new = {"usable_password": "true", "password1": "given-by-an-operator", "password2": "given-by-an-operator"}

    assert desk.post(f"/admin/accounts/user/{boss.pk}/password/", new).status_code == 403
    assert desk.post(f"/admin/accounts/user/{boss.pk}/change/", {"is_active": ""}).status_code == 403
    answer = act(desk, "require_new_password", boss)
    assert "only superusers change them" in answer
    boss.refresh_from_db()
    assert not boss.must_change_password


@pytest.mark.parametrize("change", [{"groups": []}, {"is_staff": False}, {"is_active": False}])
def test_the_last_administrator_stays_one(change: dict[str, Any], desk: Client, ada: User, miguel: User) -> None:
    refused = save(desk, ada, **change)

    assert refused.status_code == 200
    assert "the last active administrator" in refused.content.decode()
    assert told() == []
    miguel.groups.set(role("admin"))
    User.objects.filter(pk=miguel.pk).update(is_staff=True)
    assert save(desk, ada, **change).status_code == 302


def test_accounts_are_never_deleted(root: Client, uma: User) -> None:
    assert root.post(f"/admin/accounts/user/{uma.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "delete_selected" not in root.get("/admin/accounts/user/").content.decode()


def act(browser: Client, action: str, *people: User) -> str:
    fields = {"action": action, "_selected_action": [person.pk for person in people]}
    return str(browser.post("/admin/accounts/user/", fields, follow=True).content.decode())


def test_operators_see_who_is_locked_out_and_unlock_them(desk: Client, uma: User) -> None:
    with_password(uma)
    lock_out()
    assert "for 5 min" in desk.get("/admin/accounts/user/").content.decode()
    assert "for 5 min" in desk.get(f"/admin/accounts/user/{uma.pk}/change/").content.decode()

    assert "Unlocked: uma." in act(desk, "unlock", uma)

    assert "for 5 min" not in desk.get("/admin/accounts/user/").content.decode()
    assert told()[-1] == ("person.unlocked", "uma", "", "", "ada")
    assert "Nobody of them was locked out" in act(desk, "unlock", uma)


def test_operators_remove_second_factors_and_ask_for_new_passwords(desk: Client, uma: User) -> None:
    TOTP.activate(with_password(uma), "JBSWY3DPEHPK3PXP")
    assert "authenticator app" in desk.get(f"/admin/accounts/user/{uma.pk}/change/").content.decode()

    assert "Second factors removed of: uma." in act(desk, "remove_second_factors", uma)
    assert "A new password must be chosen by: uma." in act(desk, "require_new_password", uma)

    assert [line[0] for line in told()] == ["person.factor_removed", "person.password_reset"]


def test_the_list_costs_the_same_queries_for_many(desk: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert desk.get("/admin/accounts/user/").status_code == 200
        return len(caught)

    queries()
    few = queries()
    for number in range(30):
        User.objects.create(username=f"person-{number}").groups.add(*role("user"))

    assert queries() == few


def test_roles_are_the_tables_and_other_groups_are_told(root: Client) -> None:
    manager = Group.objects.get(name="manager")
    assert root.post(f"/admin/auth/group/{manager.pk}/change/", {"name": "boss"}).status_code == 403

    permission = Permission.objects.get(codename="view_event")
    root.post("/admin/auth/group/add/", {"name": "auditors", "permissions": [permission.pk]})

    event = Event.objects.latest("id")
    assert (event.kind, event.after, event.detail) == ("person.permissions", "view_event", "group “auditors”, Django admin")


def test_there_is_one_page_to_change_ones_password(desk: Client) -> None:
    assert desk.get("/admin/password_change/")["Location"] == "/account/password/"


def test_the_audit_shows_and_finds_people(desk: Client, uma: User) -> None:
    save(desk, uma, groups=role("manager"))

    for query in ("?kind=person.role", "?q=um", "?about=person&person=ada&q=uma"):
        page = desk.get(f"/audit/{query}")
        assert [event.subject_name for event in page.context["events"]] == ["uma"], query
    words = " ".join(page.content.decode().split())
    assert "Role changed" in words
    assert '<span class="before">User</span>' in words
    assert not desk.get("/audit/?about=worker").context["events"]
