"""The fleet: workers, what happened to them, what was asked of them, and what they used."""

from workers.models.event import Event
from workers.models.license import DoubtfulSeat, LicenseToken
from workers.models.operation import Operation, OperationQuerySet
from workers.models.region import RegionCheck
from workers.models.sample import Sample
from workers.models.stray import StrayInstance
from workers.models.worker import Worker, stale_after

__all__ = [
    "DoubtfulSeat",
    "Event",
    "LicenseToken",
    "Operation",
    "OperationQuerySet",
    "RegionCheck",
    "Sample",
    "StrayInstance",
    "Worker",
    "stale_after",
]
