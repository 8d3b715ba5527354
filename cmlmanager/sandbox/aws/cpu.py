"""How much CPU an instance uses: a made-up curve, the same whenever it is asked for, so that nothing has to be stored.

A value stands for one minute of an instance that runs. CloudWatch's periods are means, minima and so on of these.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence

from cmlmanager.sandbox.fleet import DemoWorker

MINUTE = 60


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


def periods(
    instance_id: str, level: float, runs: Sequence[Sequence[float | None]], *, start: float, end: float, period: int, now: float
) -> Iterator[tuple[int, list[float]]]:
    """The periods of `period` seconds from `start` until before `end` in which the instance ran, each with a value per minute.

    Periods begin at multiples of `period` and `start` is rounded down to one (CloudWatch API reference, GetMetricData).
    The minute that is now going on counts, minutes to come do not.
    """
    begin = int(start // period * period)
    while begin < min(end, now):
        minutes = range(begin, begin + period, MINUTE)
        values = [cpu_percent(instance_id, m, level) for m in minutes if m <= now and _ran(runs, m)]
        if values:
            yield begin, values
        begin += period


def _ran(runs: Sequence[Sequence[float | None]], minute: int) -> bool:
    """Whether the instance ran at any time of the minute."""
    return any(begin is not None and begin < minute + MINUTE and (end is None or end > minute) for begin, end in runs)
