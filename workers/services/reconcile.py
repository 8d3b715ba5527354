"""After a start, what the database remembers may be hours old: everything is read again."""

from __future__ import annotations

from datetime import datetime

from workers import events, queue
from workers.models import Worker


def everything_is_due(*, now: datetime) -> int:
    """Make every worker due for EC2, CloudWatch and CML; returns how many. The claims make several starters at once do it once."""
    workers = Worker.objects.known_to_ec2()
    count = workers.update(aws_due_at=None, metrics_due_at=None, cml_due_at=None, labs_due_at=None)
    for account, region in workers.order_by().values_list("account", "region").distinct():
        queue.refresh_region(region=region, account=account)
    events.announce_counts()
    return count
