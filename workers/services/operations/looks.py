"""Looking before acting: what is there to import, which image a pattern means. No request handler asks AWS, so this is an operation too."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from workers.clients import aws
from workers.models import Worker
from workers.services import strays
from workers.services.operations.steps import Done, Outcome, Stopped, Task

MOST = 200  # found things that a page shows


def look(task: Task) -> Outcome:
    """Answer the question in the parameters; the answer is the operation's result."""
    question = task.operation.parameters
    if question["what"] == "images":
        task.operation.result = {"images": images(task.aws, question)}
        return Done(f"{len(task.operation.result['images'])} found")
    task.operation.result = {"instances": importable(task.aws, question)}
    return Done(f"{len(task.operation.result['instances'])} found")


def images(client: aws.AwsClient, question: dict[str, Any]) -> list[dict[str, Any]]:
    """The images that an id or a name pattern means, newest first. Raises Stopped when there is none."""
    # Anybody may publish an AMI under any name: a pattern means only those of accounts that are trusted.
    image_id, owners = question.get("image_id"), settings.AMI_OWNERS
    found = (
        list(client.describe_images([image_id]).values())
        if image_id
        else client.find_images(question["image_name"], owners=owners)
    )
    found = [image for image in found if image.state in {"available", ""}]
    if not found:
        raise Stopped(_no_image(client, question), nothing_done=True)
    return [
        {
            "image_id": image.image_id,
            "name": image.name,
            "description": image.description,
            "created_at": image.created_at.isoformat() if image.created_at else "",
            "root_device_name": image.root_device_name,
            "owner_id": image.owner_id,
        }
        for image in found[:MOST]
    ]


def _no_image(client: aws.AwsClient, question: dict[str, Any]) -> str:
    if question.get("image_id"):
        return f"There is no image {question['image_id']} in {client.region} that the portal's account may use."
    return (
        f"There is no image named {question['image_name']} in {client.region} that belongs to {' or '.join(settings.AMI_OWNERS)}"
        " (AMI_OWNERS)."
    )


def importable(client: aws.AwsClient, question: dict[str, Any]) -> list[dict[str, Any]]:
    """The instances that an id, an AMI or an AMI name pattern means, each with why it would be skipped, or ""."""
    found = _instances(client, question)
    waiting = strays.being_created()
    known = set(Worker.objects.filter(instance_id__in=[i.instance_id for i in found]).values_list("instance_id", flat=True))
    return [
        {
            "instance_id": instance.instance_id,
            "name": instance.name,
            "state": instance.state,
            "instance_type": instance.instance_type,
            "image_id": instance.image_id,
            "launched_at": instance.launched_at.isoformat() if instance.launched_at else "",
            "tags": dict(sorted(instance.tags.items())),
            "skipped": why_skipped(instance, known, waiting),
        }
        for instance in sorted(found, key=lambda i: (i.name, i.instance_id))[:MOST]
    ]


def why_skipped(instance: aws.Instance, known: set[str], waiting: set[str]) -> str:
    """Why an instance is not imported; "" when it would be."""
    if instance.instance_id in known:
        return "Already a worker of the portal."
    if strays.on_its_way(instance.tags, waiting):
        return "The portal is creating it right now."
    if instance.state in {"shutting-down", "terminated"}:
        return "It is terminated."
    return ""


def _instances(client: aws.AwsClient, question: dict[str, Any]) -> list[aws.Instance]:
    if question.get("instance_id"):
        return client.find_instances([question["instance_id"]])
    if question.get("image_id"):
        return client.find_by_image(image_ids=[question["image_id"]])
    if question.get("tag"):
        key, equals, value = question["tag"].partition("=")
        return client.find_by_tag(key, value if equals else None)
    images_meant = client.find_images(question["image_name"], owners=settings.AMI_OWNERS, include_deprecated=True)
    chosen = [image.image_id for image in images_meant]
    return client.find_by_image(image_ids=chosen) if chosen else []
