"""The portal's own checks, a module for each thing that it stands on. Importing them registers them, in the page's order."""

from cmlmanager.system.checks import (  # noqa: F401, I001  (the order is the page's)
    database,
    redis,
    disk,
    documents,
    workers,
    beat,
    timetable,
    queue,
    aws,
    keycloak,
    collector,
    notifications,
    certificates,
)
