"""Notices to people and programs outside the portal: `post` writes to the outbox, `sending` empties it."""

from workers.services.notifications.notice import Notice
from workers.services.notifications.outbox import post, post_all

__all__ = ["Notice", "post", "post_all"]
