"""Ways to make a worker, edited on the settings page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from cmlmanager import runtime
from tests.conftest import signed_in
from workers import provisioning
from workers.models import Event

pytestmark = pytest.mark.django_db
METAL = {
    "name": "Metal",
    "description": "For big classes",
    "region": "us-east-1",
    "instance_type": "m5zn.metal",
    "image": "cisco-cml2.9*",
    "cml_version": "2.9.1",
    "subnet_id": "subnet-0123456789abcdef0",
    "security_group_ids": "sg-0123456789abcdef0, sg-0123456789abcdef1",
    "key_name": "cml",
    "root_volume_gib": "128",
    "detailed_monitoring": "on",
    "tags": "Team=training\nCost=42",
}


@pytest.fixture
def browser(ada: User, settings: Any) -> Client:
    settings.PROVISIONING = [{"name": "Built in", "region": "us-west-2"}]
    return signed_in(ada)


def test_a_new_one_is_what_the_form_for_a_new_worker_offers(browser: Client) -> None:
    answer = browser.post("/settings/templates/new/", METAL | {"seen": "0"})

    assert (answer.status_code, answer["Location"]) == (302, "/settings/#templates")
    assert provisioning.problems(runtime.value("PROVISIONING"), ["us-east-1", "us-west-2"]) == []
    assert [item["name"] for item in runtime.value("PROVISIONING")] == ["Built in", "Metal"]
    metal = runtime.value("PROVISIONING")[1]
    assert metal["security_group_ids"] == ["sg-0123456789abcdef0", "sg-0123456789abcdef1"]
    assert (metal["root_volume_gib"], metal["tags"]) == (128, {"Team": "training", "Cost": "42"})
    assert browser.get("/workers/new/?template=2").context["form"]["subnet_id"].value() == "subnet-0123456789abcdef0"


def test_a_change_keeps_the_place_and_tells_only_what_differs(browser: Client) -> None:
    browser.post("/settings/templates/new/", METAL | {"seen": "0"})
    form = browser.get("/settings/templates/2/").context["form"]
    fields = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}

    answer = browser.post("/settings/templates/2/", fields | {"name": "Big metal", "subnet_id": "", "was": "Metal"})

    assert answer.status_code == 302
    assert [item["name"] for item in runtime.value("PROVISIONING")] == ["Built in", "Big metal"]
    assert "subnet_id" not in runtime.value("PROVISIONING")[1]

    form = browser.get("/settings/templates/2/").context["form"]
    fields = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    browser.post("/settings/templates/2/", fields | {"root_volume_gib": "256"})
    event = Event.objects.filter(kind="setting").latest("id")
    assert (event.before, event.after) == ("Big metal: root_volume_gib 128", "Big metal: root_volume_gib 256")


@pytest.mark.parametrize(
    ("entered", "sentence"),
    [
        ({"name": ""}, "required"),
        ({"instance_type": "big one"}, "looks like m5zn.metal"),
        ({"subnet_id": "subnet-1"}, "subnet-"),
        ({"region": "mars-1"}, "mars-1"),
        ({"tags": "no tag"}, "key=value"),
        ({"name": "Built in"}, "there twice"),
        ({"instance_type": "m8i.2xlarge"}, "tick this"),
    ],
)
def test_what_ec2_would_refuse_is_refused_here(entered: dict[str, str], sentence: str, browser: Client) -> None:
    answer = browser.post("/settings/templates/new/", METAL | {"seen": "0"} | entered)

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert len(runtime.value("PROVISIONING")) == 1


def test_who_was_overtaken_is_told(browser: Client) -> None:
    browser.post("/settings/templates/new/", METAL | {"seen": "0"})

    answer = browser.post("/settings/templates/1/", {"name": "Mine", "seen": "0", "was": "Built in"})

    assert answer.status_code == 422
    assert "ada changed this to Built in, Metal a moment ago" in answer.content.decode()
    assert answer.context["form"]["seen"].value() == "1"
    assert browser.post("/settings/templates/1/", {"name": "Mine", "seen": "1", "was": "Built in"}).status_code == 302
    assert [item["name"] for item in runtime.value("PROVISIONING")] == ["Mine", "Metal"]


def test_one_is_deleted_after_a_question_and_all_go_back_to_the_environments(browser: Client) -> None:
    assert "Delete the template Built in?" in browser.get("/settings/templates/1/delete/").content.decode()
    answer = browser.post("/settings/templates/1/delete/", {"seen": "0", "was": "Other"}, follow=True)
    assert "changed meanwhile" in answer.content.decode()

    browser.post("/settings/templates/1/delete/", {"seen": "0", "was": "Built in"})
    assert runtime.value("PROVISIONING") == []
    assert "There is none" in browser.get("/settings/").content.decode()

    browser.post("/settings/default/", {"setting": "PROVISIONING:1"})
    assert [item["name"] for item in runtime.value("PROVISIONING")] == ["Built in"]
    assert [(e.before, e.after) for e in Event.objects.filter(kind="setting").order_by("id")] == [
        ("Built in: region us-west-2", "no Built in"),
        ("no Built in", "Built in: region us-west-2 (default)"),
    ]
