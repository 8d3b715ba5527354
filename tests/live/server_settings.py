"""The portal's settings with the patience of a test."""

import os

from cmlmanager.settings import *  # noqa: F403

LIVE_RECHECK_SECONDS = 0.5
LIVE_MAX_STREAMS_PER_SESSION = 250
# Sessions that end while a test looks on; without the variable they are as long as ever.
if "TEST_SESSION_IDLE_SECONDS" in os.environ:
    SESSION_IDLE_SECONDS = int(os.environ["TEST_SESSION_IDLE_SECONDS"])
    SESSION_WARNING_SECONDS = SESSION_IDLE_SECONDS // 2
