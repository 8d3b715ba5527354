"""Free space where the portal keeps its files and, with SQLite, its database: on the machine of the Celery worker that looks."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from django.conf import settings
from django.db import connection

from cmlmanager.system import health
from cmlmanager.system.checks.database import size_text


def folders() -> list[Path]:
    """Where space matters."""
    found = [Path(settings.VAR)]
    if connection.vendor == "sqlite":
        found.append(Path(str(connection.settings_dict["NAME"])).parent)
    return list(dict.fromkeys(found))


@health.register(name="disk", label="Disk", group=health.Group.STORES, every=60)
def disk(context: health.Context) -> health.Said:
    """The folder with the least room decides."""
    facts: dict[str, str] = {"Machine": socket.gethostname()}
    worst, share = None, 100.0
    for folder in folders():
        try:
            usage = shutil.disk_usage(folder)
        except OSError as error:
            return health.failing(
                f"{folder} cannot be looked at: {error.strerror}.", "See that the folder exists and is readable."
            )
        free = 100 * usage.free / usage.total if usage.total else 0.0
        facts[str(folder)] = f"{size_text(usage.free)} of {size_text(usage.total)} free"
        if worst is None or free < share:
            worst, share = folder, free
    sentence = f"{share:.0f} % of the disk with {worst} is free."
    advice = "Make room or enlarge the disk: with none left the database takes no writes."
    if share < settings.DISK_FREE_FAILING:
        return health.failing(sentence, advice, facts=facts)
    if share < settings.DISK_FREE_WARNING:
        return health.warning(sentence, advice, facts=facts)
    return health.ok(sentence, facts=facts)
