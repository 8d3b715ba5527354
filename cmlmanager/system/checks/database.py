"""The database: how fast it answers and takes a write, whether it is migrated, and how it is set up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from cmlmanager.system import health
from cmlmanager.system.models import CheckResult

SLOW_READ_MS = 250.0
SLOW_WRITE_MS = 2_000.0
NAME = "database"


@health.register(name=NAME, label="Database", group=health.Group.STORES, every=30)
def database(context: health.Context) -> health.Said:
    """Read, write, and look at what it says of itself."""
    watch = health.Stopwatch()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        read_ms = watch.ms
        missing = _not_migrated()
        watch = health.Stopwatch()
        with transaction.atomic():
            CheckResult.objects.filter(pk=NAME).update(label="Database")
        write_ms = watch.ms
        facts = {
            "Reads in": f"{read_ms:.1f} ms",
            "Writes in": f"{write_ms:.1f} ms",
            **_described(),
            "Migrations": "all applied",
        }
    except DatabaseError as error:
        return _refused(error, watch.ms)
    if missing:
        facts["Migrations"] = f"{len(missing)} not applied"
        return health.failing(
            f"{_many(len(missing), 'migration is', 'migrations are')} not applied: {', '.join(missing[:3])}.",
            "Run manage.py migrate with the version of the portal that runs now.",
            latency_ms=read_ms,
            facts=facts,
        )
    if connection.vendor == "sqlite" and facts["Journal"] != "wal":
        return health.warning(
            f"SQLite’s journal mode is {facts['Journal']}: readers and writers block each other.",
            "Keep the database on a local disk, where SQLite can use WAL.",
            latency_ms=read_ms,
            facts=facts,
        )
    if read_ms > SLOW_READ_MS or write_ms > SLOW_WRITE_MS:
        return health.warning(
            f"The database is slow: it read in {read_ms:.0f} ms and wrote in {write_ms:.0f} ms.",
            "Look at its disk, at long transactions, and at what else runs on its machine."
            + (" With many people or workers, use PostgreSQL." if connection.vendor == "sqlite" else ""),
            latency_ms=max(read_ms, write_ms),
            facts=facts,
        )
    return health.ok(f"{facts['Engine']} answers and takes writes.", latency_ms=read_ms, facts=facts)


def _refused(error: DatabaseError, waited_ms: float) -> health.Said:
    text = str(error).strip()
    if "locked" in text or "lock timeout" in text:
        return health.failing(
            f"The database is locked: a write waited {waited_ms / 1000:.0f} s and was refused.",
            "Find the process that holds a transaction open: a backup that copies the file, a shell, or a stuck command. End it.",
            latency_ms=waited_ms,
        )
    return health.failing(
        f"The database does not answer as it should: {text.splitlines()[0][:200] if text else type(error).__name__}.",
        "See that it runs, has disk space, and that DATABASE_URL is right.",
    )


def _not_migrated() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _described() -> dict[str, Any]:
    if connection.vendor == "sqlite":
        return _sqlite()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), pg_database_size(current_database())")
        version, size = cursor.fetchone()
        cursor.execute("SELECT count(*), current_setting('max_connections') FROM pg_stat_activity")
        used, most = cursor.fetchone()
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        lock, statement = cursor.fetchone()
    return {
        "Engine": f"PostgreSQL {str(version).split(' ')[0]}",
        "Size": size_text(size),
        "Connections": f"{used} of {most}",
        "Time-outs": f"lock {lock}, statement {statement} (0: none)",
    }


def _sqlite() -> dict[str, Any]:
    path = Path(str(connection.settings_dict["NAME"]))
    log = path.with_name(path.name + "-wal")
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()")
        version = cursor.fetchone()[0]
        cursor.execute("PRAGMA journal_mode")
        journal = cursor.fetchone()[0]
        cursor.execute("PRAGMA synchronous")
        synchronous = {0: "off", 1: "normal", 2: "full", 3: "extra"}.get(cursor.fetchone()[0], "unknown")
    timeout = settings.DATABASES["default"].get("OPTIONS", {}).get("timeout", 5)
    return {
        "Engine": f"SQLite {version}",
        "Size": f"{size_text(_size(path))}, log {size_text(_size(log))}",
        "Journal": journal,
        "Synchronous": synchronous,
        "A write waits": f"at most {timeout} s",
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def size_text(size: float) -> str:
    """ "12.4 MiB", from bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _many(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"
