"""The list of rights, the policy that is made of it, the documentation that shows it, and the calls that the client really makes: all agree."""

from __future__ import annotations

import ast
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from workers import aws_accounts
from workers.clients import aws
from workers.clients.aws import policies
from workers.clients.aws.rights import ACCOUNT_RIGHTS, RIGHTS, Scope
from workers.finding import OUR_TAG
from workers.services import aws_policies

ROOT = Path(aws.__file__).resolve().parents[3]
DOCS = (ROOT / "docs" / "aws.md").read_text()
IDENTITY = aws.Identity(
    account_id="123456789012",
    arn="arn:aws:sts::123456789012:assumed-role/cml-portal/i-0123456789abcdef0",
    ahead=timedelta(),
)
TRAINING: dict[str, Any] = {
    "name": "training",
    "role_arn": "arn:aws:iam::222222222222:role/cml-portal",
    "external_id": "f3b1c9e07a",
    "regions": ["eu-central-1"],
}


def operations_named_in_the_client() -> set[str]:
    """Every text in the client's code that is the name of an operation of a service that it may call: what it can ask AWS."""
    core = botocore.session.Session()
    known = {
        f"{service}:{operation}"
        for service in ("ec2", "cloudwatch", "sts")
        for operation in core.get_service_model(service).operation_names
    }
    named = set()
    for path in (ROOT / "workers" / "clients" / "aws").glob("*.py"):
        if path.name in ("rights.py", "policies.py", "meanings.py", "mapping.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= {right for right in known if right.partition(":")[2] == node.value}
    return named


def test_every_call_of_the_client_has_a_right_and_no_right_is_without_a_call() -> None:
    assert operations_named_in_the_client() == {right.action for right in (*ACCOUNT_RIGHTS, *RIGHTS)}


def test_no_call_leaves_the_client_by_another_way() -> None:
    """All go through Connection, which names service and operation as texts; so the test above sees them."""
    for path in (ROOT / "workers" / "clients" / "aws").glob("*.py"):
        if path.name == "connection.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in {"client", "resource", "get_paginator", "_client"}, path
                if node.func.attr in {"_call", "_pages"} and path.name != "rights.py":
                    assert isinstance(node.args[0], ast.Constant), path


def statements(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_the_policy_allows_what_the_portal_does_and_changes_only_what_carries_its_tag() -> None:
    document = policies.policy(account_id="123456789012", regions=["us-east-1"], own_tag=OUR_TAG)
    allowed = {action for statement in document["Statement"] for action in statement["Action"]}

    assert allowed == {right.action for right in RIGHTS}
    for statement in document["Statement"]:
        assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"] == ["us-east-1"]
        if statement["Resource"] == "*":
            assert all(re.match(r"\w+:(Describe|Get)", action) for action in statement["Action"])
    parts = statements(document)
    assert parts["ChangeWhatHasTheTag"]["Condition"]["Null"] == {f"aws:ResourceTag/{OUR_TAG}": "false"}
    assert parts["LaunchWithTheTag"]["Condition"]["Null"] == {f"aws:RequestTag/{OUR_TAG}": "false"}
    assert parts["TagWhatIsLaunched"]["Condition"]["StringEquals"]["ec2:CreateAction"] == "RunInstances"
    # Whoever may tag may not give the tag to others, or take it away.
    labelling = parts["LabelWhatHasTheTag"]["Condition"]
    assert OUR_TAG in labelling["ForAllValues:StringNotEquals"]["aws:TagKeys"]
    assert labelling["Null"] == {f"aws:ResourceTag/{OUR_TAG}": "false", "aws:TagKeys": "false"}


def test_imported_instances_may_be_changed_by_a_tag_of_ones_own() -> None:
    document = policies.policy(account_id="123456789012", regions=["us-east-1"], own_tag=OUR_TAG, other_tag="Team=training")
    condition = statements(document)["ChangeWhatHasTheOtherTag"]["Condition"]
    assert condition["StringEquals"]["aws:ResourceTag/Team"] == "training"
    kept = statements(document)["LabelWhatHasTheOtherTag"]["Condition"]["ForAllValues:StringNotEquals"]["aws:TagKeys"]
    assert kept == [OUR_TAG, "Team"]


def test_a_policy_for_every_region_there_is_fits_iams_limit() -> None:
    regions = botocore.session.Session().get_available_regions("ec2")
    document = policies.policy(account_id="123456789012", regions=regions[:12], own_tag=OUR_TAG, other_tag="Team=training")
    # IAM quotas: a managed policy has at most 6,144 characters without white space.
    assert len(re.sub(r"\s", "", json.dumps(document))) <= 6144


def test_each_scope_of_the_list_is_used() -> None:
    assert {scope for right in (*ACCOUNT_RIGHTS, *RIGHTS) for scope in right.scopes} == set(Scope)


def test_the_trust_policy_names_the_role_and_not_one_session_of_it(settings: Any) -> None:
    settings.AWS_ACCOUNTS = [{"name": "main"}, TRAINING]
    training = aws_accounts.named("training")
    assert training
    [statement] = aws_policies.trust_of(training, identity=IDENTITY)["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:role/cml-portal"}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "f3b1c9e07a"}}


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
)
def test_other_partitions_of_aws_have_their_own_names(settings: Any, region: str, partition: str) -> None:
    settings.AWS_ACCOUNTS, settings.AWS_REGIONS = [], [region]
    document = aws_policies.policy_of(aws_accounts.configured()[0], identity=IDENTITY)
    assert f'"arn:{partition}:ec2:*::image/*"' in json.dumps(document)


# ── docs/aws.md ────────────────────────────────────────────────────────────────────────────────────────────────────


def in_docs(heading: str) -> Any:
    """The first JSON block after a heading of docs/aws.md."""
    found = re.search(rf"^#+ {re.escape(heading)}$.*?^```json\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    assert found, heading
    return json.loads(found[1])


def test_the_documentation_shows_the_policies_that_the_command_prints(settings: Any) -> None:
    settings.AWS_ACCOUNTS = []
    settings.AWS_REGIONS = ["us-east-1", "eu-central-1"]
    assert in_docs("The policy") == aws_policies.policy_of(aws_accounts.configured()[0], identity=IDENTITY)
    settings.AWS_ACCOUNTS = in_docs("Several accounts")
    assert aws_accounts.problems(settings.AWS_ACCOUNTS) == []
    training = aws_accounts.named("training")
    assert training
    assert in_docs("The role in the other account") == aws_policies.trust_of(training, identity=IDENTITY)
    assert in_docs("The portal’s own identity") == aws_policies.assuming_only()


def test_the_documentation_lists_every_right_and_what_it_is_for() -> None:
    for right in (*ACCOUNT_RIGHTS, *RIGHTS):
        assert f"| `{right.action}` | {right.purpose} |" in DOCS
