"""The portal's settings with the patience of a test: sessions are renewed after seconds instead of minutes."""

from tests.live.server_settings import *  # noqa: F403

OIDC_RENEW_MINUTES = 0.05
