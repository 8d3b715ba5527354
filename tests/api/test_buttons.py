"""Whatever a button of a page does, an operation of the API does: the same rows are left behind."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.api.buttons import BUTTONS, Button, left_behind
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.operating import by
from workers.choices import OperationKind
from workers.models import Operation, StrayInstance, Worker
from workers.services import creation, importing
from workers.services.operations import bulk

pytestmark = pytest.mark.django_db


def _filled(value: Any, names: dict[str, str]) -> Any:
    text = json.dumps(value)
    for name, identity in names.items():
        text = text.replace("{" + name + "}", identity)
    return json.loads(text)


def _things(button: Button, ada: User) -> dict[str, str]:
    """What the button needs, and the names of what was made."""
    now = timezone.now()
    soon = {"cml_due_at": now + timedelta(minutes=4)} if button.state.get("cml_due_at") else {}
    worker = make_worker(name="w", **button.state | soon)
    batch = bulk.ask_many(kind=OperationKind.START, workers=[worker], by=by(ada), now=now)
    proposal = {"name": "n", "region": "us-east-1", "instance_type": "m5zn.metal", "image_id": "ami-0123456789abcdef0"}
    images = creation.look_for_images(proposal=proposal, by=by(ada), now=now)
    instances = importing.look_for_instances(region="us-east-1", question={"tag": "Team"}, by=by(ada), now=now)
    found = {"instance_id": "i-0123456789abcdef0", "name": "f", "state": "running", "skipped": ""}
    image = {"image_id": "ami-0123456789abcdef0", "name": "cml"}
    Operation.objects.filter(batch=batch).update(state="failed", finished_at=now)
    done: list[tuple[Operation, dict[str, Any]]] = [(images, {"images": [image]}), (instances, {"instances": [found]})]
    for look, result in done:
        Operation.objects.filter(pk=look.pk).update(state="succeeded", finished_at=now, result=result)
    StrayInstance.objects.create(region="us-east-1", instance_id="i-0feedfeedfeedfeed", name="s", state="running", seen_at=now)
    return {"worker": str(worker.pk), "batch": str(batch), "images": str(images.pk), "instances": str(instances.pk)}


def _undone(act: Any) -> tuple[int, dict[str, Any]]:
    with transaction.atomic():
        before = left_behind()
        answer = act()
        after = left_behind()
        assert before != after, "nothing was done"
        transaction.set_rollback(True)
    return answer.status_code, after


@pytest.mark.parametrize("button", BUTTONS, ids=lambda button: f"{button.method}-{button.address}")
def test_the_api_leaves_behind_what_the_button_does(button: Button, ada: User) -> None:
    names = _things(button, ada)
    browser = signed_in(ada)
    page, form = _filled(button.page, names), _filled(button.form, names)
    address, body = _filled(button.address, names), _filled(button.body, names)

    status, by_page = _undone(lambda: browser.post(f"/{page}", form))
    api_status, by_api = _undone(
        lambda: browser.generic(button.method, f"/api/{address}", json.dumps(body) if body else b"", "application/json")
    )

    assert status in {200, 302}
    assert api_status == button.status
    assert by_api == by_page


def test_every_operation_that_changes_something_is_a_button(client: Client) -> None:
    """Of the fleet's; a change that no page offers would be missed by nobody who looks at pages."""
    offered = {(button.method, button.address.split("?")[0].split("/")[-1]) for button in BUTTONS}
    for path, methods in client.get("/api/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            last = path.split("/")[-1]
            if method != "get" and {"Worker actions", "Operations"} & set(operation["tags"]):
                assert (method.upper(), last) in offered or last.startswith("{"), f"{method} {path}"


def test_secrets_go_in_and_never_come_out(ada: User) -> None:
    worker = make_worker(name="w")
    browser = signed_in(ada)
    body = {"cml_username": "ada", "cml_password": "secret-secret"}

    changed = browser.patch(f"/api/workers/{worker.pk}/connection", body, content_type="application/json")
    read = [browser.get(f"/api/workers{rest}").content.decode() for rest in ("", f"/{worker.pk}", f"/{worker.pk}/connection")]
    stored = Worker.objects.get().cml_password_encrypted

    assert changed.json()["has_password"] is True
    for text in (changed.content.decode(), *read):
        assert "secret-secret" not in text
        assert stored not in text
