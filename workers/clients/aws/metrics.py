"""What CloudWatch measures of EC2 instances: all figures of many instances in as few questions as it allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from workers.clients.aws.answers import Measurement, utc
from workers.clients.aws.connection import Connection

METRIC_QUERIES = 500  # the most in one request (CloudWatch API reference, GetMetricData)


class _Metric(NamedTuple):
    """A metric of the namespace AWS/EC2, and as which figure of a Measurement it is kept."""

    figure: str
    name: str
    statistic: str
    a_second: bool = False  # the sum over the period is told as a rate


# EC2 User Guide, "CloudWatch metrics that are available for your instances". The network's are bytes, their sum over the period divided
# by its seconds is bytes per second; StatusCheckFailed is 1 in a minute in which either check failed.
_METRICS = (
    _Metric("cpu", "CPUUtilization", "Average"),
    _Metric("network_in", "NetworkIn", "Sum", a_second=True),
    _Metric("network_out", "NetworkOut", "Sum", a_second=True),
    _Metric("checks_failed", "StatusCheckFailed", "Maximum"),
)


class Metrics(Connection):
    """The questions to CloudWatch."""

    def measurements(
        self, instance_ids: Collection[str], *, since: datetime, until: datetime, period: int = 300
    ) -> dict[str, list[Measurement]]:
        """Instance id → what was measured in periods of `period` seconds, oldest first. Raises AwsError.

        CloudWatch API reference, GetMetricData. An instance of which CloudWatch has nothing has an empty list. `since` is rounded down to
        a multiple of `period`, as CloudWatch itself does, so that a period has the same time in every answer. The last period may not be
        over: then its sums, and so its rates, are a part of what they will be.
        """
        since = datetime.fromtimestamp(since.timestamp() // period * period, tz=UTC)
        unique = list(dict.fromkeys(instance_ids))
        found: dict[str, dict[datetime, dict[str, float]]] = {one: defaultdict(dict) for one in unique}
        wanted = [(one, metric) for one in unique for metric in _METRICS]
        for start in range(0, len(wanted), METRIC_QUERIES):
            chunk = wanted[start : start + METRIC_QUERIES]
            for (instance_id, metric), at, value in self._points(chunk, since, until, period):
                found[instance_id][at][metric.figure] = value / period if metric.a_second else value
        return {
            one: [Measurement(at=at, **figures) for at, figures in sorted(periods.items())] for one, periods in found.items()
        }

    def _points(
        self, chunk: list[tuple[str, _Metric]], since: datetime, until: datetime, period: int
    ) -> Iterator[tuple[tuple[str, _Metric], datetime, float]]:
        """Every datapoint of one request, with what it is of."""
        queries = [_query(f"m{number}", *wanted, period) for number, wanted in enumerate(chunk)]
        # A long series comes in several parts, on several pages.
        arguments = {"MetricDataQueries": queries, "StartTime": since, "EndTime": until}
        for part in self._pages("cloudwatch", "GetMetricData", "MetricDataResults", **arguments):
            for at, value in zip(part.get("Timestamps", []), part.get("Values", []), strict=False):
                yield chunk[int(part["Id"][1:])], utc(at), value


def _query(query_id: str, instance_id: str, metric: _Metric, period: int) -> dict[str, Any]:
    dimensions = [{"Name": "InstanceId", "Value": instance_id}]
    what = {"Namespace": "AWS/EC2", "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": query_id, "MetricStat": {"Metric": what, "Period": period, "Stat": metric.statistic}}
