"""Redis: broker, live stream, and nothing that would be lost with it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from cmlmanager.system import health
from cmlmanager.system.checks.database import size_text

TIMEOUT = 2.0  # seconds
SLOW_MS = 100.0
FULL = 0.9  # of maxmemory


def connect() -> redis.Redis:
    """A connection that does not wait for long. To be closed."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
    )


def where() -> str:
    """Host and port, without the password."""
    parts = urlsplit(settings.REDIS_URL)
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}" if parts.scheme.startswith("redis") else parts.path


def away(error: Exception) -> health.Said:
    """What is said when Redis does not answer."""
    return health.failing(
        f"Redis does not answer at {where()} ({type(error).__name__}): background work and live pages stand still.",
        "Start it again, or mend REDIS_URL and the network to it. Nothing is lost: what is due stays due in the database.",
    )


@health.register(name="redis", label="Redis", group=health.Group.STORES, every=30)
def redis_server(context: health.Context) -> health.Said:
    """A round trip, and what it says of its memory and clients."""
    try:
        with connect() as client:
            client.ping()
            watch = health.Stopwatch()
            client.ping()
            latency = watch.ms
            info: dict[str, Any] = client.info()
    except (redis.RedisError, OSError) as error:
        return away(error)
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    policy = str(info.get("maxmemory_policy", "noeviction"))
    clients, room = int(info.get("connected_clients", 0)), int(info.get("maxclients", 0))
    facts = {
        "Version": f"{info.get('server_name', 'redis')} {info.get('valkey_version') or info.get('redis_version', '')}".strip(),
        "Memory": size_text(used) + (f" of {size_text(most)}" if most else ", no limit"),
        "When full": policy,
        "Clients": f"{clients}" + (f" of {room}" if room else ""),
        "Up for": f"{int(info.get('uptime_in_seconds', 0)) // 3600} h",
    }
    more: dict[str, Any] = {"latency_ms": latency, "facts": facts}
    if most and used > FULL * most:
        return health.warning(
            f"Redis has used {used / most:.0%} of its memory.", "Raise maxmemory, or find what fills it.", **more
        )
    if most and policy != "noeviction":
        return health.warning(
            f"Redis throws keys away when it is full ({policy}): messages to Celery could be lost.",
            "Set maxmemory-policy to noeviction.",
            **more,
        )
    if room and clients > FULL * room:
        return health.warning(
            f"{clients} of {room} connections to Redis are taken.", "Raise maxclients, or find who opens them.", **more
        )
    if latency > SLOW_MS:
        return health.warning(
            f"Redis takes {latency:.0f} ms to answer.",
            "Look at its machine and at the network between it and the portal.",
            **more,
        )
    return health.ok("Redis answers.", **more)
