"""What travels: a message, its form in the Redis stream and its form on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from django_eventstream.utils import sse_encode_event

# Every open stream hears this channel: heartbeats, and the order to read the page again.
LIVE = "live"
HEARTBEAT = "heartbeat"
REREAD = "reread"
STREAM_ERROR = "stream-error"
# To one page: what its person may do has changed, though they may still see it.
POWERS = "powers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One piece of news.

    channel: who hears it, `name` or `name.id`; the part before the first dot decides the permission (settings.LIVE_CHANNELS).
    type: the event's name in the browser (`sse-swap="…"`).
    data: ready text: an HTML fragment, or JSON.
    """

    channel: str
    type: str
    data: str

    @property
    def key(self) -> tuple[str, ...]:
        """Messages with the same key replace each other while they wait for a slow reader.

        A fragment is the whole truth about its place, and so is what the live channel says, so the newest is enough. Two JSON
        events of one type may speak of different things: only equal ones are one.
        """
        if self.channel == LIVE or self.data.lstrip()[:1] == "<":
            return (self.channel, self.type)
        return (self.channel, self.type, self.data)

    def encode(self) -> bytes:
        """The event as `text/event-stream` bytes, as django-eventstream writes it."""
        return encode_event(self.type, self.data)

    def fields(self) -> dict[str, str]:
        """The fields of its Redis stream entry."""
        return {"channel": self.channel, "type": self.type, "data": self.data}

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> Message:
        """The reverse of `fields`. Raises KeyError when one is missing, as in an entry that somebody else wrote."""
        channel, kind, data = (fields[name].decode("utf-8", "replace") for name in (b"channel", b"type", b"data"))
        return cls(channel=channel, type=kind, data=data)


def encode_event(event_type: str, data: str) -> bytes:
    """`data` as one server-sent event. Line ends of any kind become `data:` lines; lone surrogates become question marks."""
    wire: str = sse_encode_event(event_type, data)
    return wire.encode("utf-8", "replace")


def reread() -> Message:
    """Tells every page that something may have been missed and that it should ask the server again."""
    return Message(channel=LIVE, type=REREAD, data="{}")


def stream_error(condition: str, text: str) -> bytes:
    """The last event of a stream that the server ends: `condition` for the script, `text` for the person."""
    return encode_event(STREAM_ERROR, json.dumps({"condition": condition, "text": text}))
