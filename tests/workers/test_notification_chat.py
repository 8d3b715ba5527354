"""Slack, Teams and Webex: apprise's real requests over TLS, caught by a proxy on loopback that answers as the three."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.notification_receivers import notice
from tests.tls_proxy import Services, playing
from workers.clients import notify
from workers.clients.notify.outcome import Verdict
from workers.models import Delivery, NotificationTarget
from workers.services import vault
from workers.services.notifications import post, sending

TEAMS_HOST = "prod-12.westeurope.logic.azure.com"
POWER_HOST = "default0123.4e.environment.api.powerplatform.com"
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/plantedSlackToken12345678"
BOT = "xoxb-1234-5678-plantedBotToken"
TEAMS = f"https://{TEAMS_HOST}:443/workflows/0a1b2c3d/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=plantedTeamsSig-123"
POWER = f"https://{POWER_HOST}:443/powerautomate/automations/direct/workflows/0a1b2c3d/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=plantedTeamsSig-123"
WEBEX_TOKEN = "Y2lzY29zcGFyazovL3VzL1dFQkhPT0svcGxhbnRlZFdlYmV4VG9rZW4x" * 2
WEBEX = f"https://webexapis.com/v1/webhooks/incoming/{WEBEX_TOKEN}"
HOSTS = ["hooks.slack.com", "slack.com", TEAMS_HOST, POWER_HOST, "api.ciscospark.com", "webexapis.com"]


@pytest.fixture(scope="module")
def playing_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, Path]]:
    with playing(tmp_path_factory.mktemp("services"), HOSTS) as found:
        yield found


@pytest.fixture
def services(playing_services: tuple[Services, Path], monkeypatch: pytest.MonkeyPatch) -> Services:
    found, certificate = playing_services
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, found.url)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    found.requests.clear()
    found.answers.clear()
    return found


def send(
    address: notify.ChatAddress, title: str = "CPU above 90 %", body: str = "At 97 %.\nhttps://portal.example.com/"
) -> notify.Outcome:
    return notify.send_to_chat(address, title=title, body=body, severity="critical")


def test_slack_by_an_incoming_webhook(services: Services) -> None:
    outcome = send(notify.address_of("slack", SLACK), title="a <!channel>", body="<!here> & *b*")
    [(host, path, _, body)] = services.requests
    assert outcome.verdict == Verdict.SENT
    assert (host, path) == ("hooks.slack.com:443", "/services/T1JJ3T3L2/A1BRTD4JD/plantedSlackToken12345678")
    [shown] = json.loads(body)["attachments"]
    assert (shown["title"], shown["text"]) == ("a &lt;!channel&gt;", "&lt;!here&gt; &amp; *b*")
    assert json.loads(body)["mrkdwn"] is False


def test_slack_by_a_bot_in_a_channel(services: Services) -> None:
    address = notify.address_of("slack", BOT, channel="#operations")
    services.answers += [(200, {}, b'{"ok": true}'), (200, {}, b'{"ok": false, "error": "not_in_channel"}')]
    assert send(address).verdict == Verdict.SENT
    refused = send(address)
    host, path, headers, body = services.requests[0]
    assert (host, path, headers["Authorization"]) == ("slack.com:443", "/api/chat.postMessage", f"Bearer {BOT}")
    assert json.loads(body)["channel"] == "#operations"
    assert refused.verdict == Verdict.REFUSED
    assert "not_in_channel" in refused.answer
    assert "member of it" in refused.sentence


@pytest.mark.parametrize(
    ("address", "host", "path"), [(TEAMS, TEAMS_HOST, "/workflows/"), (POWER, POWER_HOST, "/powerautomate/")]
)
def test_teams_by_a_workflow(address: str, host: str, path: str, services: Services) -> None:
    services.answers += [(202, {}, b"")]
    outcome = send(notify.address_of("teams", address), title="<at>all</at> [x](http://e)", body="<at>all</at> at 97 %")
    assert outcome.verdict == Verdict.SENT
    [(connected, asked, _, body)] = services.requests
    assert connected == f"{host}:443"
    assert asked.startswith(path)
    assert "sig=plantedTeamsSig-123" in asked
    card = json.loads(body)["attachments"][0]["content"]
    assert [block["text"] for block in card["body"]] == ["‹at›all‹/at› \\[x\\]\\(http://e\\)", "‹at›all‹/at› at 97 %"]
    assert "entities" not in card["msteams"]  # nobody was mentioned


def test_webex_by_an_incoming_webhook(services: Services) -> None:
    services.answers += [(204, {}, b"")]
    assert send(notify.address_of("webex", WEBEX)).verdict == Verdict.SENT
    [(host, path, _, body)] = services.requests
    assert host == "api.ciscospark.com:443"
    assert path.endswith(WEBEX_TOKEN)
    assert json.loads(body)["text"].splitlines() == ["CPU above 90 %", "At 97 %.", "https://portal.example.com/"]


@pytest.mark.parametrize(
    ("product", "text"),
    [("slack", SLACK), ("teams", TEAMS), ("webex", WEBEX)],
    ids=lambda value: value if len(value) < 9 else "",
)
def test_what_the_products_answer_means_the_same_as_everywhere(product: Any, text: str, services: Services) -> None:
    address = notify.address_of(product, text)
    services.answers += [
        (500, {}, b"a"),
        (429, {"Retry-After": "9"}, b"b"),
        (404, {}, b"no_team"),
        (410, {}, b""),
        (302, {"Location": "https://slack.com/"}, b""),
    ]
    outcomes = [send(address) for _ in range(5)]
    assert [one.verdict for one in outcomes] == [Verdict.LATER, Verdict.LATER, Verdict.REFUSED, Verdict.GONE, Verdict.REFUSED]
    assert outcomes[1].retry_after == 60.0
    assert outcomes[2].answer == "no_team"
    assert len(services.requests) == 5  # the redirect was not followed


def test_one_that_is_away_may_come_back(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert send(notify.address_of("slack", SLACK)) == notify.Outcome(
        verdict=Verdict.LATER, sentence="Slack could not be reached."
    )


@pytest.mark.parametrize(
    ("product", "text", "channel"),
    [
        ("slack", "https://hooks.slack.com.evil.com/services/T1/B1/x", ""),
        ("slack", "http://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/x1", ""),
        ("slack", "https://hooks.slack.com:8443/services/T1JJ3T3L2/A1BRTD4JD/x1", ""),
        ("slack", "https://user@hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/x1", ""),
        ("slack", "https://hooks.slack.com/services/T1JJ3T3L2", ""),
        ("slack", BOT, ""),
        ("slack", BOT, "#a/b"),
        ("slack", "slack://T1/B1/x", ""),
        ("teams", "https://a.powerplatform.evil.com/workflows/0a/triggers/manual/paths/invoke?sig=x", ""),
        ("teams", "https://169.254.169.254/workflows/0a/triggers/manual/paths/invoke?sig=x", ""),
        ("teams", f"https://{TEAMS_HOST}/workflows/0a1b2c3d/triggers/manual/paths/invoke", ""),
        ("teams", "https://outlook.office.com/webhook/old", ""),
        ("webex", "https://webexapis.com/v1/webhooks/incoming/short", ""),
        ("webex", SLACK, ""),
        ("webex", "", ""),
    ],
)
def test_what_is_no_address_of_the_product_is_refused_with_what_is(product: Any, text: str, channel: str) -> None:
    with pytest.raises(notify.NotAChatAddress, match=r"Paste|channel"):
        notify.address_of(product, text, channel=channel)


def test_parameters_that_would_change_how_it_is_sent_are_dropped() -> None:
    address = notify.address_of("teams", f"{TEAMS}&template=file:///etc/passwd&verify=no&redirect=yes&rto=900&:x=y")
    assert "sig=plantedTeamsSig-123" in address.text
    for word in ("template", "verify", "redirect", "rto", "%3Ax"):
        assert word not in address.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "text", "secret"),
    [("slack", SLACK, "plantedSlackToken12345678"), ("teams", TEAMS, "plantedTeamsSig-123"), ("webex", WEBEX, WEBEX_TOKEN)],
    ids=["slack", "teams", "webex"],
)
def test_a_notice_goes_the_whole_way_and_no_token_is_logged_or_kept(
    kind: str, text: str, secret: str, services: Services, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    now: datetime = timezone.now()
    fields = {"kind": kind, "name": kind, "address_encrypted": vault.encrypt(text), "created_at": now, "minimum": "info"}
    NotificationTarget.objects.create(**fields)
    services.answers += [(200, {}, b"ok"), (403, {}, f"invalid token {secret}".encode())]
    for number in (1, 2):
        post(notice(number), now=now)
    sending.send_due(now=now)

    sent, refused = Delivery.objects.order_by("id")
    assert (sent.state, refused.state, refused.status) == ("sent", "failed", 403)
    assert refused.answer == "invalid token …"
    kept = [str(row) for row in (*Delivery.objects.values(), *NotificationTarget.objects.values())]
    assert secret not in f"{caplog.text}{capfd.readouterr()}{kept}"
