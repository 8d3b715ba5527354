"""Where a planted secret could have leaked to, as text to look through."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from django.core.management import call_command

from tests.redis_server import RedisServer


def everything_in(redis_server: RedisServer) -> str:
    """Every key and value of Redis, as text."""
    client = redis_server.client()
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": client.xrange,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"string": client.get,
    }
    return "".join(f"{key!r} {readers[client.type(key)](key)!r}" for key in client.scan_iter())


def database() -> str:
    """Every row of every table, as text."""
    text = io.StringIO()
    call_command("dumpdata", stdout=text)
    return text.getvalue()
