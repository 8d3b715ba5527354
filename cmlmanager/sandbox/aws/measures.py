"""What CloudWatch measures of an instance: made-up curves, the same whenever they are asked for, so that nothing has to be stored.

A value stands for one minute of an instance that runs. CloudWatch's periods are means, sums and so on of these.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence

from cmlmanager.sandbox.fleet import DemoWorker

MINUTE = 60
# Metric → its unit. Source: EC2 User Guide, "CloudWatch metrics that are available for your instances".
UNITS = {"CPUUtilization": "Percent", "NetworkIn": "Bytes", "NetworkOut": "Bytes", "StatusCheckFailed": "Count"}
_SPOKEN = {"NetworkIn": 2_200.0, "NetworkOut": 5_100.0}  # bytes per second at one percent of CPU: consoles and pages go out


def level_of(instance_id: str, demo: DemoWorker | None) -> float:
    """Around which percentage an instance moves: by the nodes that run on a demo worker, by its id for any other."""
    if demo is None:
        return 2 + zlib.crc32(instance_id.encode()) % 30
    return min(80.0, demo.base_load + 0.65 * sum(lab.nodes for lab in demo.labs if lab.running))


def cpu_percent(instance_id: str, minute: int, level: float) -> float:
    """CPU in percent during the minute that begins `minute` seconds after the epoch."""
    phase = zlib.crc32(instance_id.encode()) / 2**32 * 2 * math.pi
    noise = zlib.crc32(f"{instance_id} {minute}".encode()) / 2**31 - 1
    slow = math.sin(2 * math.pi * minute / 7200 + phase)
    quick = math.sin(2 * math.pi * minute / 1500 + 3 * phase)
    return min(99.5, max(0.1, level * (1 + 0.2 * slow + 0.08 * quick) + noise * (0.4 + 0.04 * level)))


def network_bytes(metric: str, instance_id: str, minute: int, level: float) -> float:
    """Bytes in or out during that minute: a hum that follows the nodes, and now and then a download."""
    quarter = minute // 900
    burst = 40 if zlib.crc32(f"{metric} {instance_id} {quarter}".encode()) % 48 == 0 else 1
    trembles = 0.7 + zlib.crc32(f"{metric} {minute // 300} {instance_id}".encode()) / 2**32 * 0.6
    return MINUTE * _SPOKEN[metric] * level * trembles * burst


def periods(
    metric: str,
    instance_id: str,
    level: float,
    runs: Sequence[Sequence[float | None]],
    *,
    impaired_since: float | None,
    start: float,
    end: float,
    period: int,
    now: float,
) -> Iterator[tuple[int, list[float]]]:
    """The periods of `period` seconds from `start` until before `end` in which the instance ran, each with a value per minute.

    Periods begin at multiples of `period` and `start` is rounded down to one (CloudWatch API reference, GetMetricData).
    The minute that is now going on counts, minutes to come do not.
    """
    begin = int(start // period * period)
    while begin < min(end, now):
        minutes = [m for m in range(begin, begin + period, MINUTE) if m <= now and _ran(runs, m)]
        if minutes:
            yield begin, _values(metric, instance_id, minutes, level, impaired_since)
        begin += period


def _values(metric: str, instance_id: str, minutes: Sequence[int], level: float, impaired_since: float | None) -> list[float]:
    if metric == "CPUUtilization":
        return [cpu_percent(instance_id, minute, level) for minute in minutes]
    if metric == "StatusCheckFailed":
        return [float(impaired_since is not None and minute + MINUTE > impaired_since) for minute in minutes]
    # It changes every five minutes, and is asked for a thousand instances at once.
    return [network_bytes(metric, instance_id, minutes[0], level)] * len(minutes)


def _ran(runs: Sequence[Sequence[float | None]], minute: int) -> bool:
    """Whether the instance ran at any time of the minute."""
    return any(begin is not None and begin < minute + MINUTE and (end is None or end > minute) for begin, end in runs)
