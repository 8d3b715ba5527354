"""JSON events end to end: a real web process and a real Redis, clients that come back, read slowly, or stay too long away."""

from __future__ import annotations

import json

import httpx
import pytest
from django.utils import timezone

from cmlmanager.live.facts import EVENTS_KEY, Fact, fact
from cmlmanager.live.log import RING
from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import Publisher
from tests.live.portal import Portal, Stream, until
from tests.redis_server import RedisServer


def moved(worker: int, n: int, size: int = 0) -> Fact:
    """The nth event of a worker."""
    topics = ["workers", f"worker.{worker}"]
    return fact("worker.status.updated", at=timezone.now(), topics=topics, worker={"id": worker}, n=n, filling="x" * size)


def heard(stream: Stream) -> list[tuple[int, int]]:
    """(worker, n) of what came, in order."""
    return [(d["worker"]["id"], d["n"]) for d in map(json.loads, stream.data("worker.status.updated"))]


def reasons(stream: Stream) -> list[str]:
    return [json.loads(data)["reason"] for data in stream.data("reset")]


@pytest.fixture
def publisher(valkey: RedisServer) -> Publisher:
    return Publisher(valkey.url)


@pytest.fixture
def viewer(sessions: dict[str, str]) -> str:
    return sessions["viewer"]


# ── Who hears what ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_event_comes_once_with_an_id_on_the_channels_that_it_concerns(
    portal: Portal, viewer: str, publisher: Publisher
) -> None:
    every, one, other = (
        portal.stream(viewer, *channels).read_hello()
        for channels in (("events",), ("events.worker.1", "events.workers"), ("events.worker.2",))
    )
    assert every.last_id == one.last_id == other.last_id != ""
    ids = [every.last_id]
    for n in range(3):
        publisher.publish([moved(1, n)])
        every.read(lambda s, n=n: (1, n) in heard(s), f"event {n}")
        ids.append(every.last_id)
    publisher.publish([moved(2, 3)])
    for stream in (every, one, other):
        stream.read(lambda s: (2, 3) in heard(s), "the last event")
    assert heard(every) == heard(one) == [(1, 0), (1, 1), (1, 2), (2, 3)]
    assert heard(other) == [(2, 3)]
    assert len(set(ids)) == 4
    payload = json.loads(every.data("worker.status.updated")[0])
    assert payload["type"] == "worker.status.updated"
    assert set(payload) >= {"uid", "at"}
    for stream in (every, one, other):
        stream.close()


def test_events_1_is_short_for_the_channel_of_all(portal: Portal, viewer: str) -> None:
    assert portal.get(viewer, "?events=1").status_code == 200


def test_events_and_fragments_are_not_mixed_in_one_stream(portal: Portal, viewer: str) -> None:
    answer = portal.get(viewer, "?events=1&channel=fleet")
    assert answer.status_code == 400
    assert "cannot be mixed" in answer.json()["detail"]


def test_pages_get_no_events_and_clients_no_fragments(portal: Portal, viewer: str, publisher: Publisher) -> None:
    page, client = portal.stream(viewer, "fleet").read_hello(), portal.stream(viewer, "events").read_hello()
    publisher.publish([moved(1, 0), Message(channel="fleet", type="fleet.counts", data="<b>1</b>"), moved(1, 1)])
    page.read(lambda s: "fleet.counts" in s.types(), "the fragment")
    client.read(lambda s: (1, 1) in heard(s), "the event")
    assert "worker.status.updated" not in page.types()
    assert "fleet.counts" not in client.types()
    page.close()
    client.close()


HALF = """
from django.contrib.auth.models import Permission
from accounts.models import User
User.objects.get(username="half").user_permissions.add(Permission.objects.get(codename="view_worker"))
"""


def test_channels_need_every_permission_that_their_events_need(portal: Portal, sessions: dict[str, str]) -> None:
    assert portal.get(sessions["nobody"], "?events=1").status_code == 403
    portal.run(HALF)
    got = {
        name: portal.get(sessions["half"], f"?channel={name}").status_code
        for name in (
            "events.workers",
            "events.alerts",
            "events.operations",
            "events",
            "events.worker.1",
            "events.labs",
            "events.lab.1",
        )
    }
    assert got == {
        "events.workers": 200,
        "events.alerts": 200,
        "events.operations": 200,
        "events": 403,
        "events.worker.1": 403,
        "events.labs": 403,
        "events.lab.1": 403,
    }
    assert portal.get(sessions["viewer"], "?channel=events.secrets").status_code == 403


