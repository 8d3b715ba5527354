"""`manage.py check_aws` as a process against the simulated AWS: what it says, in words and in JSON, and with which exit status."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.makers import make_worker
from tests.simulated_aws import ROOT, SimulatedAws, simulated_aws, simulated_aws_process
from tests.two_accounts import ACCOUNTS, OTHER, OWN, launch_in_other
from workers.finding import OUR_TAG
from workers.services import rights

__all__ = ["simulated_aws", "simulated_aws_process"]
REGION = "us-east-1"


def check_aws(
    simulated: SimulatedAws | None, var: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "VAR": str(var), "AWS_REGIONS": REGION, **environment}
    if simulated is not None:
        variables["AWS_ENDPOINT_URL"] = simulated.endpoint_url
    command = [sys.executable, "manage.py", "check_aws", *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)


def here(*arguments: str) -> tuple[int, str]:
    """The same command in this process: exit status, and what it says."""
    out = io.StringIO()
    try:
        call_command("check_aws", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


@pytest.fixture
def instance_id(simulated_aws: SimulatedAws) -> str:
    return simulated_aws.launch(REGION, tags={OUR_TAG: "1"})[0]


def test_with_all_rights_it_says_so_and_nothing_is_changed(
    simulated_aws: SimulatedAws, instance_id: str, tmp_path: Path
) -> None:
    before = simulated_aws.instances()
    done = check_aws(simulated_aws, tmp_path, "--instance-id", instance_id, "--image-id", "ami-12345678")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Account default: {OWN}, as arn:aws:sts::{OWN}:user/moto" in done.stdout
    assert done.stdout.count("    ok       ") == 13
    assert done.stdout.endswith("Nothing is missing.\n")
    after = simulated_aws.instances()
    assert after == before


def test_without_anything_to_try_it_on_it_says_what_is_not_known(simulated_aws: SimulatedAws, tmp_path: Path) -> None:
    done = check_aws(simulated_aws, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "untested ec2:StopInstances              Not tested: there is no instance in this region to try it on." in done.stdout
    )
    assert done.stdout.endswith(
        "Nothing is missing. 9 could not be tested: --instance-id and --image-id give something to try them on.\n"
    )


def test_missing_rights_are_named_with_what_they_are_for(simulated_aws: SimulatedAws, instance_id: str, tmp_path: Path) -> None:
    simulated_aws.deny("StopInstances", "GetMetricData", "CreateTags")
    arguments = ("--instance-id", instance_id, "--image-id", "ami-12345678")

    done = check_aws(simulated_aws, tmp_path, *arguments)
    told = check_aws(simulated_aws, tmp_path, *arguments, "--json")

    assert (done.returncode, told.returncode) == (1, 1)
    assert "MISSING  ec2:StopInstances" in done.stdout
    assert "allow ec2:StopInstances in its IAM policy. Without it nobody can stop workers." in done.stdout
    assert "4 rights are missing; manage.py check_aws --policy prints a policy that has all." in done.stdout
    answer = json.loads(told.stdout)
    [region] = answer["accounts"][0]["regions"]
    denied = {right["action"]: right["sentence"] for right in region["rights"] if right["verdict"] == "denied"}
    # To launch is to tag.
    assert set(denied) == {"ec2:StopInstances", "cloudwatch:GetMetricData", "ec2:CreateTags", "ec2:RunInstances"}
    assert "allow ec2:CreateTags" in denied["ec2:RunInstances"]
    assert (answer["status"], region["status"]) == (1, 1)


def test_an_aws_that_does_not_answer_is_status_two(simulated_aws: SimulatedAws, tmp_path: Path) -> None:
    simulated_aws.set_fault("unreachable")
    done = check_aws(simulated_aws, tmp_path)
    assert done.returncode == 2
    assert "cannot be reached" in done.stdout
    assert "AWS could not be asked everything: see above." in done.stdout


def test_without_credentials_it_says_to_give_some(tmp_path: Path, simulated_aws: SimulatedAws) -> None:
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "")
    done = check_aws(simulated_aws, tmp_path, **nothing)
    assert done.returncode == 2
    assert "no usable AWS credentials" in done.stdout
    assert "give it an IAM role or an access key" in done.stdout


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "status", "mark"), [(90, 0, "mind"), (-400, 1, "WRONG")])
def test_a_wrong_clock_is_told_before_aws_refuses(
    simulated_aws: SimulatedAws, settings: Any, seconds: int, status: int, mark: str
) -> None:
    settings.AWS_ENDPOINT_URL, settings.AWS_REGIONS = simulated_aws.endpoint_url, [REGION]
    simulated_aws.set_clock(seconds)
    done = here()
    assert done[0] == status, done
    way = "behind" if seconds > 0 else "ahead of"
    assert re.search(rf"^  {mark} +This machine’s clock is \d+ seconds {way} AWS’s", done[1], re.MULTILINE)


def test_each_account_is_checked_by_its_role_and_one_that_may_not_be_assumed_says_what_to_mend(
    simulated_aws: SimulatedAws, tmp_path: Path
) -> None:
    accounts = {"AWS_ACCOUNTS": json.dumps(ACCOUNTS)}
    theirs = launch_in_other(simulated_aws, REGION)
    simulated_aws.deny("TerminateInstances", account=OTHER)
    one = check_aws(
        simulated_aws, tmp_path, "--account", "training", "--region", REGION, "--instance-id", theirs, "--json", **accounts
    )
    simulated_aws.deny(account=OTHER)
    simulated_aws.deny("AssumeRole")
    both = check_aws(simulated_aws, tmp_path, **accounts)

    [account] = json.loads(one.stdout)["accounts"]
    assert (account["name"], account["account_id"], one.returncode) == ("training", OTHER, 1)
    [region] = account["regions"]
    assert [right["action"] for right in region["rights"] if right["verdict"] == "denied"] == ["ec2:TerminateInstances"]
    assert both.returncode == 1
    assert "Account main: 123456789012" in both.stdout
    assert "Account training: not known" in both.stdout
    assert "let the role’s trust policy name the portal’s own identity and the same external id" in both.stdout
    assert "only-the-portal" not in both.stdout + both.stderr


@pytest.mark.django_db
def test_credentials_of_another_account_than_the_settings_say_are_told(simulated_aws: SimulatedAws, settings: Any) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    settings.AWS_ACCOUNTS = [{"name": "main", "account_id": "999999999999", "regions": [REGION]}]
    status, said = here()
    assert status == 1
    assert f"says that main is account 999999999999, but the credentials are of {OWN}" in said


@pytest.mark.django_db
def test_two_entries_for_one_account_are_told(simulated_aws: SimulatedAws, settings: Any) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    role = f"arn:aws:iam::{OWN}:role/cml-portal"
    settings.AWS_ACCOUNTS = [{"name": "main", "regions": [REGION]}, {"name": "again", "role_arn": role, "regions": [REGION]}]
    status, said = here()
    assert status == 1
    assert said.count(f"Another account of AWS_ACCOUNTS is {OWN} too") == 2


@pytest.mark.parametrize(
    ("arguments", "changed", "says"),
    [
        (["--account", "nobody"], {}, "nobody is not in AWS_ACCOUNTS; there is default."),
        (["--region", "mars-1"], {}, "mars-1 is not one of the regions: us-east-1"),
        (["--instance-id", "encor"], {}, "encor is no id"),
        ([], {"AWS_ACCOUNTS": [{"name": "A B"}]}, "small letters"),
        ([], {"AWS_REGIONS": []}, "default has no regions: set AWS_REGIONS"),
    ],
)
def test_what_cannot_be_meant_is_status_two(settings: Any, arguments: list[str], changed: dict[str, Any], says: str) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    status, said = here(*arguments)
    assert status == 2
    assert says in said


def test_the_policy_is_printed_with_account_regions_and_tag(simulated_aws: SimulatedAws, tmp_path: Path) -> None:
    done = check_aws(simulated_aws, tmp_path, "--policy", "--tag", "Team=training")
    policy = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    text = json.dumps(policy)
    assert f"arn:aws:ec2:*:{OWN}:instance/*" in text
    assert f"aws:ResourceTag/{OUR_TAG}" in text
    assert "aws:ResourceTag/Team" in text

    several = check_aws(simulated_aws, tmp_path, "--policy", AWS_ACCOUNTS=json.dumps(ACCOUNTS))
    documents = json.loads(several.stdout)
    assert set(documents) == {"main", "training"}
    assert documents["main"]["policy"]["Statement"][-1]["Resource"] == [ACCOUNTS[1]["role_arn"]]
    assert OTHER in json.dumps(documents["training"]["policy"])
    assert documents["training"]["trust"]["Statement"][0]["Principal"]["AWS"].startswith(f"arn:aws:sts::{OWN}")


def test_before_there_are_credentials_the_policy_has_a_place_for_the_account(tmp_path: Path) -> None:
    done = check_aws(None, tmp_path, "--policy")
    assert done.returncode == 0
    assert "arn:aws:ec2:*:ACCOUNT_ID:instance/*" in done.stdout
    assert "replace ACCOUNT_ID" in done.stderr


@pytest.mark.django_db
def test_a_worker_with_the_tag_is_tried_before_others_and_one_without_it_is_said_to_have_none(
    simulated_aws: SimulatedAws, settings: Any
) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url
    untagged, tagged = simulated_aws.launch(REGION, 2)
    imported = make_worker(instance_id=untagged, region=REGION, ami_id="ami-12345678")
    simulated_aws.deny("StopInstances")

    [stop] = [right for right in rights.look(region=REGION).rights if right.action == "ec2:StopInstances"]
    assert f"asked for {untagged}, which was imported and has not the tag {OUR_TAG}" in stop.sentence

    make_worker(instance_id=tagged, region=REGION, tags={OUR_TAG: "1"})
    looked = rights.look(region=REGION)
    [stop] = looked.of("denied")
    assert stop.sentence.endswith("in its IAM policy.")
    assert not looked.of("untested"), "an image is known from a worker"
    assert imported.pk
