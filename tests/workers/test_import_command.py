"""`manage.py import_workers`: the same services from a shell, with exit statuses that scripts can read."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.management.commands.import_workers import ASK_ALL, AWS_FAILED, NOTHING_FOUND
from workers.models import Event, Worker

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def endpoint(settings: Any, simulated_aws: SimulatedAws) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url


def run(*arguments: str, region: str = REGION) -> str:
    out = io.StringIO()
    call_command("import_workers", "--region", region, *arguments, stdout=out)
    return out.getvalue()


def test_one_instance_is_imported_and_a_second_run_is_content(simulated_aws: SimulatedAws) -> None:
    (instance_id,) = simulated_aws.launch(REGION, tags={"Name": "by-hand"})

    first, second = run("--instance-id", instance_id), run("--instance-id", instance_id)

    assert "by-hand: Imported." in first
    assert "1 of 1 imported." in first
    assert "Already a worker" in second
    assert "0 of 1 imported." in second
    event = Event.objects.get(worker=Worker.objects.get())
    assert (event.actor_kind, event.actor_name) == ("system", "import_workers")


def test_several_want_all_and_a_dry_run_changes_nothing(simulated_aws: SimulatedAws) -> None:
    known, *new = simulated_aws.launch(REGION, 3, tags={"Shell": "several"})
    make_worker(instance_id=known)

    assert "2 of 3 would be imported." in run("--tag", "Shell=several", "--dry-run")
    with pytest.raises(CommandError, match="Say --all") as refused:
        run("--tag", "Shell=several")
    assert refused.value.returncode == ASK_ALL
    assert Worker.objects.count() == 1

    told = json.loads(run("--tag", "Shell=several", "--all", "--json"))
    assert told["region"] == REGION
    outcomes = {line["instance_id"]: line["outcome"] for line in told["instances"]}
    assert outcomes == {known: "Already a worker of the portal."} | dict.fromkeys(new, "Imported.")
    ids = {line["worker_id"] for line in told["instances"]} - {""}
    assert ids == {str(worker.pk) for worker in Worker.objects.filter(instance_id__in=new)}


def test_images_are_found_by_id_and_by_name(simulated_aws: SimulatedAws) -> None:
    image = simulated_aws.image(REGION, "command-golden")
    simulated_aws.launch(REGION, ImageId=image)

    assert "1 of 1 would be imported." in run("--ami-id", image, "--dry-run")
    assert "1 of 1 imported." in run("--ami-name", "command-g*")


def test_without_a_choice_the_portals_own_tag_is_looked_for(simulated_aws: SimulatedAws) -> None:
    simulated_aws.launch("us-west-2", tags={"cml-manager:worker": "x", "Name": "lost-row"})

    assert "lost-row: Imported." in run(region="us-west-2")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--region", "mars-1"], 2, "not one of AWS_REGIONS"),
        (["--region", REGION, "--instance-id", "x"], 2, "looks like i-"),
        (["--region", REGION, "--ami-name", "*"], 2, "3 to 128"),
        (
            ["--region", REGION, "--instance-id", "i-0123456789abcdef0"],
            NOTHING_FOUND,
            "Nothing in us-east-1 matches: Instance id i-",
        ),
    ],
)
def test_what_goes_wrong_has_its_status_and_its_sentence(arguments: list[str], status: int, says: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("import_workers", *arguments)

    assert refused.value.returncode == status
    assert says in str(refused.value)


def test_aws_that_refuses_is_told_with_its_detail(simulated_aws: SimulatedAws) -> None:
    simulated_aws.set_fault("unauthorized")

    with pytest.raises(CommandError, match="DescribeInstances") as refused:
        run("--tag", "a=b")
    assert refused.value.returncode == AWS_FAILED
