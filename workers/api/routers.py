"""Every router of the fleet. Addresses with a word in them come before those with an id."""

from workers.api import batches, connection, creation, fleet, importing, life, operations, tags, usage

ROUTERS = (
    fleet.router,
    usage.router,
    creation.router,
    importing.router,
    life.router,
    tags.router,
    connection.router,
    batches.router,
    operations.router,
)
