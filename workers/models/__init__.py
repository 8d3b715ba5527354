"""The fleet: workers, what happened to them, what was asked of them, what they used, what is wrong with them, and who is told."""

from workers.models.alert import Alert, AlertQuerySet
from workers.models.alert_threshold import AlertMute, AlertThreshold
from workers.models.event import Event
from workers.models.license import DoubtfulSeat, LicenseToken
from workers.models.notification import Delivery, NotificationTarget
from workers.models.operation import Operation, OperationQuerySet
from workers.models.region import RegionCheck
from workers.models.sample import FIGURES, HistoryMark, HourlySample, Sample
from workers.models.stray import StrayInstance
from workers.models.worker import Worker, stale_after

__all__ = [
    "FIGURES",
    "Alert",
    "AlertMute",
    "AlertQuerySet",
    "AlertThreshold",
    "Delivery",
    "DoubtfulSeat",
    "Event",
    "HistoryMark",
    "HourlySample",
    "LicenseToken",
    "NotificationTarget",
    "Operation",
    "OperationQuerySet",
    "RegionCheck",
    "Sample",
    "StrayInstance",
    "Worker",
    "stale_after",
]