# ── Who comes back ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_three_forced_disconnects_lose_and_repeat_nothing_of_1500_events(
    portal: Portal, viewer: str, publisher: Publisher
) -> None:
    got: list[tuple[int, int]] = []
    last_id = portal.stream(viewer, "events").read_hello().last_id
    for turn in range(3):
        publisher.publish(moved(turn, n) for n in range(250))
        stream = portal.stream(viewer, "events", last_id=last_id)
        publisher.publish(moved(turn, n) for n in range(250, 400))
        # Cut off in the middle, with events unread.
        stream.read(lambda s: len(heard(s)) >= 100, "a part of it")
        stream.close()
        got += heard(stream)
        last_id = stream.last_id
        publisher.publish(moved(turn, n) for n in range(400, 500))
    stream = portal.stream(viewer, "events", last_id=last_id)
    stream.read(lambda s: (2, 499) in heard(s), "the last of all")
    got += heard(stream)
    assert got == [(turn, n) for turn in range(3) for n in range(500)]
    assert "reset" not in stream.types()
    stream.close()


def test_the_id_may_be_in_the_address(portal: Portal, viewer: str, publisher: Publisher) -> None:
    first = portal.stream(viewer, "events").read_hello()
    first.close()
    publisher.publish(moved(7, n) for n in range(5))
    lines: list[str] = []
    address = f"{portal.url}/api/events/stream?channel=events.worker.7&after={first.last_id}"
    with httpx.stream("GET", address, headers={"Cookie": f"cmlmanager_session={viewer}"}, timeout=10) as answer:
        for line in answer.iter_lines():
            lines += [line] if line.startswith("data: {") and '"n":' in line else []
            if len(lines) == 5:
                break
    assert [json.loads(line.removeprefix("data: "))["n"] for line in lines] == list(range(5))


def test_a_restarted_web_process_replays_what_came_while_there_was_none(
    portal: Portal, viewer: str, publisher: Publisher
) -> None:
    before = portal.stream(viewer, "events").read_hello()
    publisher.publish([moved(1, 0)])
    before.read(lambda s: heard(s) == [(1, 0)], "an event before")
    portal.kill()
    publisher.publish(moved(1, n) for n in range(1, 1_001))
    portal.start()
    after = portal.stream(viewer, "events", last_id=before.last_id)
    after.read(lambda s: (1, 1_000) in heard(s), "the last event")
    assert heard(after) == [(1, n) for n in range(1, 1_001)]
    assert "reset" not in after.types()
    after.close()


@pytest.mark.parametrize("last_id", ["nonsense", "0123456789abcdef-1-0", "fleet:17"])
def test_an_id_that_means_nothing_is_answered_with_a_reset_and_then_events_go_on(
    portal: Portal, viewer: str, publisher: Publisher, last_id: str
) -> None:
    stream = portal.stream(viewer, "events", last_id=last_id)
    stream.read(lambda s: reasons(s) == ["unknown"], "the reset")
    publisher.publish([moved(1, 1)])
    stream.read(lambda s: heard(s) == [(1, 1)], "an event after it")
    stream.close()


def test_an_id_of_the_future_is_answered_with_a_reset(portal: Portal, viewer: str) -> None:
    epoch = portal.stream(viewer, "events").read_hello().last_id.split("-")[0]
    stream = portal.stream(viewer, "events", last_id=f"{epoch}-99999999999999-0")
    stream.read(lambda s: reasons(s) == ["unknown"], "the reset")
    stream.close()


def test_who_missed_more_than_is_kept_is_told_so_and_nobody_else(
    portal: Portal, viewer: str, publisher: Publisher, valkey: RedisServer
) -> None:
    early, late = portal.stream(viewer, "events").read_hello(), portal.stream(viewer, "events").read_hello()
    publisher.publish([moved(1, 0)])
    early.read(lambda s: heard(s) == [(1, 0)], "an event")
    early.close()
    # More than the process has in memory, so that it has to look what Redis keeps.
    for start in range(1, 2 * RING + 1_001, 500):
        publisher.publish(moved(1, n) for n in range(start, start + 500))
        late.read(lambda s, n=start + 499: (1, n) in heard(s), f"event {start + 499}")
    with valkey.client() as client:
        client.xtrim(EVENTS_KEY, maxlen=100, approximate=False)
    again = portal.stream(viewer, "events", last_id=early.last_id)
    again.read(lambda s: reasons(s) == ["expired"], "the reset")
    publisher.publish([moved(2, 0)])
    again.read(lambda s: heard(s) == [(2, 0)], "what comes after it")
    late.read(lambda s: (2, 0) in heard(s), "what comes after it")
    assert "reset" not in late.types()
    again.close()
    late.close()


