"""The Django admin: every list opens, searches and filters at constant cost, shows no secret, and leads to the portal and back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from cmlmanager.runtime.models import SettingValue, Turn
from labs.models import LabFile, LabsBackup, LabsCheck
from tests.conftest import signed_in
from tests.labs.makers import make_lab
from tests.labs.saving import version_of
from tests.makers import make_worker
from tests.workers.test_operations_pages import make_operation
from workers.models import (
    Alert,
    AlertMute,
    AlertThreshold,
    Delivery,
    DoubtfulSeat,
    Event,
    HourlySample,
    LicenseToken,
    NotificationTarget,
    RegionCheck,
    Sample,
    StrayInstance,
)

pytestmark = pytest.mark.django_db
OURS = [model for app in ("workers", "labs", "runtime") for model in apps.get_app_config(app).get_models()]
SECRET = "planted-secret-9f1c"


@pytest.fixture
def browser(ada: User) -> Client:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    return signed_in(ada)


def address(model: type[Model], rest: str = "") -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/{rest}"


def make_rows(number: int, now: datetime, ada: User) -> None:
    """One more of everything, each with rows of its own behind its foreign keys."""
    worker = make_worker(name=f"desk-{number}", cml_password_encrypted=SECRET)
    operation = make_operation(worker, actor=ada)
    lab = make_lab(worker, title=f"Lab {number}")
    version_of(lab)
    start = {"since": now, "opened_at": now, "changed_at": now}
    alert = Alert.objects.create(
        worker=worker, worker_name=str(worker), kind="cpu", severity="warning", worst="warning", sentence="Hot", **start
    )
    Event.objects.create(
        at=now, kind="worker.state", worker=worker, actor=ada, actor_kind="person", operation=operation, alert=alert
    )
    Sample.objects.create(worker=worker, at=now, source="cml", cpu=1)
    counts = {
        f"{name}_count": 1 for name in ("cpu", "memory", "disk", "nodes", "labs", "network_in", "network_out", "checks_failed")
    }
    HourlySample.objects.create(worker=worker, at=now, source="cml", count=1, **counts)
    RegionCheck.objects.create(region=f"region-{number}")
    StrayInstance.objects.create(region="us-east-1", instance_id=f"i-{number:08x}", state="running", seen_at=now)
    AlertThreshold.objects.create(worker=worker, kind="cpu", warning=50, critical=60)
    AlertMute.objects.create(worker=worker, kind="cpu", reason="why", muted_at=now, muted_by=ada, muted_name="ada")
    DoubtfulSeat.objects.create(worker=worker, worker_name="w", reason="unconfirmed", since=now, operation=operation)
    LicenseToken.objects.create(operation=operation, token_encrypted=SECRET, created_at=now)
    target = NotificationTarget.objects.create(
        name=f"t-{number}",
        kind="webhook",
        created_at=now,
        address_encrypted=SECRET,
        secret_encrypted=SECRET,
        previous_secret_encrypted=SECRET,
        recipients=[SECRET],
    )
    Delivery.objects.create(
        target=target, type="alert.opened", severity="warning", title="Hot", created_at=now, due_at=now, expires_at=now
    )
    LabsCheck.objects.create(worker=worker, failing_since=now, error="odd")
    LabsBackup.objects.create(worker=worker, due_at=now, operation=operation)
    LabFile.objects.create(operation=operation, packed=SECRET.encode(), size=3, created_at=now)
    SettingValue.objects.create(name=f"SETTING_{number}", value=number, changed_at=now, changed_by=ada, changed_name="ada")
    Turn.objects.create(job=f"job-{number}", taken_at=now)


def test_every_model_has_a_list() -> None:
    assert {model for model in OURS if model not in admin.site._registry} == set()


def test_lists_cost_the_same_for_three_rows_and_for_twelve(browser: Client, ada: User, now: datetime) -> None:
    def costs() -> dict[str, int]:
        found = {}
        for model in OURS:
            with CaptureQueriesContext(connection) as queries:
                answer = browser.get(address(model))
            assert answer.status_code == 200, model
            found[model.__name__] = len(queries)
        return found

    for number in range(3):
        make_rows(number, now - timedelta(minutes=number), ada)
    costs()  # content types and the like are looked up once
    few = costs()
    for number in range(3, 12):
        make_rows(number, now - timedelta(minutes=number), ada)

    assert costs() == few
    assert max(few.values()) <= 20, few


def test_rows_open_search_filter_and_show_no_secret(browser: Client, ada: User, now: datetime) -> None:
    make_rows(1, now, ada)
    for model in OURS:
        row = model._default_manager.first()
        if row is None:  # the mark of the history
            continue
        listed = browser.get(address(model), {"q": "desk-1"} if admin.site._registry[model].search_fields else {})
        shown = browser.get(address(model, f"{row.pk}/change/"))
        assert (listed.status_code, shown.status_code) == (200, 200), model
        for text in (listed.content.decode(), shown.content.decode()):
            assert SECRET not in text, model
        assert 'name="_save"' not in shown.content.decode(), model
        assert browser.post(address(model, f"{row.pk}/change/"), {}).status_code == 403, model
        assert browser.post(address(model, f"{row.pk}/delete/"), {"post": "yes"}).status_code == 403, model


@pytest.mark.parametrize(
    ("query", "found"),
    [("q=desk-1", 1), ("machine_state__exact=stopped", 0), ("region__exact=us-east-1", 2), ("q=team%3Dtraining", 1)],
)
def test_workers_are_found(query: str, found: int, browser: Client, ada: User, now: datetime) -> None:
    make_rows(1, now, ada)
    make_worker(name="other", tags={"team": "training"})

    assert browser.get(f"/admin/workers/worker/?{query}").context["cl"].result_count == found


def test_a_way_leads_there_and_back(browser: Client, ada: User, now: datetime) -> None:
    make_rows(1, now, ada)
    worker = make_worker()
    for page, desk in (
        (f"/workers/{worker.pk}/", f"/admin/workers/worker/{worker.pk}/change/"),
        ("/", "/admin/workers/worker/"),
        ("/labs/", "/admin/labs/lab/"),
        ("/alerts/", "/admin/workers/alert/"),
        ("/alerts/thresholds/", "/admin/workers/alertthreshold/"),
        ("/operations/", "/admin/workers/operation/"),
        ("/audit/", "/admin/workers/event/"),
        ("/notifications/", "/admin/workers/notificationtarget/"),
        ("/licences/", "/admin/workers/doubtfulseat/"),
        ("/settings/", "/admin/runtime/settingvalue/"),
        ("/account/", "/admin/"),
    ):
        assert f'href="{desk}"' in browser.get(page).content.decode().partition('<footer class="foot">')[2], page
        back = browser.get(desk).content.decode().partition('class="portal-back"')[2].partition("</p>")[0]
        assert f'href="{page if page != "/account/" else "/"}"' in back, desk


def test_who_is_not_staff_sees_no_way_there(uma: User, ada: User) -> None:
    for person in (uma, ada):
        assert "desk-link" not in signed_in(person).get("/").content.decode()


@pytest.mark.parametrize("scheme", ["system", "light", "dark"])
def test_the_colours_are_those_of_the_account_and_the_csp_holds(scheme: str, browser: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(colour_scheme=scheme)

    answer = browser.get("/admin/workers/worker/")

    text = answer.content.decode()
    assert f"scheme-{scheme}" in text
    assert "theme-toggle" not in text
    assert " style=" not in text
    assert "unsafe-inline" not in answer["Content-Security-Policy"]


def action(browser: Client, model: type[Model], name: str, *rows: Model) -> Any:
    data = {"action": name, "_selected_action": [str(row.pk) for row in rows]}
    return browser.post(address(model), data, follow=True)
