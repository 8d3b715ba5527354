"""Fan-out within a process: nothing is lost, the newest wins, and a page that does not read cannot fill the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cmlmanager.live import hub as hub_module
from cmlmanager.live.hub import MAX_PENDING, Hub, Listener
from cmlmanager.live.messages import Message, reread


def row(number: int, version: int = 0) -> Message:
    return Message(channel=f"row.{number}", type=f"row.{number}", data=f"<tr>{version}</tr>")


def everything(listener: Listener) -> bytes:
    taken = b""
    while piece := listener.take():
        taken += piece
    return taken


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_a_thousand_listeners_get_each_of_a_thousand_messages() -> None:
    hub = Hub()
    listeners = [Listener(f"row.{number}" for number in range(1_000)) for _ in range(1_000)]
    for listener in listeners:
        hub.subscribe(listener)
    places = hub.deliver(row(number) for number in range(1_000))
    assert places == 1_000_000
    assert {everything(listener).count(b"event: row.") for listener in listeners} == {1_000}
    assert hub.counters.delivered == 1_000_000
    assert hub.counters.dropped == hub.counters.coalesced == 0


def test_listeners_share_the_bytes_of_a_message() -> None:
    hub = Hub()
    first, second = Listener(["row.1"]), Listener(["row.1"])
    hub.subscribe(first)
    hub.subscribe(second)
    hub.deliver([row(1)])
    assert first.take() is second.take()


def test_a_waiting_fragment_is_replaced_by_a_newer_one_that_takes_its_place_at_the_end() -> None:
    hub = Hub()
    listener = Listener(["row.1", "row.2"])
    hub.subscribe(listener)
    hub.deliver([row(1, 1), row(2, 1), row(1, 2)])
    assert everything(listener) == row(2, 1).encode() + row(1, 2).encode()
    assert hub.counters.coalesced == 1


def test_a_page_that_does_not_read_is_told_to_read_again_instead_of_filling_the_memory() -> None:
    hub = Hub()
    listener = Listener(f"row.{number}" for number in range(MAX_PENDING + 10))
    hub.subscribe(listener)
    hub.deliver(row(number) for number in range(MAX_PENDING + 10))
    text = everything(listener)
    assert text.startswith(reread().encode())
    assert text.count(b"event: row.") == 10
    assert hub.counters.dropped == MAX_PENDING


def test_a_listener_hears_its_own_channels_and_the_live_channel_only() -> None:
    hub = Hub()
    listener = Listener(["row.1"])
    hub.subscribe(listener)
    hub.deliver([row(2), Message(channel="live", type="heartbeat", data="{}")])
    assert everything(listener) == b"event: heartbeat\ndata: {}\n\n"


def test_a_new_page_gets_what_was_said_while_it_was_on_its_way() -> None:
    hub = Hub()
    hub.deliver([row(1, 1), row(1, 2), row(2, 1), reread()])
    listener = Listener(["row.1"])
    hub.subscribe(listener)
    assert everything(listener) == row(1, 2).encode()


def test_what_is_old_is_not_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    hub.deliver([row(1)])
    monkeypatch.setattr(hub_module, "RECENT_SECONDS", -1.0)
    listener = Listener(["row.1"])
    hub.subscribe(listener)
    assert everything(listener) == b""
    hub.forget_old()
    monkeypatch.undo()
    hub.subscribe(listener)
    assert everything(listener) == b""


def test_nobody_is_left_in_the_hub_after_unsubscribing() -> None:
    hub = Hub()
    listener = Listener(["row.1"])
    hub.subscribe(listener)
    hub.unsubscribe(listener)
    hub.unsubscribe(listener)
    assert hub.deliver([row(1)]) == 0
    assert not hub.listeners
    assert not hub._by_channel


def test_waiting_ends_with_the_next_message_and_with_the_end() -> None:
    async def work() -> None:
        listener = Listener(["row.1"])
        for wake in (lambda: listener.push(("a",), b"x"), lambda: listener.end(b"bye")):
            waiting = asyncio.create_task(listener.wait())
            await asyncio.sleep(0)
            assert not waiting.done()
            wake()
            await asyncio.wait_for(waiting, 1)
            listener.take()
        listener.end(b"later")
        assert listener.farewell == b"bye"

    run(work)