# ── Bursts and slow readers ────────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_workers_change_at_once_and_a_slow_reader_gets_every_event_of_it(
    portal: Portal, viewer: str, publisher: Publisher
) -> None:
    rounds = 2 * RING // 1_000 + 2  # more than fits in the memory of the process
    slow = portal.stream(viewer, "events", buffer=4_096).read_hello()
    quick = portal.stream(viewer, "events").read_hello()
    for n in range(rounds):
        publisher.publish(moved(worker, n, size=400) for worker in range(1_000))
        quick.read(lambda s, n=n: (999, n) in heard(s)[-1:], f"the end of round {n}", 30)
    everything = [(worker, n) for n in range(rounds) for worker in range(1_000)]
    assert heard(quick) == everything
    slow.read(lambda s: len(s.events) > len(everything), "the same", 30)
    assert heard(slow) == everything
    assert "reset" not in slow.types()
    slow.close()
    quick.close()


def test_a_slow_reader_that_falls_behind_what_is_kept_is_told_to_read_again(
    portal: Portal, viewer: str, publisher: Publisher, valkey: RedisServer
) -> None:
    slow = portal.stream(viewer, "events", buffer=4_096).read_hello()
    quick = portal.stream(viewer, "events").read_hello()
    for start in range(0, 2 * RING + 1_000, 500):
        publisher.publish(moved(1, n, size=1_000) for n in range(start, start + 500))
        quick.read(lambda s, n=start + 499: (1, n) in heard(s)[-1:], f"event {start + 499}", 30)
    with valkey.client() as client:
        client.xtrim(EVENTS_KEY, maxlen=10, approximate=False)
    slow.read(lambda s: reasons(s) == ["expired"], "the reset", 30)
    publisher.publish([moved(2, 0)])
    slow.read(lambda s: heard(s)[-1] == (2, 0), "what comes after it")
    before = heard(slow)[:-1]
    assert before == [(1, n) for n in range(len(before))]  # no hole before the reset
    slow.close()
    quick.close()


# ── Redis goes away ────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_an_outage_with_its_data_lost_open_streams_and_those_that_come_back_are_reset(
    portal: Portal, viewer: str, valkey: RedisServer
) -> None:
    publisher = Publisher(valkey.url)
    stream, gone = portal.stream(viewer, "events").read_hello(), portal.stream(viewer, "events").read_hello()
    gone.close()
    valkey.kill()
    publisher.publish([moved(1, 1)])  # nobody will ever hear of it
    valkey.start()
    stream.read(lambda s: "reset" in s.types(), "the reset", 20)
    back = portal.stream(viewer, "events", last_id=gone.last_id)
    back.read(lambda s: "reset" in s.types(), "the reset", 20)

    def through() -> bool:
        publisher.publish([moved(2, 2)])
        try:
            stream.read(lambda s: (2, 2) in heard(s), "an event", 0.3)
        except AssertionError:
            return False
        return True

    until(through, "events after the outage", 20)
    back.read(lambda s: (2, 2) in heard(s), "the same")
    stream.close()
    back.close()


def test_what_could_not_be_published_leaves_a_mark_for_who_comes_back_later(
    portal: Portal, viewer: str, valkey: RedisServer
) -> None:
    publisher = Publisher(valkey.url)
    away = portal.stream(viewer, "events").read_hello()
    away.close()
    publisher._missed = True  # as after a failure
    publisher.publish([moved(1, 1)])
    back = portal.stream(viewer, "events", last_id=away.last_id)
    back.read(lambda s: heard(s) == [(1, 1)], "the event after the mark")
    assert [kind for kind in back.types() if kind != "hello"] == ["reset", "worker.status.updated"]
    assert reasons(back) == ["outage"]
    back.close()


def test_a_stream_that_comes_while_redis_is_away_waits_for_it_where_it_was(
    portal: Portal, viewer: str, publisher: Publisher, valkey: RedisServer
) -> None:
    first = portal.stream(viewer, "events").read_hello()
    publisher.publish([moved(1, 1)])
    first.read(lambda s: heard(s) == [(1, 1)], "an event")
    valkey.freeze()
    try:
        again = portal.stream(viewer, "events", last_id=first.last_id).read_hello()
    finally:
        valkey.thaw()
    publisher.publish([moved(1, 2)])
    again.read(lambda s: (1, 2) in heard(s), "the next event", 20)
    first.close()
    again.close()
