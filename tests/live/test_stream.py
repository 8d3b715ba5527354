"""The stream end to end: a real web process, a real Redis, a real session."""

from __future__ import annotations

import json
import signal
import socket

import pytest
from django.utils import timezone

from cmlmanager.live.facts import fact
from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import STREAM_KEY, Publisher
from tests.live.portal import Portal, Stream, until
from tests.redis_server import RedisServer


def row(name: str, version: int = 0, *, size: int = 0) -> Message:
    return Message(channel=f"row.{name}", type=f"row.{name}", data=f"<tr>{version}{'x' * size}</tr>")


@pytest.fixture
def publisher(valkey: RedisServer) -> Publisher:
    return Publisher(valkey.url)


# ── Who gets what answer ───────────────────────────────────────────────────────────────────────────────────────────


def problem(portal: Portal, session: str, query: str = "", **headers: str) -> tuple[int, str]:
    answer = portal.get(session, query, **headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert set(body) == {"type", "title", "status", "detail"}
    return answer.status_code, body["detail"]


def test_a_probe_of_somebody_who_may_listen_is_answered_without_a_stream(portal: Portal, sessions: dict[str, str]) -> None:
    answer = portal.get(sessions["viewer"], "?channel=fleet&channel=row.1")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_signed_out_people_are_refused(portal: Portal, accept: str) -> None:
    assert problem(portal, "", "?channel=fleet", accept=accept)[0] == 401
    assert problem(portal, "no-such-session", "?channel=fleet", accept=accept)[0] == 401


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_people_without_a_role_are_told_which_channel_they_may_not_read(
    portal: Portal, sessions: dict[str, str], accept: str
) -> None:
    status, detail = problem(portal, sessions["nobody"], "?channel=fleet", accept=accept)
    assert status == 403
    assert "fleet" in detail


def test_people_without_a_role_do_not_even_get_heartbeats(portal: Portal, sessions: dict[str, str]) -> None:
    assert problem(portal, sessions["nobody"])[0] == 403


def test_a_channel_that_nobody_defined_is_refused_to_everybody(portal: Portal, sessions: dict[str, str]) -> None:
    assert problem(portal, sessions["viewer"], "?channel=secrets.1")[0] == 403


@pytest.mark.parametrize(
    "query", ["?channel=Fleet", "?channel=row.%0a", "?channel=", "?" + "&".join(f"channel=row.{n}" for n in range(251))]
)
def test_odd_names_and_too_many_of_them_are_refused(portal: Portal, sessions: dict[str, str], query: str) -> None:
    assert problem(portal, sessions["viewer"], query)[0] == 400


def test_a_host_that_is_not_ours_is_refused(portal: Portal, sessions: dict[str, str]) -> None:
    assert problem(portal, sessions["viewer"], "?channel=fleet", Host="evil.example")[0] == 400


def test_only_get_is_served(portal: Portal) -> None:
    import httpx

    answer = httpx.post(f"{portal.url}/api/events/stream")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_the_rest_of_the_portal_is_served_by_django(portal: Portal) -> None:
    import httpx

    answer = httpx.get(f"{portal.url}/")
    assert answer.status_code == 302


def test_a_stream_begins_at_once_with_the_right_headers(portal: Portal, sessions: dict[str, str]) -> None:
    stream = portal.stream(sessions["viewer"], "fleet", "row.1").read_hello()
    head = stream.head.decode().lower()
    assert head.startswith("http/1.1 200")
    for line in (
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "x-content-type-options: nosniff",
        "referrer-policy: same-origin",
    ):
        assert line in head
    assert json.loads(stream.data("hello")[0])["channels"] == 2
    stream.close()


def test_one_session_cannot_take_every_place(portal: Portal, sessions: dict[str, str]) -> None:
    streams = [portal.stream(sessions["viewer"], "fleet").read_hello() for _ in range(250)]
    status, detail = problem(portal, sessions["viewer"], "?channel=fleet", accept="text/event-stream")
    assert status == 429
    assert "Close some" in detail
    for stream in streams:
        stream.close()
    until(lambda: portal.get(sessions["viewer"]).status_code == 200, "the portal still answers")


# ── What arrives ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_published_arrives_on_its_channel_only(portal: Portal, sessions: dict[str, str], publisher: Publisher) -> None:
    one = portal.stream(sessions["viewer"], "row.only-a", "fleet").read_hello()
    two = portal.stream(sessions["viewer"], "row.only-b", "fleet").read_hello()
    fragment = "<tr>\n<td>running</td>\n</tr>"
    publisher.publish([Message(channel="row.only-a", type="row.only-a", data=fragment)])
    publisher.publish([Message(channel="fleet", type="only-done", data="<i></i>")])
    for stream in (one, two):
        stream.read(lambda s: "only-done" in s.types(), "the last event")
    assert one.data("row.only-a") == [fragment]
    assert "row.only-a" not in two.types()
    one.close()
    two.close()


def test_a_burst_of_a_thousand_messages_loses_nothing(portal: Portal, sessions: dict[str, str], publisher: Publisher) -> None:
    names = [f"burst-{number}" for number in range(200)]
    stream = portal.stream(sessions["viewer"], *(f"row.{name}" for name in names)).read_hello()
    for version in range(5):
        publisher.publish(row(name, version) for name in names)
    stream.read(lambda s: all(s.data(f"row.{name}")[-1:] == ["<tr>4</tr>"] for name in names), "the newest of each row")
    assert "reread" not in stream.types()
    stream.close()


def test_a_thousand_different_facts_on_one_channel_all_arrive(
    portal: Portal, sessions: dict[str, str], publisher: Publisher
) -> None:
    stream = portal.stream(sessions["viewer"], "fleet").read_hello()
    publisher.publish(Message(channel="fleet", type="fact", data=json.dumps({"n": number})) for number in range(1_000))
    stream.read(lambda s: len(s.data("fact")) >= 1_000, "a thousand facts")
    assert [json.loads(data)["n"] for data in stream.data("fact")] == list(range(1_000))
    stream.close()


def test_a_page_that_reads_too_slowly_is_told_to_read_again(
    portal: Portal, sessions: dict[str, str], publisher: Publisher
) -> None:
    slow = portal.stream(sessions["viewer"], "fleet", buffer=4_096).read_hello()
    quick = portal.stream(sessions["viewer"], "fleet").read_hello()
    for start in range(0, 6_000, 500):
        publisher.publish(
            Message(channel="fleet", type="slow", data=json.dumps({"n": start + n, "x": "x" * 2_000})) for n in range(500)
        )
        quick.read(lambda s, n=start + 500: len(s.data("slow")) >= n, f"{start + 500} facts at the page that reads")
    assert "reread" not in quick.types()
    slow.read(lambda s: "reread" in s.types(), "the order to read again", 30)
    assert len(slow.data("slow")) < 6_000
    slow.close()
    quick.close()


def test_entries_that_somebody_else_wrote_are_passed_over(
    portal: Portal, sessions: dict[str, str], publisher: Publisher, valkey: RedisServer
) -> None:
    stream = portal.stream(sessions["viewer"], "row.odd").read_hello()
    with valkey.client() as client:
        client.xadd(STREAM_KEY, {"nonsense": "1"})
    publisher.publish([row("odd")])
    stream.read(lambda s: "row.odd" in s.types(), "the event after the odd entry")
    stream.close()


# ── Outages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def until_heard(publisher: Publisher, stream: Stream, name: str) -> None:
    """Publish until it arrives: the first ones may fall into the pause after a failure."""

    def heard() -> bool:
        publisher.publish([row(name)])
        try:
            stream.read(lambda s: f"row.{name}" in s.types(), name, 0.3)
        except AssertionError:
            return False
        return True

    until(heard, f"row.{name} after the outage", 20)


def test_streams_open_and_new_survive_a_redis_that_was_killed_and_came_back_empty(
    portal: Portal, sessions: dict[str, str], publisher: Publisher, valkey: RedisServer
) -> None:
    stream = portal.stream(sessions["viewer"], "row.back").read_hello()
    publisher.publish([row("back")])
    stream.read(lambda s: "row.back" in s.types(), "an event before")
    valkey.kill()
    during = portal.stream(sessions["viewer"], "row.back").read_hello()
    valkey.start()
    for open_stream in (stream, during):
        open_stream.events.clear()
        open_stream.read(lambda s: "reread" in s.types(), "the order to read again", 20)
    after = portal.stream(sessions["viewer"], "row.back-again").read_hello()
    until_heard(publisher, after, "back-again")
    stream.read(lambda s: "row.back" in s.types() or publisher.publish([row("back", 2)]), "an event after", 20)
    for each in (stream, during, after):
        each.close()


def test_a_redis_emptied_behind_our_back_is_noticed_by_its_new_connection(
    portal: Portal, sessions: dict[str, str], publisher: Publisher, valkey: RedisServer
) -> None:
    stream = portal.stream(sessions["viewer"], "row.epoch").read_hello()
    with valkey.client() as client:
        client.flushall()
        client.client_kill_filter(_type="normal", skipme=True)
    stream.read(lambda s: "reread" in s.types(), "the order to read again")
    until_heard(publisher, stream, "epoch")
    stream.close()


# ── Who may stay ───────────────────────────────────────────────────────────────────────────────────────────────────

LOSSES = {
    "signs-out": (
        "from django.contrib.sessions.models import Session\nSession.objects.filter(pk={session!r}).delete()",
        "signed-out",
    ),
    "deactivated": (
        "from accounts.models import User\nUser.objects.filter(username='deactivated').update(is_active=False)",
        "signed-out",
    ),
    "demoted": ("from accounts.models import User\nUser.objects.get(username='demoted').groups.clear()", "forbidden"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_who_loses_the_right_loses_the_stream(portal: Portal, sessions: dict[str, str], name: str) -> None:
    code, condition = LOSSES[name]
    leavers = [portal.stream(sessions[name], channel).read_hello() for channel in ("fleet", "events", "events.worker.1")]
    other = portal.stream(sessions["viewer"], "fleet").read_hello()
    portal.run(code.format(session=sessions[name]))
    for leaver in leavers:
        leaver.read(lambda s: s.ended, "the end of the stream", 10)
        assert json.loads(leaver.data("stream-error")[0])["condition"] == condition
    assert problem(portal, sessions[name], "?channel=fleet")[0] == (403 if condition == "forbidden" else 401)
    assert not other.ended
    assert "stream-error" not in other.types()
    other.close()


def test_while_the_database_is_away_streams_stay_for_a_moment_and_then_end_until_it_is_back(
    portal: Portal, sessions: dict[str, str]
) -> None:
    stream = portal.stream(sessions["viewer"], "fleet").read_hello()
    folder = portal.database.parent / "away"
    folder.mkdir()
    for file in portal.database.parent.glob("db.sqlite3*"):
        file.rename(folder / file.name)
    try:
        status, detail = problem(portal, sessions["viewer"], "?channel=fleet")
        assert status == 503
        assert "Try again" in detail
        assert not stream.ended
        stream.read(lambda s: s.ended, "the end of the stream", 10)
        assert json.loads(stream.data("stream-error")[0])["condition"] == "unavailable"
    finally:
        for file in portal.database.parent.glob("db.sqlite3*"):
            file.unlink()
        for file in folder.iterdir():
            file.rename(portal.database.parent / file.name)
    assert portal.get(sessions["viewer"], "?channel=fleet").status_code == 200


def test_two_hundred_pages_that_come_at_once_are_all_let_in(portal: Portal, sessions: dict[str, str]) -> None:
    streams = [portal.stream(sessions["viewer"], "fleet") for _ in range(200)]
    for stream in streams:
        stream.read_hello().close()


# ── What a stream costs ────────────────────────────────────────────────────────────────────────────────────────────


def test_five_hundred_streams_hold_no_thread_and_no_database_connection(
    portal: Portal, sessions: dict[str, str], publisher: Publisher
) -> None:
    portal.stream(sessions["viewer"], "fleet").read_hello().close()
    threads = portal.threads()
    streams = [portal.stream(sessions["viewer"], "fleet", f"row.{number}").read_hello() for number in range(250)]
    streams += [portal.stream(sessions["second"], "events", f"events.worker.{number}").read_hello() for number in range(250)]
    news = fact("all", at=timezone.now(), topics=["workers"])
    publisher.publish([Message(channel="fleet", type="all", data="<i></i>"), news])
    for stream in streams:
        stream.read(lambda s: "all" in s.types(), "an event on each")
    assert portal.threads() <= threads + 1  # the second thread of the pool that asks the database
    until(lambda: portal.database_files() <= 3, "no descriptor on the database but, at most, a page's own")
    for stream in streams:
        stream.close()


def test_the_process_ends_within_five_seconds_of_sigterm_though_pages_are_open(
    portal: Portal, sessions: dict[str, str]
) -> None:
    streams = [portal.stream(sessions["viewer"], "fleet").read_hello() for _ in range(50)]
    stuck = socket.create_connection(("127.0.0.1", portal.port))
    assert portal.stop() < 5
    assert portal.process is not None
    assert portal.process.returncode in {0, -signal.SIGTERM}
    streams[0].read(lambda s: s.ended, "the end of the stream")
    assert "Traceback" not in portal.log.read_text()
    stuck.close()
    for stream in streams:
        stream.close()
