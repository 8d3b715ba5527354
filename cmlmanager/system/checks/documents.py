"""The documents store. Its own app registers a check of this name when there is one; until then it is off."""

from __future__ import annotations

from cmlmanager.system import health


@health.register(name="documents", label="Documents store", group=health.Group.STORES, every=300)
def documents(context: health.Context) -> health.Said:
    """Off."""
    return health.off("There is none: raw answers are not archived.")
