"""Checks of what the portal keeps its data in: each planted fault has its sentence and what to do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from cmlmanager.system import health
from cmlmanager.system.checks import database as database_check
from cmlmanager.system.choices import HealthState
from tests.redis_server import RedisServer


def found(name: str, **memory: Any) -> health.Finding:
    check = health.check_named(name)
    assert check is not None
    return check.run(memory=memory)


@pytest.mark.django_db
def test_a_database_that_is_well_says_how_it_is_set_up() -> None:
    finding = found("database")

    assert (finding.state, finding.advice) == (HealthState.OK, "")
    assert finding.latency_ms is not None
    assert finding.facts["Migrations"] == "all applied"
    if connection.vendor == "sqlite":
        assert finding.facts["Journal"] == "wal"
        assert finding.facts["A write waits"] == "at most 20 s"
    else:
        assert finding.facts["Engine"].startswith("PostgreSQL")


@pytest.mark.django_db
def test_a_migration_that_was_not_applied_is_named() -> None:
    MigrationRecorder.Migration.objects.filter(app="system", name="0001_initial").delete()

    finding = found("database")

    assert finding.state == HealthState.FAILING
    assert finding.sentence == "1 migration is not applied: system.0001_initial."
    assert "manage.py migrate" in finding.advice


@contextlib.contextmanager
def write_lock(path: str) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite has one writer")
def test_a_locked_database_is_said_to_be_locked() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    try:
        with write_lock(str(connection.settings_dict["NAME"])):
            finding = found("database")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 20000")

    assert finding.state == HealthState.FAILING
    assert finding.sentence.startswith("The database is locked")
    assert "transaction open" in finding.advice


@pytest.mark.django_db
def test_a_slow_database_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_check, "SLOW_READ_MS", -1)

    assert found("database").sentence.startswith("The database is slow: it read in")


def test_redis_that_answers_tells_of_its_memory(redis_server: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis_server.url

    finding = found("redis")

    assert finding.state == HealthState.OK
    assert finding.latency_ms is not None
    assert finding.facts["Memory"].endswith("no limit")


def test_redis_that_is_nearly_full_or_throws_keys_away_is_a_warning(redis_server: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis_server.url
    with redis_server.client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "could be lost" in found("redis").sentence
        client.config_set("maxmemory", "1kb")

    assert "of its memory" in found("redis").sentence


def test_redis_away_is_failing_and_its_password_is_not_told(settings: Any) -> None:
    settings.REDIS_URL = "redis://:hunter2hunter2@127.0.0.1:9/0"

    finding = found("redis")

    assert finding.state == HealthState.FAILING
    assert finding.sentence.startswith("Redis does not answer at 127.0.0.1:9")
    assert "Nothing is lost" in finding.advice
    assert "hunter2" not in f"{finding}"


@pytest.mark.parametrize(
    ("warning", "failing", "state"), [(0, 0, HealthState.OK), (101, 0, HealthState.WARNING), (101, 101, HealthState.FAILING)]
)
def test_a_full_disk_is_said_by_the_thresholds(settings: Any, warning: int, failing: int, state: HealthState) -> None:
    settings.DISK_FREE_WARNING, settings.DISK_FREE_FAILING = warning, failing

    finding = found("disk")

    assert finding.state == state
    assert str(settings.VAR) in finding.sentence
    assert bool(finding.advice) is (state != HealthState.OK)


def test_the_documents_store_is_off_until_somebody_registers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checks", dict(health._checks))
    assert found("documents").state == HealthState.OFF

    @health.register(name="documents", label="Documents store", group=health.Group.STORES)
    def documents(context: health.Context) -> health.Said:
        return health.ok("MongoDB answers.", latency_ms=3.0)

    assert found("documents").sentence == "MongoDB answers."
    assert [check.name for check in health.checks()].count("documents") == 1


def test_a_check_that_fails_itself_is_a_finding_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checks", dict(health._checks))

    @health.register(name="broken", label="Broken", group=health.Group.STORES)
    def broken(context: health.Context) -> health.Said:
        raise ZeroDivisionError

    finding = found("broken")
    assert (finding.state, finding.sentence) == (HealthState.FAILING, "The check itself failed: ZeroDivisionError.")
