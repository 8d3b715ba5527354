"""Every router of the fleet."""

from workers.api import fleet, life, operations

ROUTERS = (fleet.router, life.router, operations.router)
