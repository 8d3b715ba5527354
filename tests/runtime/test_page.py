"""The settings page: what it shows, what it refuses, and what the audit says."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from cmlmanager import runtime
from cmlmanager.runtime.models import SettingValue
from cmlmanager.runtime.registry import SETTINGS
from tests.conftest import signed_in
from tests.runtime.saving import filled, save
from workers.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(ada: User) -> Client:
    return signed_in(ada)


def page(browser: Client) -> str:
    answer = browser.get("/settings/")
    assert answer.status_code == 200
    return answer.content.decode()


def audit() -> list[tuple[str, str, str]]:
    return [(event.before, event.after, event.detail) for event in Event.objects.filter(kind="setting").order_by("id")]


def test_every_setting_is_shown_with_its_words_its_default_and_its_variable(browser: Client) -> None:
    text = page(browser)

    for setting in SETTINGS:
        assert setting.label in text or setting.name == "PROVISIONING"
        assert f'<code class="setting-variable">{setting.name}</code>' in text
    assert "Default: 60 s" in text
    assert "Changed by" not in text
    assert "Back to the default" not in text


def test_a_change_holds_at_once_and_says_who_what_and_from_where(browser: Client, ada: User) -> None:
    answer = save(browser, "reading", STATE_INTERVAL="5")

    assert (answer.status_code, answer["Location"]) == (302, "/settings/#reading")
    assert runtime.value("STATE_INTERVAL") == 5
    assert audit() == [("60 s", "5 s", "STATE_INTERVAL: Machine states")]
    event = Event.objects.get(kind="setting")
    assert (event.actor, event.actor_kind, event.from_address) == (ada, "person", "192.0.2.7")
    text = page(browser)
    assert "Machine states: 5 s, from the next tick." in text
    assert "Changed by ada" in text
    assert 'value="STATE_INTERVAL:1"' in text
    assert "60 s" in browser.get("/audit/?kind=setting").content.decode()


def test_back_to_the_default(browser: Client) -> None:
    save(browser, "reading", STATE_INTERVAL="5")

    assert browser.post("/settings/default/", {"setting": "STATE_INTERVAL:1"}).status_code == 302

    assert runtime.value("STATE_INTERVAL") == 60
    assert audit()[-1] == ("5 s", "60 s (default)", "STATE_INTERVAL: Machine states")
    text = page(browser)
    assert "Set back by ada" in text
    assert 'value="STATE_INTERVAL:' not in text


def test_saving_what_is_there_changes_nothing_and_leaves_no_line(browser: Client) -> None:
    answer = browser.post("/settings/reading/", filled("reading"), follow=True)

    assert "Nothing was changed." in answer.content.decode()
    assert audit() == []
    assert not SettingValue.objects.filter(value__isnull=False).exists()


@pytest.mark.parametrize(
    ("group", "entered", "sentence"),
    [
        ("reading", {"STATE_INTERVAL": "1"}, "From 2 to 3,600 s."),
        ("reading", {"STATE_INTERVAL": "often"}, "A whole number."),
        ("reading", {"STATE_INTERVAL": ""}, "From 2 to 3,600."),
        ("retention", {"SAMPLE_HOURLY_DAYS": "40", "SAMPLE_DAYS": "41"}, "at least as long as the readings: 41 days."),
        ("retention", {"SAMPLE_DAYS": "400", "SAMPLE_HOURLY_DAYS": "399"}, "at least as long as the readings"),
        ("retention", {"LAB_VERSION_DAYS": "800"}, "at least as long as older ones: 800 days."),
        ("discovery", {"DISCOVERY": "on"}, "Give a pattern of AMI names or a tag first"),
        ("discovery", {"DISCOVERY_AMI_NAME": "***"}, "nearly every AMI"),
        ("discovery", {"DISCOVERY_TAG": "=x"}, "Give a tag as key or key=value."),
        ("discovery", {"DISCOVERY_REGIONS": ["mars-1"]}, "mars-1"),
        ("nightly", {"LABS_NIGHTLY_HOUR": "24"}, "From 0 to 23"),
    ],
)
def test_what_cannot_be_is_refused_beside_the_field(
    group: str, entered: dict[str, Any], sentence: str, browser: Client
) -> None:
    answer = save(browser, group, **entered)

    assert answer.status_code == 422
    text = answer.content.decode()
    assert sentence in text
    assert "Nothing was saved" in text
    assert "sse-connect" not in text.partition('id="settings"')[2].partition(">")[0], "errors would be read away"
    assert audit() == []


def test_several_at_once_are_all_or_nothing(browser: Client) -> None:
    assert save(browser, "retention", SAMPLE_DAYS="10", ALERT_DAYS="0").status_code == 422
    assert runtime.value("SAMPLE_DAYS") == 7

    assert save(browser, "retention", SAMPLE_DAYS="10", ALERT_DAYS="30").status_code == 302
    assert (runtime.value("SAMPLE_DAYS"), runtime.value("ALERT_DAYS")) == (10, 30)
    assert len(audit()) == 2


def test_a_switch_goes_off_and_on(browser: Client) -> None:
    save(browser, "nightly", LABS_NIGHTLY=None)
    assert runtime.value("LABS_NIGHTLY") is False

    save(browser, "nightly", LABS_NIGHTLY="on")
    assert runtime.value("LABS_NIGHTLY") is True
    assert [line[:2] for line in audit()] == [("on", "off"), ("off", "on")]


def test_two_who_change_different_settings_do_not_disturb_each_other(browser: Client) -> None:
    before_them = filled("reading")
    save(browser, "reading", STATE_INTERVAL="5")

    answer = browser.post("/settings/reading/", before_them | {"CML_INTERVAL": "60"})

    assert answer.status_code == 302
    assert (runtime.value("STATE_INTERVAL"), runtime.value("CML_INTERVAL")) == (5, 60)


def test_who_was_overtaken_is_told_and_replaces_it_only_knowingly(browser: Client, ada: User) -> None:
    before_them = filled("reading")
    save(browser, "reading", STATE_INTERVAL="5", LABS_INTERVAL="900")

    answer = browser.post("/settings/reading/", before_them | {"STATE_INTERVAL": "30"})

    assert answer.status_code == 422
    text = answer.content.decode()
    assert "ada changed this to 5 s a moment ago, after you had opened the page. Save again to replace it." in text
    assert runtime.value("STATE_INTERVAL") == 5
    rows = {row.standing.name: row for row in answer.context["groups"][0][1].rows()}
    assert (rows["STATE_INTERVAL"].field.value(), rows["LABS_INTERVAL"].field.value()) == ("30", 900)

    again = {row.field.html_name: row.field.value() for row in rows.values()}
    again |= {row.seen.html_name: row.seen.value() for row in rows.values()}
    assert browser.post("/settings/reading/", again).status_code == 302
    assert (runtime.value("STATE_INTERVAL"), runtime.value("LABS_INTERVAL")) == (30, 900)


def test_a_default_is_taken_back_only_of_what_was_seen(browser: Client) -> None:
    save(browser, "reading", STATE_INTERVAL="5")
    save(browser, "reading", STATE_INTERVAL="6")

    answer = browser.post("/settings/default/", {"setting": "STATE_INTERVAL:1"}, follow=True)

    assert "ada changed this to 6 s" in answer.content.decode()
    assert runtime.value("STATE_INTERVAL") == 6


@pytest.mark.parametrize(
    "words", ["", "STATE_INTERVAL", "SECRET_KEY:0", "STATE_INTERVAL:x", "STATE_INTERVAL:99999999999999999999"]
)
def test_an_odd_request_for_the_default_is_not_found(words: str, browser: Client) -> None:
    assert browser.post("/settings/default/", {"setting": words}).status_code == 404


def test_what_the_operator_fixed_shows_and_is_left_alone(browser: Client, settings: Any) -> None:
    settings.SETTINGS_FIXED = ["STATE_INTERVAL"]

    text = page(browser)
    assert "Fixed at 60 s by whoever runs the portal" in text
    assert save(browser, "reading", STATE_INTERVAL="5", CML_INTERVAL="61").status_code == 302
    assert (runtime.value("STATE_INTERVAL"), runtime.value("CML_INTERVAL")) == (60, 61)
    answer = browser.post("/settings/default/", {"setting": "STATE_INTERVAL:0"}, follow=True)
    assert "SETTINGS_FIXED" in answer.content.decode()


def test_a_value_of_the_environment_says_so(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_INTERVAL", "60")

    assert "Default: 60 s, from the environment" in page(browser)


def test_what_is_allowed_and_odd_is_said(browser: Client) -> None:
    save(browser, "reading", STATE_INTERVAL="600")

    assert "Machine states are read less often than CML servers" in page(browser)


def test_the_page_costs_the_same_however_much_was_changed(browser: Client, django_assert_max_num_queries: Any) -> None:
    page(browser)
    SettingValue.objects.bulk_create(
        SettingValue(name=s.name, value=s.default, version=1, changed_at=timezone.now(), changed_name="ada") for s in SETTINGS
    )

    with django_assert_max_num_queries(10):  # one of them is the session's row, one the header's word on the system
        page(browser)


def test_htmx_gets_the_part_that_changes(browser: Client) -> None:
    text = browser.get("/settings/", headers={"HX-Request": "true"}).content.decode()

    assert text.lstrip().startswith("<section")
    assert "/api/events/stream?channel=settings" in text
