"""What AMIs are called: asked once an hour and process, because images hardly ever change."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from workers import aws_accounts
from workers.clients import aws
from workers.models import Worker

logger = logging.getLogger(__name__)

KEPT = timedelta(hours=1)
_known: dict[tuple[str, str, str], tuple[datetime, aws.Image | None]] = {}


def image_fields(
    client: aws.AwsClient, workers: list[Worker], instances: dict[str, aws.Instance], *, now: datetime
) -> dict[str, dict[str, Any]]:
    """AMI id → the fields `ami_name`, `ami_description` and `ami_created_at`. An image that was deregistered keeps what was known of it.

    One call at most. Without the right to describe images the fleet is still read: what the AMI is called is no reason to know nothing.
    """
    account = workers[0].account if workers else ""  # they are all of one; another may see other images
    wanted = {instances[w.instance_id].image_id for w in workers if w.instance_id in instances} - {""}
    unknown = sorted(ami for ami in wanted if _age(account, client.region, ami, now) > KEPT)
    if unknown:
        try:
            images = client.describe_images(unknown)
        except aws.AwsError as error:
            logger.warning("AMIs cannot be described in %s: %s", aws_accounts.in_words(account, client.region), error.sentence)
            images = {}
        for ami in unknown:
            _known[account, client.region, ami] = (now, images.get(ami))
    result = {}
    for ami in wanted:
        image = _known[account, client.region, ami][1]
        if image:
            result[ami] = {
                "ami_name": image.name[:160],
                "ami_description": image.description[:256],
                "ami_created_at": image.created_at,
            }
    return result


def _age(account: str, region: str, ami: str, now: datetime) -> timedelta:
    known = _known.get((account, region, ami))
    return now - known[0] if known else KEPT * 2
