"""One look at a region: AWS calls, row writes and wall time, against a design that calls AWS for each worker."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from botocore.httpsession import URLLib3Session
from django.conf import settings
from django.db import connection
from django.utils import timezone

from tests.bench.fleet import import_workers
from tests.bench.report import Goal, Line
from tests.bench.run import Run
from tests.bench.timing import median, seconds_of
from tests.simulated_aws import SimulatedAws, start_simulated_aws
from workers.models import Worker
from workers.services.fleet_refresh import refresh_region
from workers.services.metrics_refresh import refresh_metrics

REGION = "us-east-1"
DELAY_MS = 50  # of network and of AWS's own work
FAR_SAMPLE = 20  # workers asked one by one with that delay
_LAUNCH = 250  # instances a RunInstances
# What says when somebody looked, not what was found.
_BOOKKEEPING = {
    "aws_due_at",
    "aws_checked_at",
    "aws_succeeded_at",
    "metrics_due_at",
    "metrics_succeeded_at",
    "metrics_at",
    "cml_due_at",
}
_USAGE = {"cpu", "cpu_source", "network_in", "network_out", "checks_failed"}


def measure(run: Run) -> list[Line]:
    """A first refresh, three in which nothing changed, and both plain versions on a sample."""
    count, sampled = run.size(1000), 5 if run.quick else 60
    with start_simulated_aws(run.folder / "aws", speed=0) as aws:
        settings.AWS_ENDPOINT_URL = aws.endpoint_url
        _launch(aws, count)
        with calls_of(aws) as calls:
            first = seconds_of(_refresh)
        _check(count)
        with writes_of_machine_fields() as writes, time_in_aws() as waits:
            unchanged = [seconds_of(_refresh_again) for _ in range(3)]
        workers = list(Worker.objects.order_by("instance_id")[:sampled])
        with calls_of(aws) as plain_calls:
            plain = seconds_of(lambda: _one_by_one(aws, workers, _ask_as_replaced)) / sampled * count
        lean = seconds_of(lambda: _one_by_one(aws, workers, _ask_least)) / sampled * count
        aws.set_fault("slow", seconds=DELAY_MS / 1000)
        far = seconds_of(_refresh_again)
        far_plain = (
            seconds_of(lambda: _one_by_one(aws, workers[:FAR_SAMPLE], _ask_as_replaced)) / min(FAR_SAMPLE, sampled) * count
        )
    found = _lines(count, sampled, calls, plain_calls, writes["machine"], first, median(unchanged), plain, lean)
    return [*found, *_more_lines(count, min(FAR_SAMPLE, sampled), median(unchanged), sum(waits) / 3, far, far_plain)]


def _lines(
    count: int,
    sampled: int,
    calls: Mapping[str, int],
    plain_calls: Mapping[str, int],
    writes: int,
    first: float,
    unchanged: float,
    plain: float,
    lean: float,
) -> list[Line]:
    scaled = f"plain version: scaled from {sampled} of {count:,} workers"
    listed = ", ".join(f"{number} {name}" for name, number in sorted(calls.items()))
    each = ", ".join(f"{number // sampled} {name}" for name, number in sorted(plain_calls.items()))
    return [
        Line(
            key="refresh.aws_calls",
            what=f"AWS calls for one full refresh of {count:,} workers",
            value=sum(calls.values()),
            plain=sum(plain_calls.values()) / sampled * count,
            goal=Goal(kind="at most", limit=20),
            note=f"counted by the simulator: {listed}. A worker of the plain version: {each}; {scaled}",
        ),
        Line(
            key="refresh.first_seconds",
            what=f"first refresh of {count:,} workers, every row written and announced",
            value=first,
            unit="s",
            plain=plain,
            note=f"{scaled}: its calls and one row save, nothing announced",
        ),
        Line(
            key="refresh.seconds",
            what="refresh in which nothing changed",
            value=unchanged,
            unit="s",
            plain=plain,
            note="median of 3",
        ),
        Line(
            key="refresh.times_faster",
            what="times faster than 7 calls a worker, nothing changed",
            value=plain / unchanged,
            unit="×",
            goal=Goal(kind="at least", limit=50),
            note=f"same simulated AWS for both; {scaled}",
        ),
        Line(
            key="refresh.first_times_faster",
            what="times faster than 7 calls a worker, first refresh",
            value=plain / first,
            unit="×",
            goal=Goal(kind="at least", limit=50),
        ),
        Line(
            key="refresh.times_faster_than_least",
            what="times faster than the fewest calls a worker (3), nothing changed",
            value=lean / unchanged,
            unit="×",
            note=f"DescribeInstances, DescribeInstanceStatus and GetMetricData for each worker; {scaled}",
        ),
        Line(
            key="refresh.writes_unchanged",
            what="UPDATEs of what EC2 says in three refreshes in which nothing changed",
            value=writes,
            plain=3 * count,
            goal=Goal(kind="at most", limit=0),
            note="times of looking and due times are written for the whole region at once and not counted; usage is not machine fields",
        ),
    ]


def _more_lines(count: int, sampled: int, unchanged: float, waited: float, far: float, far_plain: float) -> list[Line]:
    return [
        Line(
            key="refresh.own_seconds",
            what="of a refresh in which nothing changed, outside the simulator's answers",
            value=unchanged - waited,
            unit="s",
            note=f"{waited:.2f} s of {unchanged:.2f} s are waiting for the simulated AWS",
        ),
        Line(
            key="refresh.far_seconds",
            what=f"refresh in which nothing changed, AWS {DELAY_MS} ms away",
            value=far,
            unit="s",
            plain=far_plain,
            note=f"the simulator waits {DELAY_MS} ms before each answer, for both; plain version: scaled from {sampled} of {count:,} workers",
        ),
        Line(
            key="refresh.far_times_faster",
            what=f"times faster than 7 calls a worker, AWS {DELAY_MS} ms away",
            value=far_plain / far,
            unit="×",
        ),
    ]


@contextmanager
def time_in_aws() -> Iterator[list[float]]:
    """Seconds of each HTTP exchange with the simulator within the block."""
    send, spent = URLLib3Session.send, []

    def watched(*args: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return send(*args, **options)
        finally:
            spent.append(time.perf_counter() - started)

    with patch.object(URLLib3Session, "send", watched):
        yield spent


def _launch(aws: SimulatedAws, count: int) -> None:
    # An image that the simulator can describe: what AMIs are called is part of a refresh.
    image = aws.client("ec2", REGION).register_image(Name="refplat-2.9.1", Description="CML 2.9.1")["ImageId"]
    ids: list[str] = []
    while len(ids) < count:
        batch = min(_LAUNCH, count - len(ids))
        ids += aws.launch(REGION, batch, tags={"Name": f"cml-{len(ids):05}", "Owner": "training"}, ImageId=image)
    import_workers(ids, region=REGION, now=timezone.now())


def _refresh() -> None:
    refresh_region(region=REGION, now=timezone.now())
    refresh_metrics(region=REGION, now=timezone.now())


def _refresh_again() -> None:
    Worker.objects.update(aws_due_at=None, metrics_due_at=None)
    _refresh()


def _check(count: int) -> None:
    """The refresh must have done its work, or its numbers mean nothing. Raises RuntimeError."""
    read = Worker.objects.filter(machine_state="running", aws_succeeded_at__isnull=False, metrics_succeeded_at__isnull=False)
    if read.exclude(cpu=None).count() != count:
        raise RuntimeError(f"The refresh read {read.count()} of {count} workers.")


@contextmanager
def calls_of(aws: SimulatedAws) -> Iterator[Counter[str]]:
    """Afterwards, the requests that the simulator counted within the block, by operation."""
    before, counted = Counter(aws.calls()), Counter[str]()
    yield counted
    counted.update(Counter(aws.calls()) - before)


@contextmanager
def writes_of_machine_fields() -> Iterator[Counter[str]]:
    """UPDATE statements on workers within the block: of what EC2 says (`machine`), of usage alone, and of times alone."""
    counted = Counter[str]()

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith('UPDATE "workers_worker"'):
            written = set(re.findall(r'"(\w+)" = ', sql.partition(" SET ")[2].partition(" WHERE ")[0])) - _BOOKKEEPING
            counted["machine" if written - _USAGE else "usage" if written else "times"] += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield counted


# ── The plain versions ─────────────────────────────────────────────────────────────────────────────────────────────


def _one_by_one(aws: SimulatedAws, workers: list[Worker], ask: Callable[..., None]) -> None:
    ec2, cloudwatch = aws.client("ec2", REGION), aws.client("cloudwatch", REGION)
    for worker in workers:
        ask(ec2, cloudwatch, worker)
        worker.save()


def _ask_as_replaced(ec2: Any, cloudwatch: Any, worker: Worker) -> None:
    """State, checks, details, tags, AMI, CPU and memory: a call each, one worker after another."""
    ids = [worker.instance_id]
    worker.machine_state = _instance(ec2, ids)["State"]["Name"]
    _keep_checks(worker, ec2.describe_instance_status(InstanceIds=ids))
    details = _instance(ec2, ids)
    _keep_details(worker, details)
    tags = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": ids}])["Tags"]
    worker.tags = {tag["Key"]: tag["Value"] for tag in tags}
    images = ec2.describe_images(ImageIds=[details["ImageId"]])["Images"]
    worker.ami_name = images[0]["Name"] if images else ""
    for namespace, metric in (("AWS/EC2", "CPUUtilization"), ("CWAgent", "mem_used_percent")):
        cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": "InstanceId", "Value": worker.instance_id}],
            StartTime=timezone.now() - timedelta(minutes=10),
            EndTime=timezone.now(),
            Period=300,
            Statistics=["Average"],
        )


def _ask_least(ec2: Any, cloudwatch: Any, worker: Worker) -> None:
    """The fewest calls that tell the same of one worker."""
    details = _instance(ec2, [worker.instance_id])
    worker.machine_state = details["State"]["Name"]
    _keep_details(worker, details)
    _keep_checks(worker, ec2.describe_instance_status(InstanceIds=[worker.instance_id]))
    metric = {
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "InstanceId", "Value": worker.instance_id}],
    }
    cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "cpu", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Average"}}],
        StartTime=timezone.now() - timedelta(minutes=10),
        EndTime=timezone.now(),
    )


def _instance(ec2: Any, ids: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = ec2.describe_instances(InstanceIds=ids)["Reservations"][0]["Instances"][0]
    return found


def _keep_checks(worker: Worker, answer: dict[str, Any]) -> None:
    for status in answer["InstanceStatuses"]:
        worker.system_check, worker.instance_check = status["SystemStatus"]["Status"], status["InstanceStatus"]["Status"]


def _keep_details(worker: Worker, details: dict[str, Any]) -> None:
    worker.instance_type, worker.ami_id = details["InstanceType"], details["ImageId"]
    worker.public_address, worker.private_address = details.get("PublicIpAddress", ""), details.get("PrivateIpAddress", "")
    worker.launched_at = details["LaunchTime"]
