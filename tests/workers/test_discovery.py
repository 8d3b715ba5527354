"""Discovery: off by default, once an interval and region however many beats tick, and no harm when AWS is away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.utils import timezone

from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.models import Event, RegionCheck, Worker
from workers.services import discovery

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def configured(settings: Any, simulated_aws: SimulatedAws, request: pytest.FixtureRequest) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    settings.DISCOVERY_REGIONS = [REGION]
    settings.DISCOVERY = True
    settings.DISCOVERY_TAG = f"Test={request.node.name[:60]}"


def launch(simulated_aws: SimulatedAws, settings: Any, count: int = 1) -> list[str]:
    key, _, value = settings.DISCOVERY_TAG.partition("=")
    return simulated_aws.launch(REGION, count, tags={key: value})


def test_it_is_off_by_default(settings: Any, simulated_aws: SimulatedAws) -> None:
    launch(simulated_aws, settings)
    settings.DISCOVERY_TAG = ""

    assert discovery.tick(now=timezone.now()) == 0
    assert not Worker.objects.exists()


def test_what_matches_is_imported_by_the_system_and_known_ones_are_skipped(settings: Any, simulated_aws: SimulatedAws) -> None:
    known, new = launch(simulated_aws, settings, 2)
    simulated_aws.launch(REGION, tags={"Test": "other"})
    make_worker(instance_id=known)

    assert discovery.tick(now=timezone.now()) == 1

    worker = Worker.objects.get(instance_id=new)
    assert Worker.objects.count() == 2
    event = Event.objects.get(worker=worker)
    assert (event.kind, event.actor_kind, event.detail) == ("worker.imported", "system", "Discovered")
    assert RegionCheck.objects.get(region=REGION).discovered_at


def test_an_image_name_works_as_well(settings: Any, simulated_aws: SimulatedAws) -> None:
    image = simulated_aws.image(REGION, "discovery-golden-7")
    (instance_id,) = simulated_aws.launch(REGION, ImageId=image)
    settings.DISCOVERY_AMI_NAME, settings.DISCOVERY_TAG = "discovery-golden-*", ""

    discovery.tick(now=timezone.now())

    assert Worker.objects.get().instance_id == instance_id


def test_two_beats_look_once_an_interval(settings: Any, simulated_aws: SimulatedAws) -> None:
    now = timezone.now()
    before = simulated_aws.calls().get("DescribeInstances", 0)

    looked = [discovery.tick(now=now + timedelta(seconds=seconds)) for seconds in (0, 0, 3599, 3600, 3600)]

    assert looked == [1, 0, 0, 1, 0]
    assert simulated_aws.calls()["DescribeInstances"] - before == 2


def test_aws_away_is_no_hour_lost(settings: Any, simulated_aws: SimulatedAws) -> None:
    launch(simulated_aws, settings)
    now = timezone.now()
    simulated_aws.set_fault("unauthorized")
    assert discovery.tick(now=now) == 0
    assert RegionCheck.objects.get(region=REGION).discovered_at is None

    simulated_aws.set_fault("none")
    assert discovery.tick(now=now + timedelta(seconds=60)) == 0
    assert discovery.tick(now=now + discovery.AGAIN) == 1
    assert Worker.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("DISCOVERY_AMI_NAME", "*", "E010"),
        ("DISCOVERY_TAG", "=x", "E010"),
        ("AMI_OWNERS", [], "E009"),
        ("PROVISIONING", {}, "E008"),
    ],
)
def test_a_wrong_setting_is_named_before_the_start(name: str, value: Any, check: str, settings: Any) -> None:
    setattr(settings, name, value)

    assert f"cmlmanager.{check}" in {message.id for message in run_checks()}
