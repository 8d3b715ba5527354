"""Which channels a request asks for, and who may read them."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django_eventstream.channelmanager import ChannelManagerBase

from cmlmanager.live.messages import LIVE

# A table page asks for its own channel and one for each row that it shows.
MAX_CHANNELS = 250
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}(?:\.[A-Za-z0-9_-]{1,64}){0,3}")


class InvalidChannelsError(ValueError):
    """The names asked for cannot be channels; the message says which, or how many are allowed."""


class PermissionChannelManager(ChannelManagerBase):
    """Channels by Django permission, from settings.LIVE_CHANNELS: name before the first dot → `app_label.codename`."""

    def get_channels_for_request(self, request: HttpRequest, view_kwargs: dict[str, Any]) -> set[str]:
        """The repeated `channel` query parameter. Raises InvalidChannelsError for more than 250 names or an odd one."""
        names = set(request.GET.getlist("channel"))
        if len(names) > MAX_CHANNELS:
            raise InvalidChannelsError(f"{len(names)} channels were asked for; at most {MAX_CHANNELS} fit in one stream.")
        for name in names:
            if not _NAME.fullmatch(name):
                raise InvalidChannelsError(f"{name[:80]!r} is not the name of a channel.")
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
        permission = settings.LIVE_CHANNELS.get(channel.partition(".")[0])
        return permission is not None and user.has_perm(permission)

    def is_channel_reliable(self, channel: str) -> bool:
        """False: no channel is replayed by id; pages read again after a gap."""
        return False
