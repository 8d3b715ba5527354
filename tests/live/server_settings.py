"""The portal's settings with the patience of a test."""

from cmlmanager.settings import *  # noqa: F403

LIVE_RECHECK_SECONDS = 0.5
LIVE_MAX_STREAMS_PER_SESSION = 250
