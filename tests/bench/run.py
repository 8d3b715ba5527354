"""What every bench is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django
from django.core.management import call_command


@dataclass(frozen=True, kw_only=True)
class Run:
    """quick: sizes ten times smaller. folder: for this bench's files; the database is in it. redis_url: a Valkey of its own."""

    quick: bool
    folder: Path
    redis_url: str

    def size(self, full: int) -> int:
        """`full`, or a tenth of it when the run is quick."""
        return full // 10 if self.quick else full


class Skipped(Exception):
    """This bench cannot run here; the sentence says why."""


@contextmanager
def prepared(*, quick: bool) -> Iterator[Run]:
    """A Django with the project's own settings, an empty database file, hashed static files, and a real Valkey."""
    from tests.redis_server import RedisServer

    server = RedisServer()
    server.start()
    try:
        for name in ("TEST_DATABASE_URL", "DATABASE_URL", "VAR"):
            os.environ.pop(name, None)
        os.environ["TEST_REDIS_URL"] = server.url
        import tests.environment  # noqa: F401 - sets the variables that the settings read

        os.environ["DJANGO_SETTINGS_MODULE"] = "cmlmanager.settings"
        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        yield Run(quick=quick, folder=Path(os.environ["VAR"]), redis_url=server.url)
    finally:
        server.kill()
