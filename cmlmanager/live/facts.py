"""What API clients hear: JSON events, each with an id, kept for a while so that a client that comes back gets what it missed."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from cmlmanager.live.messages import encode_event

EVENTS_KEY = "cmlmanager:events"
# The name before the first dot of every channel of JSON events; alone: all of them.
EVERYTHING = "events"
RESET = "reset"
# A gap is everybody's, whatever they listen to.
_EVERYBODY = "*"
_ID = re.compile(r"([0-9a-f]{16})-(\d{1,15})-(\d{1,15})")

# Milliseconds and a number, as Redis gives them to the entries of a stream.
Place = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One event. `topics`: the channels that it is heard on; `data`: one JSON object, as text without line ends."""

    type: str
    topics: frozenset[str]
    data: str

    def fields(self) -> dict[str, str]:
        """The fields of its Redis stream entry."""
        return {"type": self.type, "topics": " ".join(sorted(self.topics)), "data": self.data}

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> Fact:
        """The reverse of `fields`. Raises KeyError when one is missing, as in an entry that somebody else wrote."""
        kind, topics, data = (fields[name].decode("utf-8", "replace") for name in (b"type", b"topics", b"data"))
        return cls(type=kind, topics=frozenset(topics.split()), data=data)

    def concerns(self, channels: frozenset[str]) -> bool:
        """Whether somebody who listens to `channels` hears it."""
        return _EVERYBODY in self.topics or not self.topics.isdisjoint(channels)

    def encode(self, event_id: str) -> bytes:
        """The event as `text/event-stream` bytes."""
        return f"id: {event_id}\n".encode() + encode_event(self.type, self.data)


def fact(kind: str, *, at: datetime, topics: Iterable[str], **payload: Any) -> Fact:
    """An event of type `kind` that happened at `at` (aware).

    `topics` are what it is about, such as "workers" or "worker.<id>": it is heard on `events.<topic>`, and on `events` like all.
    The payload gets a `uid`: should the same event ever arrive twice, it has the same one.
    """
    data = {"uid": uuid.uuid4().hex, "type": kind, "at": at, **payload}
    channels = frozenset({EVERYTHING, *(f"{EVERYTHING}.{topic}" for topic in topics)})
    return Fact(type=kind, topics=channels, data=json.dumps(data, cls=DjangoJSONEncoder, separators=(",", ":")))


REASONS = {
    "outage": "Some events may not have been kept, because Redis was away.",
    "expired": "What you missed is older than what is kept, or you read more slowly than events come.",
    "lost": "The events that were kept are lost.",
    "unknown": "The id that you came with is none of the events that are kept.",
}


def reset_data(reason: str) -> str:
    """The payload of a `reset`: why (a key of REASONS), and what to do."""
    text = f"{REASONS[reason]} Read again what you show; events go on from here."
    return json.dumps({"type": RESET, "at": timezone.now().isoformat(), "reason": reason, "text": text})


def gap() -> Fact:
    """Stands where events may be missing: everybody who reads over it is told to read again."""
    return Fact(type=RESET, topics=frozenset({_EVERYBODY}), data=reset_data("outage"))


def event_id(epoch: str, place: Place) -> str:
    """What a client sends back as Last-Event-ID; it means something in this Redis only, as long as that keeps its data."""
    return f"{epoch}-{place[0]}-{place[1]}"


def place_of(text: str, epoch: str) -> Place | None:
    """The reverse of `event_id`, or None when `text` is no id of this `epoch`."""
    found = _ID.fullmatch(text)
    return (int(found[2]), int(found[3])) if found and found[1] == epoch else None


def place_in_stream(entry_id: bytes | str) -> Place:
    """The place of a Redis stream entry's id."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number or 0)
