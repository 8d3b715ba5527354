"""How people say which instances they mean: an id, an AMI, a pattern of AMI names, a tag. Forms, commands and settings read it."""

from __future__ import annotations

from typing import Any

from django.db.models import TextChoices

from workers import tag_rules
from workers.provisioning import IMAGE_ID, INSTANCE_ID, image_name_problem

OUR_TAG = "cml-manager:worker"  # on every instance that the portal makes, with the worker's id


class By(TextChoices):
    """What instances are found by."""

    INSTANCE = "instance_id", "Instance id"
    IMAGE = "image_id", "AMI id"
    IMAGE_NAME = "image_name", "AMI name pattern"
    TAG = "tag", "Tag"
    OURS = "ours", "The portal's own tag"


def question(by: str, value: str) -> dict[str, Any]:
    """The question of a look for instances (see services.operations.looks). Raises ValueError with a sentence for the person."""
    value = value.strip()
    if by == By.OURS:
        return {"tag": OUR_TAG}
    problem = _PROBLEMS[By(by)](value)
    if problem:
        raise ValueError(problem)
    return {by: value}


def in_words(asked: dict[str, Any]) -> str:
    """A question for a heading: "AMI name pattern cisco-cml*"."""
    if asked.get("tag") == OUR_TAG:
        return By.OURS.label.lower()
    by = next((choice for choice in By if asked.get(choice.value)), None)
    return f"{by.label[0].lower() if by == By.TAG else by.label[0]}{by.label[1:]} {asked[by.value]}" if by else "?"


def _instance(value: str) -> str:
    return "" if INSTANCE_ID.fullmatch(value) else "An instance id looks like i-0123456789abcdef0."


def _image(value: str) -> str:
    return "" if IMAGE_ID.fullmatch(value) else "An AMI id looks like ami-0123456789abcdef0."


def _tag(value: str) -> str:
    key, _, text = value.partition("=")
    if not key:
        return "Give a tag as key or key=value."
    # Any key may be looked for, AWS's own too.
    if len(key) > tag_rules.LONGEST_KEY:
        return f"A tag's key has at most {tag_rules.LONGEST_KEY} characters."
    return tag_rules.value_error("", text)


_PROBLEMS = {By.INSTANCE: _instance, By.IMAGE: _image, By.IMAGE_NAME: image_name_problem, By.TAG: _tag}
