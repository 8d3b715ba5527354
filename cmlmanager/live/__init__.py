"""The live stream: the one room that knows the stream library and how news travels from a commit to every open page.

    publish() ─▶ Redis stream ─▶ one Reader a web process ─▶ Hub ─▶ Listener ─▶ /api/events/stream ─▶ page

django-eventstream gives the wire format and the channel manager. Its transport is not used: it drops the eleventh queued event,
dies silently in a Redis outage, and holds a thread and a database connection for every open page.
"""

from __future__ import annotations

from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import publish

__all__ = ["Message", "publish"]
