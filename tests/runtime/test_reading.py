"""What a setting is now: the administrator's value, else the environment's; and every reader of one asks here."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.db.utils import OperationalError
from django.test.utils import CaptureQueriesContext

from cmlmanager import runtime
from cmlmanager.runtime import reading
from cmlmanager.runtime.models import SettingValue
from cmlmanager.runtime.registry import BY_NAME, SETTINGS

ROOT = Path(__file__).resolve().parents[2]
APPS = [
    path for app in ("workers", "labs", "accounts") for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """This process has read nothing yet."""
    monkeypatch.setattr(reading, "_snapshot", reading.Snapshot({}, 0.0))


def test_the_environment_says_until_an_administrator_does(asked: None, settings: Any) -> None:
    settings.STATE_INTERVAL = 77
    assert runtime.value("STATE_INTERVAL") == 77

    SettingValue.objects.create(name="STATE_INTERVAL", value=5)
    reading.forget()

    assert runtime.value("STATE_INTERVAL") == 5


def test_the_database_is_asked_once_in_two_seconds(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic()
    monkeypatch.setattr(reading.time, "monotonic", lambda: clock)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(500):
            runtime.value("CML_INTERVAL")
    assert len([query for query in queries if "runtime_settingvalue" in query["sql"]]) == 1

    SettingValue.objects.create(name="CML_INTERVAL", value=42)  # another process did
    assert runtime.value("CML_INTERVAL") == 300
    clock += 2.01
    assert runtime.value("CML_INTERVAL") == 42


@pytest.mark.parametrize("stored", [1, 99_999, "5", True, [5], {"a": 1}])
def test_a_stored_value_that_is_none_any_more_counts_as_not_there(stored: Any, asked: None) -> None:
    SettingValue.objects.create(name="STATE_INTERVAL", value=stored)

    assert runtime.value("STATE_INTERVAL") == 60


def test_a_region_that_was_taken_away_is_not_looked_in(asked: None, settings: Any) -> None:
    SettingValue.objects.create(name="DISCOVERY_REGIONS", value=["us-west-2"])
    assert runtime.value("DISCOVERY_REGIONS") == ["us-west-2"]

    settings.AWS_REGIONS = settings.DISCOVERY_REGIONS = ["us-east-1"]
    reading.forget()

    assert runtime.value("DISCOVERY_REGIONS") == ["us-east-1"]


def test_while_the_database_is_away_the_last_word_holds(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(SettingValue.objects, "filter", away)
        assert runtime.value("STATE_INTERVAL") == 60

    SettingValue.objects.create(name="STATE_INTERVAL", value=9)
    reading.forget()
    assert runtime.value("STATE_INTERVAL") == 9

    monkeypatch.setattr(SettingValue.objects, "filter", away)
    reading.forget()
    assert runtime.value("STATE_INTERVAL") == 9


def test_a_table_that_is_not_there_spoils_nobodys_transaction(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # As between the start of a new version and its migration; on PostgreSQL an error would end the caller's transaction.
    monkeypatch.setattr(SettingValue._meta, "db_table", "not_there")

    assert runtime.value("STATE_INTERVAL") == 60
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_what_the_operator_fixed_only_the_environment_decides(asked: None, settings: Any) -> None:
    SettingValue.objects.create(name="STATE_INTERVAL", value=5)
    SettingValue.objects.create(name="CML_INTERVAL", value=50)

    settings.SETTINGS_FIXED = ["STATE_INTERVAL"]
    assert (runtime.value("STATE_INTERVAL"), runtime.value("CML_INTERVAL")) == (60, 50)
    settings.SETTINGS_FIXED = ["*"]
    assert runtime.value("CML_INTERVAL") == 300


def test_a_name_that_is_none_is_an_error(settings: Any) -> None:
    with pytest.raises(KeyError):
        runtime.value("SECRET_KEY")
    settings.SETTINGS_FIXED = ["STATE_INTERVALL"]
    assert "cmlmanager.E024" in {message.id for message in run_checks()}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_is_read_is_documented_and_begins_with_a_value_that_is_one(setting: Any) -> None:
    readers = [path for path in APPS if re.search(rf'runtime\.value\(["\']{setting.name}["\']\)', path.read_text())]
    assert readers or setting.name in {"STATE_INTERVAL", "METRICS_INTERVAL"}, "a dead setting"
    assert f"#{setting.name}=" in (ROOT / ".env.example").read_text()
    assert setting.clean(setting.default) == setting.default
    assert setting.explanation.endswith(".")
    assert not re.search("KEY|SECRET|PASSWORD|TOKEN", setting.name)


def test_nobody_reads_one_past_the_settings_page() -> None:
    direct = re.compile(rf"\bsettings\.({'|'.join(BY_NAME)})\b")

    assert {str(path): found for path in APPS if (found := direct.findall(path.read_text()))} == {}
