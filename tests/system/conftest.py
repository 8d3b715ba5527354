"""Each test begins with nothing counted and nothing remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cmlmanager.system import pauses, tally
from tests.redis_server import redis_server

__all__ = ["redis_server"]


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    pauses.forget()
    tally.forget()
    yield
    pauses.forget()
    tally.forget()
