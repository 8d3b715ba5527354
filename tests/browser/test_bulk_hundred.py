"""A hundred workers stopped at once: every result is shown, live, and the page stays usable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
COUNT = 100
IMPORT = """
from django.utils import timezone
from accounts.models import User
from workers.choices import ActorKind
from workers.services import importing
from workers.services.operations.asking import Asker
from workers.services.record import Actor
by = Asker(actor=Actor(kind=ActorKind.PERSON, user=User.objects.get(username="admin")))
result = importing.import_instances(region="us-east-1", instances=json.loads({instances!r}), by=by, now=timezone.now())
answer = len(result.imported)
"""


def test_a_hundred_are_stopped_at_once(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    ec2 = sandbox.ec2()
    image = ec2.describe_images(Owners=["self"])["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "hundred"}, {"Key": "Class", "Value": "hundred"}]}]
    launched = ec2.run_instances(
        ImageId=image, InstanceType="m5zn.metal", MinCount=COUNT, MaxCount=COUNT, TagSpecifications=tags
    )
    instances = [{"instance_id": one["InstanceId"], "name": "hundred", "state": "pending"} for one in launched["Instances"]]
    assert sandbox.run_script(IMPORT.format(instances=json.dumps(instances))) == COUNT
    page = open_as("manager", "/?q=hundred&state=running&size=25")
    expect(page.locator("#fleet")).to_contain_text(f"of {COUNT} workers", timeout=90_000)

    page.locator("#fleet-rows [data-select]").first.check()
    page.get_by_label(f"Select all {COUNT} that match").check()
    page.locator("#bulk").get_by_role("button", name="Stop").click()
    expect(page.locator("h1")).to_have_text(f"Stop {COUNT} workers?")
    start = time.monotonic()
    page.get_by_role("button", name=f"Stop {COUNT} workers").click()
    page.wait_for_url("**/operations/batches/**")
    answered = time.monotonic() - start
    assert answered < 10

    # While they stop, another page of the same person answers.
    other = page.context.new_page()
    start = time.monotonic()
    other.goto(f"{sandbox.url}/?q=encor")
    expect(other.locator("#fleet-rows tr")).to_have_count(2)
    assert time.monotonic() - start < 10
    other.close()

    expect(page.locator("#batch-succeeded .batch-count")).to_have_text(str(COUNT), timeout=150_000)
    print(f"{COUNT} stopped: confirmed in {answered:.1f} s, all ended after {time.monotonic() - start:.0f} s")
