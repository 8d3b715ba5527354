"""The policy with which the portal can do all that it does, and nothing else; made from the list of rights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.clients.aws.rights import ACCOUNT_RIGHTS, RIGHTS, Scope

VERSION = "2012-10-17"  # of the policy language; there is no newer one (IAM User Guide, "IAM JSON policy elements: Version")
# What an instance is made from and attached to. AMIs belong to no account in their ARN: public ones are launched by anybody.
_MATERIAL = ("subnet", "network-interface", "security-group", "key-pair")


def policy(
    *, account_id: str, regions: Sequence[str], own_tag: str, other_tag: str = "", partition: str = "aws"
) -> dict[str, Any]:
    """The policy document for the identity that works in `account_id`: the process's own, or the role that it assumes.

    `own_tag` is the key that the portal puts on what it makes; it can neither give it to others nor take it away. Instances with
    `other_tag`, a key or key=value, may be changed too: imported ones, which the portal has not made.
    """
    within = {"StringEquals": {"aws:RequestedRegion": list(regions)}}
    made = _arns(partition, account_id, "instance", "volume")
    material = [f"arn:{partition}:ec2:*::image/*", *_arns(partition, account_id, *_MATERIAL)]
    launching = {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    tags = [own_tag, *([other_tag] if other_tag else [])]
    statements = [
        _statement("SeeTheFleet", _actions(Scope.REGION), "*", within),
        _statement("LaunchWithTheTag", _actions(Scope.LAUNCH), made, within, _carries("RequestTag", own_tag)),
        _statement("LaunchFromAndInto", _actions(Scope.LAUNCH), material, within),
        _statement("TagWhatIsLaunched", _actions(Scope.LAUNCHED), made, within, launching),
    ]
    instances = _arns(partition, account_id, "instance")
    # ForAllValues is content with no keys at all, by which DeleteTags would mean every tag: some must be named.
    named = {"Null": {"aws:TagKeys": "false"}}
    kept = {"ForAllValues:StringNotEquals": {"aws:TagKeys": [tag.partition("=")[0] for tag in tags]}}
    for tag, whose in zip(tags, ("TheTag", "TheOtherTag"), strict=False):
        carried = _carries("ResourceTag", tag)
        statements += [
            _statement(f"ChangeWhatHas{whose}", _on_ours(tagging=False), instances, within, carried),
            _statement(f"LabelWhatHas{whose}", _on_ours(tagging=True), instances, within, carried, named, kept),
        ]
    return {"Version": VERSION, "Statement": statements}


def assuming(role_arns: Sequence[str]) -> dict[str, Any]:
    """What the process's own identity needs to work in other accounts."""
    return {
        "Version": VERSION,
        "Statement": [_statement("WorkInOtherAccounts", _actions(Scope.ROLE), list(role_arns))],
    }


def trust(*, principal_arn: str, external_id: str) -> dict[str, Any]:
    """The trust policy of a role in another account: who may assume it, and by which external id ("" is none)."""
    statement: dict[str, Any] = {
        "Sid": "ThePortal",
        "Effect": "Allow",
        "Principal": {"AWS": principal_arn},
        "Action": "sts:AssumeRole",
    }
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": VERSION, "Statement": [statement]}


def _actions(scope: Scope) -> list[str]:
    return [right.action for right in (*ACCOUNT_RIGHTS, *RIGHTS) if scope in right.scopes]


def _on_ours(*, tagging: bool) -> list[str]:
    """Of the rights on what is ours: those to change tags, whose keys can be limited too, or the others."""
    return [action for action in _actions(Scope.OURS) if action.endswith("Tags") is tagging]


def _carries(which: str, tag: str) -> dict[str, Any]:
    """The condition that a tag is there: a key with any value, or key=value."""
    key, equals, value = tag.partition("=")
    name = f"aws:{which}/{key}"
    return {"StringEquals": {name: value}} if equals else {"Null": {name: "false"}}


def _arns(partition: str, account_id: str, *kinds: str) -> list[str]:
    """In every region: which ones is a condition, for lists of regions would not fit the 6,144 characters of a managed policy."""
    return [f"arn:{partition}:ec2:*:{account_id}:{kind}/*" for kind in kinds]


def _statement(sid: str, actions: list[str], resource: str | list[str], *conditions: dict[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    together: dict[str, Any] = {}
    for condition in conditions:
        for operator, tests in condition.items():
            together[operator] = together.get(operator, {}) | tests
    return statement | ({"Condition": together} if together else {})
