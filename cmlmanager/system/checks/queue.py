"""What waits in Redis for Celery, how fast news is published, and how many pages listen: the figures of the page."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import redis
from celery import current_app

from cmlmanager.live.facts import EVENTS_KEY
from cmlmanager.live.gauges import ALIVE, KEY
from cmlmanager.live.publisher import LOST_KEY, STREAM_KEY
from cmlmanager.system import health
from cmlmanager.system.checks.redis import away, connect

LONG = 500  # tasks waiting
OLD = 60.0  # seconds that the oldest has waited
_PRIORITIES = ("", *(f"\x06\x16{priority}" for priority in (3, 6, 9)))  # kombu keeps a list for each


@health.register(name="queue", label="Queue and live pages", group=health.Group.WORK, every=10)
def queue(context: health.Context) -> health.Said:
    """A handful of cheap commands in one round trip or two."""
    try:
        with connect() as client:
            names = queues()
            lists, oldest = _waiting(client, names)
            added, lost, hands, processes = _rest(client)
    except (redis.RedisError, OSError) as error:
        return away(error)
    now = time.time()
    depth = sum(lists.values())
    rate = _rate(context.memory, added, now)
    alive = {name: told for name, told in processes.items() if now - float(told.get("at", 0)) <= ALIVE}
    facts: dict[str, Any] = {
        "depth": depth,
        "queues": lists,
        "oldest_seconds": round(oldest, 1) if oldest is not None else None,
        "in_hand": hands,
        "published_per_second": rate,
        "published": added,
        "lost": lost,
        "streams": sum(int(told.get("streams", 0)) for told in alive.values()),
        "processes": [
            {
                "name": name,
                "streams": int(told.get("streams", 0)),
                "delivered": int(told.get("delivered", 0)),
                "merged": int(told.get("coalesced", 0)),
                "dropped": int(told.get("dropped", 0)),
                "connected": bool(told.get("reader_connected")),
            }
            for name, told in sorted(alive.items())
        ],
    }
    more: dict[str, Any] = {"facts": facts, "memory": {"added": added, "at": now}}
    if oldest is not None and oldest > OLD:
        return health.warning(
            f"{depth} {'task waits' if depth == 1 else 'tasks wait'} for a Celery worker, the oldest for {oldest:.0f} s.",
            "Start more Celery workers, or see what keeps those that run busy.",
            **more,
        )
    if depth > LONG:
        return health.warning(f"{depth} tasks wait for a Celery worker.", "Start more Celery workers.", **more)
    deaf = [told["name"] for told in facts["processes"] if not told["connected"]]
    if deaf:
        return health.warning(
            f"{', '.join(deaf)} does not hear the live stream: its pages read themselves again every minute.",
            "See whether that machine reaches Redis.",
            **more,
        )
    return health.ok("Tasks are taken as they come, pages are told at once.", **more)


def queues() -> list[str]:
    """The names of Celery's queues."""
    return sorted(current_app.amqp.queues) or [current_app.conf.task_default_queue]


def _waiting(client: redis.Redis, names: list[str]) -> tuple[dict[str, int], float | None]:
    """How many wait in each queue, and for how many seconds the oldest has."""
    keys = [(name, name + priority) for name in names for priority in _PRIORITIES]
    with client.pipeline(transaction=False) as pipeline:
        for _, key in keys:
            pipeline.llen(key)
            pipeline.lindex(key, -1)  # kombu pushes on the left and takes from the right
        answers = pipeline.execute()
    lists = dict.fromkeys(names, 0)
    sent: list[float] = []
    for (name, _), length, message in zip(keys, answers[::2], answers[1::2], strict=True):
        lists[name] += int(length)
        with suppress(ValueError, TypeError, KeyError):
            sent.append(float(json.loads(message)["headers"]["cmlmanager_sent"]))
    return lists, (max(0.0, time.time() - min(sent)) if sent else None)


def _rest(client: redis.Redis) -> tuple[int, int, int, dict[str, dict[str, Any]]]:
    """News ever published, news lost, tasks taken and not done, and what each web process tells."""
    added = 0
    for key in (STREAM_KEY, EVENTS_KEY):
        with suppress(redis.ResponseError):  # no such key: nothing was published yet
            added += int(client.xinfo_stream(key).get("entries-added", 0))
    with client.pipeline(transaction=False) as pipeline:
        pipeline.get(LOST_KEY)
        pipeline.hlen("unacked")  # kombu's hash of what is in somebody's hands
        pipeline.hgetall(KEY)
        lost, hands, told = pipeline.execute()
    processes: dict[str, dict[str, Any]] = {}
    stale: list[bytes] = []
    for name, text in told.items():
        with suppress(ValueError, TypeError):
            processes[name.decode()] = json.loads(text)
            if time.time() - float(processes[name.decode()].get("at", 0)) > ALIVE:
                stale.append(name)
    if stale:
        client.hdel(KEY, *stale)
    return added, int(lost or 0), int(hands), processes


def _rate(memory: Any, added: int, now: float) -> float | None:
    """News a second since the last look; None when there was none, or Redis began anew."""
    with suppress(KeyError, TypeError, ValueError):
        span, more = now - float(memory["at"]), added - int(memory["added"])
        if 0 < span < 300 and more >= 0:
            return round(more / span, 1)
    return None
