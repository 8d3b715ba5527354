"""docs/events.md describes what the services really emit: every type and every field; nothing secret is among it. Its examples work."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from cmlmanager.live import publisher as publisher_module
from cmlmanager.live.facts import EVENTS_KEY, REASONS, fact
from cmlmanager.live.publisher import EVENTS_KEPT, Publisher
from labs import events as lab_events
from tests.live.every_event import live_one_life
from tests.live.portal import Portal
from tests.redis_server import RedisServer, redis_server
from workers.choices import ActorKind
from workers.events.facts import FIELDS

__all__ = ["redis_server"]

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text()
# Type → what is said of it, up to the next heading.
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))
Emitted = dict[str, list[dict[str, Any]]]
_FOUND: Emitted = defaultdict(list)


@pytest.fixture
def emitted(
    ada: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> Emitted:
    """Type → the payloads of it that came into Redis. One life is enough for all tests of the module."""
    if _FOUND:
        return _FOUND
    publisher_module.forget_connection()
    with override_settings(REDIS_URL=redis_server.url), django_capture_on_commit_callbacks(execute=True):
        live_one_life(ada, monkeypatch)
    publisher_module.forget_connection()
    with redis_server.client() as client:
        entries = client.xrange(EVENTS_KEY)
    for _, fields in entries:
        _FOUND[fields[b"type"].decode()].append(json.loads(fields[b"data"]))
    return _FOUND


def example(kind: str) -> dict[str, Any]:
    [code] = re.findall(r"```json\n(.*?)```", SECTIONS[kind], re.DOTALL)
    found: dict[str, Any] = json.loads(code)
    return found


def fields_said(kind: str) -> set[str]:
    """The fields that the document says a change of this type may have."""
    said = re.search(r"^`changes` may have: (.*)\.$", SECTIONS[kind], re.MULTILINE)
    return set(re.findall(r"`(\w+)`", said[1])) if said else set()


def shape(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload's keys, and those of the objects in it; which fields changed is looked at apart."""
    return {name: sorted(value) if isinstance(value, dict) and name != "changes" else None for name, value in payload.items()}


def test_the_document_describes_each_type_as_it_is_emitted(emitted: Emitted) -> None:
    assert set(SECTIONS) == set(emitted)
    for kind, payloads in emitted.items():
        shown = example(kind)
        assert shown["type"] == kind
        assert any(shape(payload) == shape(shown) for payload in payloads), kind
        for payload in payloads:
            assert set(payload) == set(shown), kind
            assert all(set(change) == {"old", "new"} for change in payload.get("changes", {}).values())
            assert all(change["old"] != change["new"] for change in payload.get("changes", {}).values())


def test_every_field_that_may_change_is_documented_and_told(emitted: Emitted) -> None:
    told = FIELDS | {lab_events.STATE_UPDATED: lab_events.STATE_FIELDS, lab_events.UPDATED: lab_events.FIGURES}
    for kind, names in told.items():
        assert fields_said(kind) == set(names), kind
        seen = {name for payload in emitted[kind] for name in payload["changes"]}
        if kind == lab_events.STATE_UPDATED:
            seen.add("nodes_running")  # the tiles of this life have no nodes
        assert seen == set(names), (kind, set(names) - seen)


def test_old_and_new_are_what_was_and_what_is(emitted: Emitted) -> None:
    moves = [p["changes"]["service_state"] for p in emitted["worker.status.updated"] if "service_state" in p["changes"]]
    assert moves == [{"old": "ready", "new": "degraded"}, {"old": "degraded", "new": "ready"}]
    severities = [p["changes"]["severity"] for kind in ("alert.worsened", "alert.eased") for p in emitted[kind]]
    assert {"old": "warning", "new": "critical"} in severities
    assert {"old": "critical", "new": "warning"} in severities
    assert [p["changes"]["state"] for p in emitted["alert.acknowledged"]] == [{"old": "open", "new": "acknowledged"}]
    assert emitted["alert.acknowledged"][0]["by"] == {"kind": "person", "name": "ada"}
    [title] = [p["changes"]["title"] for p in emitted["lab.updated"] if "title" in p["changes"] and p["at"]][:1]
    assert title == {"old": "CCNA: VLANs", "new": "CCNA: trunks"}


def test_nothing_secret_leaves(emitted: Emitted) -> None:
    everything = json.dumps(emitted)
    assert "planted" not in everything
    for name in ("password", "token", "tls_", "parameters", "result", "from_address", "192.0.2.9"):
        assert name not in everything


def test_each_event_has_an_identity_of_its_own(emitted: Emitted) -> None:
    uids = [payload["uid"] for payloads in emitted.values() for payload in payloads]
    assert len(uids) == len(set(uids))


def test_the_document_names_reasons_settings_channels_and_actors(settings: Any) -> None:
    for reason in REASONS:
        assert f"| `{reason}` |" in DOCUMENT
    for topic in filter(None, settings.LIVE_EVENTS):
        assert f"`events.{topic}" in DOCUMENT
    for kind in ActorKind.values:
        assert f"`{kind}`" in DOCUMENT
    assert f"{EVENTS_KEPT:,} events" in DOCUMENT


# ── Its examples ───────────────────────────────────────────────────────────────────────────────────────────────────


def said(n: int) -> Any:
    return fact("worker.status.updated", at=timezone.now(), topics=["workers"], n=n)


def test_the_python_example_misses_and_repeats_nothing_though_the_portal_is_killed(
    portal: Portal, sessions: dict[str, str], valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    module: dict[str, Any] = {}
    exec(code, module)
    following = module["events"](f"{portal.url}/api/events/stream?events=1", f"cmlmanager_session={sessions['viewer']}")
    assert next(following)[0] == "hello"
    publisher = Publisher(valkey.url)
    publisher.publish(said(n) for n in range(10))
    got = [next(following) for _ in range(10)]
    portal.kill()
    publisher.publish(said(n) for n in range(10, 20))
    portal.start()
    while len(got) < 20:
        event = next(following)
        got += [event] if event[0] != "hello" else []
    assert [data["n"] for _, data, _ in got] == list(range(20))
    assert len({event_id for _, _, event_id in got}) == 20
    following.close()


def test_the_curl_example_shows_events(portal: Portal, sessions: dict[str, str], valkey: RedisServer) -> None:
    [code] = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    command = code.replace("https://portal.example.com", portal.url)
    environment = {**portal.environment, "SESSION": sessions["viewer"], "no_proxy": "*"}
    curl = subprocess.Popen(["sh", "-c", f"exec {command}"], env=environment, stdout=subprocess.PIPE, text=True)
    assert curl.stdout is not None
    try:
        lines: list[str] = []
        while "event: hello\n" not in lines:
            lines.append(curl.stdout.readline())
            assert lines[-1], "curl ended"
        Publisher(valkey.url).publish([said(1)])
        while "event: worker.status.updated\n" not in lines:
            lines.append(curl.stdout.readline())
            assert lines[-1], "curl ended"
    finally:
        curl.kill()
        curl.wait()
