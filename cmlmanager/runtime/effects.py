"""What a change moves besides itself. Due times of refreshes need nothing here: each tick pulls forward what lies beyond the interval."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cmlmanager.runtime.reading import FRESH
from labs.services.versions import nightly
from workers.services import discovery

# Other processes have the new value by then: a look before that would still be the old one's.
SOON = timedelta(seconds=2 * FRESH)
_QUESTION = {"DISCOVERY", "DISCOVERY_AMI_NAME", "DISCOVERY_TAG", "DISCOVERY_REGIONS"}
_NIGHT = {"LABS_NIGHTLY_HOUR", "LABS_NIGHTLY_MINUTES"}


def take_effect(changed: Mapping[str, Any], then: Mapping[str, Any], *, now: datetime) -> None:
    """Inside the transaction of the change: `changed` are the new values, `then` is what every setting is now."""
    if _QUESTION & changed.keys():
        discovery.look_again(at=now + SOON)
    if _NIGHT & changed.keys():
        nightly.plan_anew(hour=then["LABS_NIGHTLY_HOUR"], minutes=then["LABS_NIGHTLY_MINUTES"], now=now)
