"""Which channels a request asks for, and who may read them."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django_eventstream.channelmanager import ChannelManagerBase

from cmlmanager.live.facts import EVERYTHING
from cmlmanager.live.messages import LIVE

# A table page asks for its own channel and one for each row that it shows.
MAX_CHANNELS = 250
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}(?:\.[A-Za-z0-9_-]{1,64}){0,3}")


class InvalidChannelsError(ValueError):
    """The names asked for cannot be channels; the message says which, or how many are allowed."""


class PermissionChannelManager(ChannelManagerBase):
    """Channels by Django permission, from settings.LIVE_CHANNELS: name before the first dot → `app_label.codename`."""

    def get_channels_for_request(self, request: HttpRequest, view_kwargs: dict[str, Any]) -> set[str]:
        """The repeated `channel` query parameter; `events=1` is short for `channel=events`.

        Raises InvalidChannelsError for more than 250 names or an odd one, and for pages' and JSON events' channels in one stream.
        """
        names = set(request.GET.getlist("channel"))
        if request.GET.get("events", "") not in {"", "0"}:
            names.add(EVERYTHING)
        if len(names) > MAX_CHANNELS:
            raise InvalidChannelsError(f"{len(names)} channels were asked for; at most {MAX_CHANNELS} fit in one stream.")
        for name in names:
            if not _NAME.fullmatch(name):
                raise InvalidChannelsError(f"{name[:80]!r} is not the name of a channel.")
        if len({is_of_events(name) for name in names}) > 1:
            raise InvalidChannelsError("Channels of JSON events and channels of pages cannot be mixed; open a stream for each.")
        return names

    # Never `async def`: the library would take the coroutine for a yes.
    def can_read_channel(self, user: Any, channel: str) -> bool:
        """Whether `user` (None or anonymous when signed out) may read `channel` now. Queries the person's permissions once.

        `live` carries no facts, only heartbeats, and is open to everybody who may read some channel.
        """
        if user is None or not user.is_authenticated or not user.is_active:
            return False
        if channel == LIVE:
            return any(user.has_perm(permission) for permission in settings.LIVE_CHANNELS.values())
        if is_of_events(channel):
            return _may_read_events(user, channel)
        permission = settings.LIVE_CHANNELS.get(channel.partition(".")[0])
        return permission is not None and user.has_perm(permission)

    def is_channel_reliable(self, channel: str) -> bool:
        """Whether the channel is replayed by id: those of JSON events. Pages read again after a gap."""
        return is_of_events(channel)


def is_of_events(channel: str) -> bool:
    """Whether it carries JSON events."""
    return channel.partition(".")[0] == EVERYTHING


def _may_read_events(user: Any, channel: str) -> bool:
    """`events` and `events.worker.<id>` carry labs as well: they need every permission that one of their events needs."""
    topic = channel.partition(".")[2].partition(".")[0]
    needed = settings.LIVE_EVENTS.get(topic)
    return needed is not None and user.has_perms(needed)
