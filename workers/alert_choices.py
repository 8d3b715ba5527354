"""What can be wrong with a worker, how badly, and from which lines on: alerts, their pages and their thresholds read these tables."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices

from workers.choices import Look


class AlertSeverity(TextChoices):
    """How bad it is. Sorted by the database's own order, the worst comes first."""

    CRITICAL = "critical", "Critical"
    WARNING = "warning", "Warning"

    @property
    def look(self) -> Look:
        return _SEVERITY_LOOKS[self]

    def is_worse_than(self, other: AlertSeverity) -> bool:
        return self == AlertSeverity.CRITICAL and other == AlertSeverity.WARNING


_SEVERITY_LOOKS = {
    AlertSeverity.CRITICAL: Look("bad", "exclamation-triangle", "Somebody should act now."),
    AlertSeverity.WARNING: Look("warn", "exclamation-circle", "Somebody should look at it soon."),
}


class AlertKind(TextChoices):
    """What an alert is about. A worker has at most one open alert of each."""

    MACHINE = "machine", "Machine"
    CHECKS = "checks", "Status checks"
    NOT_READY = "not_ready", "CML not ready"
    STALE = "stale", "Old knowledge"
    LICENSE = "license", "Licence"
    LICENSE_EXPIRY = "license_expiry", "Licence expiry"
    CPU = "cpu", "CPU"
    MEMORY = "memory", "Memory"
    DISK = "disk", "Disk"


class CloseReason(TextChoices):
    """Why an alert is open no more."""

    RECOVERED = "recovered", "Recovered"
    MACHINE = "machine", "Machine off or gone"
    MUTED = "muted", "Muted"
    DELETED = "deleted", "Record deleted"


class AlertChange(TextChoices):
    """What can happen to an alert; also the second half of the name of its notification."""

    OPENED = "opened", "Alert opened"
    WORSENED = "worsened", "Alert became worse"
    EASED = "eased", "Alert became milder"
    CLOSED = "closed", "Alert closed"
    ACKNOWLEDGED = "acknowledged", "Alert acknowledged"
    UNACKNOWLEDGED = "unacknowledged", "Acknowledgement taken back"


class AlertStanding(TextChoices):
    """The three tabs of the alerts page."""

    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    CLOSED = "closed", "Closed"


# ── Lines ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Lines:
    """From which figure on an alert is a warning and is critical, and for how many minutes it must have been so."""

    warning: int
    critical: int
    minutes: int = 0


@dataclass(frozen=True)
class Scale:
    """What the lines of a kind are counted in, and what is allowed. `falls`: less is worse. `holds`: minutes can be asked for."""

    unit: str
    most: int
    question: str
    falls: bool = False
    holds: bool = False


# The kinds with lines; the others are so or not.
SCALES = {
    AlertKind.CPU: Scale("%", 100, "How much of the CPUs is in use.", holds=True),
    AlertKind.MEMORY: Scale("%", 100, "How much of the memory is in use.", holds=True),
    AlertKind.DISK: Scale("%", 100, "How much of the disk is in use.", holds=True),
    AlertKind.NOT_READY: Scale("min", 1_440, "How long the machine runs without CML being ready."),
    AlertKind.STALE: Scale("min", 10_080, "How long ago EC2 or CML last answered."),
    AlertKind.LICENSE_EXPIRY: Scale("days", 365, "How soon the registration or the authorization expires.", falls=True),
}
LONGEST_HOLD = 60  # minutes: samples are looked back over three times that

BUILT_IN = {
    AlertKind.CPU: Lines(85, 95, 10),
    AlertKind.MEMORY: Lines(85, 95, 10),
    AlertKind.DISK: Lines(80, 90, 0),
    # Metal takes up to 20 minutes to come up.
    AlertKind.NOT_READY: Lines(20, 60),
    # More than three looks at CML missed.
    AlertKind.STALE: Lines(20, 60),
    # CML renews its authorization every 30 days for 90: less than 30 left means that renewals have failed.
    AlertKind.LICENSE_EXPIRY: Lines(30, 7),
}
