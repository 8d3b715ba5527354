"""Every state a worker can show, with its label, tone and icon: badges, filters, charts and counts read these tables and no other.

A tone is one of six: good, busy, warn, bad, off, unknown. CSS gives each a colour, the badge adds shape (the icon) and word.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices


@dataclass(frozen=True)
class Look:
    """How a state is shown. `icon` is a heroicons name (mini style); `hint` says what the state means, for a title."""

    tone: str
    icon: str
    hint: str


class MachineState(TextChoices):
    """What EC2 says, and two of ours. Source: EC2 API reference, InstanceState."""

    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    STOPPING = "stopping", "Stopping"
    STOPPED = "stopped", "Stopped"
    SHUTTING_DOWN = "shutting-down", "Shutting down"
    TERMINATED = "terminated", "Terminated"
    FAILED = "failed", "Failed"
    LOST = "lost", "Lost"

    @property
    def look(self) -> Look:
        return _MACHINE_LOOKS[self]


_MACHINE_LOOKS = {
    MachineState.PENDING: Look("busy", "arrow-path", "EC2 is starting the machine."),
    MachineState.RUNNING: Look("good", "play-circle", "The machine runs and is being paid for."),
    MachineState.STOPPING: Look("busy", "arrow-path", "EC2 is stopping the machine; metal takes up to ten minutes."),
    MachineState.STOPPED: Look("off", "stop-circle", "The machine is off; only its disk is being paid for."),
    MachineState.SHUTTING_DOWN: Look("busy", "arrow-path", "EC2 is terminating the machine."),
    MachineState.TERMINATED: Look("off", "x-circle", "The machine and its disk are gone."),
    MachineState.FAILED: Look("bad", "exclamation-triangle", "The machine could not be created."),
    MachineState.LOST: Look(
        "bad", "question-mark-circle", "EC2 no longer knows this machine, and the portal did not terminate it."
    ),
}


class ServiceState(TextChoices):
    """What CML says, as far as it can be asked."""

    UNKNOWN = "unknown", "Not asked"
    UNREACHABLE = "unreachable", "Unreachable"
    STARTING = "starting", "Starting"
    READY = "ready", "Ready"
    DEGRADED = "degraded", "Degraded"
    REFUSED = "refused", "Refused"

    @property
    def look(self) -> Look:
        return _SERVICE_LOOKS[self]


_SERVICE_LOOKS = {
    ServiceState.UNKNOWN: Look("off", "minus-circle", "The machine is not running, or CML has not been asked yet."),
    ServiceState.UNREACHABLE: Look("bad", "signal-slash", "The machine runs, but CML does not answer."),
    ServiceState.STARTING: Look("busy", "arrow-path", "CML answers, but no compute can start nodes yet."),
    ServiceState.READY: Look("good", "check-circle", "CML is ready to start nodes."),
    ServiceState.DEGRADED: Look("warn", "exclamation-triangle", "CML is ready, but reports a fault."),
    ServiceState.REFUSED: Look("bad", "lock-closed", "CML refuses the portal's password, or its certificate is not accepted."),
}


class LicenseState(TextChoices):
    """What CML says of its licence. Its own words are kept beside this."""

    UNKNOWN = "unknown", "Unknown"
    UNREGISTERED = "unregistered", "Unregistered"
    IN_PROGRESS = "in_progress", "In progress"
    REGISTERED = "registered", "Registered"
    OUT_OF_COMPLIANCE = "out_of_compliance", "Out of compliance"
    EXPIRED = "expired", "Expired"
    EVALUATION = "evaluation", "Evaluation"
    FAILED = "failed", "Failed"
    OTHER = "other", "Other"

    @property
    def look(self) -> Look:
        return _LICENSE_LOOKS[self]


_LICENSE_LOOKS = {
    LicenseState.UNKNOWN: Look("unknown", "question-mark-circle", "CML has not been asked, or did not say."),
    LicenseState.UNREGISTERED: Look("warn", "minus-circle", "This CML holds no licence: only a few nodes can start."),
    LicenseState.IN_PROGRESS: Look("busy", "arrow-path", "The registration is on its way."),
    LicenseState.REGISTERED: Look("good", "check-badge", "Registered and in compliance."),
    LicenseState.OUT_OF_COMPLIANCE: Look("bad", "exclamation-triangle", "More is in use than the account holds."),
    LicenseState.EXPIRED: Look("bad", "exclamation-triangle", "The registration or authorization has expired."),
    LicenseState.EVALUATION: Look("warn", "clock", "CML runs on its evaluation period."),
    LicenseState.FAILED: Look("bad", "x-circle", "The registration failed."),
    LicenseState.OTHER: Look(
        "unknown", "question-mark-circle", "CML uses a word that the portal does not know; it is shown as it is."
    ),
}


class AddressKind(TextChoices):
    """Which address of the instance the portal speaks to."""

    DEFAULT = "default", "As the portal's setting says"
    PUBLIC = "public", "Public address"
    PRIVATE = "private", "Private address"
    CUSTOM = "custom", "An address of its own"


class TlsPolicy(TextChoices):
    """How a worker's certificate is checked."""

    DEFAULT = "default", "As the portal's setting says"
    SYSTEM = "system", "Signed by a known authority"
    CA = "ca", "Signed by this authority"
    PINNED = "pinned", "Exactly this certificate (SHA-256)"
    OFF = "off", "Not checked"


class UsageSource(TextChoices):
    """Where a usage figure comes from."""

    CML = "cml", "CML"
    CLOUDWATCH = "cloudwatch", "CloudWatch"


class CheckResult(TextChoices):
    """What CloudWatch's StatusCheckFailed means: both checks of EC2, the machine's and the system's below it."""

    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"

    @property
    def look(self) -> Look:
        return _CHECK_LOOKS[self]


_CHECK_LOOKS = {
    CheckResult.PASSED: Look("good", "check-circle", "EC2's checks of the machine and of the system below it pass."),
    CheckResult.FAILED: Look("bad", "x-circle", "EC2 cannot reach the machine, or the system below it is at fault."),
}


class ActorKind(TextChoices):
    """Who did it."""

    PERSON = "person", "Person"
    SCHEDULE = "schedule", "Schedule"
    IDLE = "idle", "Idle detection"
    API = "api", "API"
    SYSTEM = "system", "System"
    EC2 = "ec2", "Outside the portal"
    CML = "cml", "CML"


class EventKind(TextChoices):
    """What the timeline can say. Names follow the live events of the API."""

    IMPORTED = "worker.imported", "Imported"
    STATE = "worker.state", "Machine state"
    SERVICE = "worker.service", "CML service"
    LICENSE = "worker.license", "Licence"
    ADDRESS = "worker.address", "Address"
    RENAMED = "worker.renamed", "Name"
    RESIZED = "worker.resized", "Instance type"
    TAGS = "worker.tags", "Tags"
    VERSION = "worker.version", "CML version"
    CHECKS = "worker.checks", "Status checks"
    CONNECTION = "worker.connection", "Connection settings"
    TRUST = "worker.trust", "Certificate trusted"
    GATE = "worker.gate", "Readiness"
    ROTATED = "secrets.rotated", "Secrets re-encrypted"
    REFRESH = "worker.refresh", "Refresh asked"
    CREATED = "worker.created", "Created"
    DELETED = "worker.deleted", "Record deleted"
    MONITORING = "worker.monitoring", "Detailed monitoring"
    LAB_SEEN = "lab.seen", "New lab"
    LAB_GONE = "lab.gone", "Lab gone"
    LAB_BACK = "lab.back", "Lab back"
    LAB_STATE = "lab.state", "Lab state"
    LAB_RENAMED = "lab.renamed", "Lab renamed"
    LAB_OWNER = "lab.owner", "Lab owner"
    ASKED = "operation.asked", "Asked"
    ENDED = "operation.ended", "Ended"
    ALERT_OPENED = "alert.opened", "Alert opened"
    ALERT_CHANGED = "alert.changed", "Alert severity"
    ALERT_CLOSED = "alert.closed", "Alert closed"
    ALERT_ACKNOWLEDGED = "alert.acknowledged", "Alert acknowledged"
    ALERT_UNACKNOWLEDGED = "alert.unacknowledged", "Acknowledgement taken back"
    ALERT_LINES = "alert.lines", "Alert thresholds"
    ALERT_MUTED = "alert.muted", "Alerts muted"
    ALERT_UNMUTED = "alert.unmuted", "Alerts heard again"
    NOTIFICATION = "notification.target", "Notifications"
    NOTIFICATION_FAILING = "notification.failing", "Notifications fail"
    NOTIFICATION_WELL = "notification.well", "Notifications work again"
    SEAT = "worker.seat", "Licence seat"
    # Of people: accounts.choices.AccountEvent, and their role.
    SIGNED_IN = "person.signed_in", "Signed in"
    SIGN_IN_FAILED = "person.sign_in_failed", "Sign-in failed"
    SIGNED_OUT = "person.signed_out", "Signed out"
    SESSIONS_ENDED = "person.sessions_ended", "Sessions ended"
    PERSON_CREATED = "person.created", "Account created"
    PERSON_DEACTIVATED = "person.deactivated", "Account deactivated"
    PERSON_ACTIVATED = "person.activated", "Account activated"
    ROLE_CHANGED = "person.role", "Role changed"
    STAFF_CHANGED = "person.staff", "Staff changed"
    PERMISSIONS_CHANGED = "person.permissions", "Permissions changed"
    PASSWORD_CHANGED = "person.password_changed", "Password changed"
    PASSWORD_RESET = "person.password_reset", "Password reset"
    FACTOR_ADDED = "person.factor_added", "Second factor added"
    FACTOR_REMOVED = "person.factor_removed", "Second factor removed"
    TOKEN_CREATED = "person.token_created", "Token created"
    TOKEN_REVOKED = "person.token_revoked", "Token revoked"
    TOKEN_REFUSED = "person.token_refused", "Revoked token used"
    LOCKED_OUT = "person.locked", "Locked out"
    UNLOCKED = "person.unlocked", "Unlocked"
    BREAK_GLASS = "person.break_glass", "Break-glass account"
    # Of the portal itself.
    JOB_RUN = "job.run", "Job run asked"
    JOB_PAUSED = "job.paused", "Job paused"
    JOB_RESUMED = "job.resumed", "Job resumed"
    SYSTEM_CHECK = "system.check", "System check asked"
    SETTING = "setting", "Setting"

    @property
    def family(self) -> str:
        """What it is about: the part before the dot."""
        return self.value.partition(".")[0]


class EventFamily(TextChoices):
    """What the lines of the audit are about: the first word of their kinds."""

    WORKER = "worker", "Workers"
    LAB = "lab", "Labs"
    OPERATION = "operation", "Operations"
    ALERT = "alert", "Alerts"
    NOTIFICATION = "notification", "Notifications"
    PERSON = "person", "People"
    SECRETS = "secrets", "Secrets"
    JOB = "job", "Jobs"
    SYSTEM = "system", "System"
    SETTING = "setting", "Settings"


class OperationKind(TextChoices):
    """What can be asked for."""

    CREATE = "create", "Create"
    START = "start", "Start"
    STOP = "stop", "Stop"
    TERMINATE = "terminate", "Terminate"
    TAG = "tag", "Change tags"
    MONITOR = "monitor", "Detailed monitoring"
    LOOK = "look", "Look in EC2"
    REGISTER = "register", "Register licence"
    RENEW = "renew", "Renew licence"
    DEREGISTER = "deregister", "Deregister licence"
    LICENSE = "license", "Change licence"
    LAB_START = "lab_start", "Start lab"
    LAB_STOP = "lab_stop", "Stop lab"
    LAB_WIPE = "lab_wipe", "Wipe lab"
    LAB_DELETE = "lab_delete", "Delete lab"
    LAB_IMPORT = "lab_import", "Import lab"
    LAB_DOWNLOAD = "lab_download", "Download lab"
    LAB_BACKUP = "lab_backup", "Back up"
    LAB_RESTORE = "lab_restore", "Restore lab"

    @property
    def doing(self) -> str:
        """The same as something that is going on."""
        return _DOING[self]


_DOING = {
    OperationKind.CREATE: "Creating",
    OperationKind.START: "Starting",
    OperationKind.STOP: "Stopping",
    OperationKind.TERMINATE: "Terminating",
    OperationKind.TAG: "Changing tags",
    OperationKind.MONITOR: "Changing monitoring",
    OperationKind.LOOK: "Looking",
    OperationKind.REGISTER: "Registering",
    OperationKind.RENEW: "Renewing",
    OperationKind.DEREGISTER: "Deregistering",
    OperationKind.LICENSE: "Changing licence",
    OperationKind.LAB_START: "Starting lab",
    OperationKind.LAB_STOP: "Stopping lab",
    OperationKind.LAB_WIPE: "Wiping lab",
    OperationKind.LAB_DELETE: "Deleting lab",
    OperationKind.LAB_IMPORT: "Importing lab",
    OperationKind.LAB_DOWNLOAD: "Downloading lab",
    OperationKind.LAB_BACKUP: "Backing up",
    OperationKind.LAB_RESTORE: "Restoring lab",
}


class OperationState(TextChoices):
    """How far an operation is. `refused` means that nothing was done; `failed` that something may have been."""

    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"

    @classmethod
    def in_flight(cls) -> tuple[OperationState, ...]:
        return (cls.PENDING, cls.RUNNING)

    @property
    def look(self) -> Look:
        return _OPERATION_LOOKS[self]


_OPERATION_LOOKS = {
    OperationState.PENDING: Look("busy", "clock", "Waiting for its turn."),
    OperationState.RUNNING: Look("busy", "arrow-path", "Going on."),
    OperationState.SUCCEEDED: Look("good", "check-circle", "Done."),
    OperationState.REFUSED: Look("warn", "hand-raised", "Refused: nothing was done."),
    OperationState.FAILED: Look("bad", "x-circle", "Failed; a part of it may have been done."),
}


class StepState(TextChoices):
    """How far one step of an operation is."""

    PENDING = "pending", "To do"
    RUNNING = "running", "Going on"
    DONE = "done", "Done"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"

    @property
    def look(self) -> Look:
        return _STEP_LOOKS[self]


_STEP_LOOKS = {
    StepState.PENDING: Look("off", "minus-circle", "Not begun."),
    StepState.RUNNING: Look("busy", "arrow-path", "Going on."),
    StepState.DONE: Look("good", "check-circle", "Done."),
    StepState.SKIPPED: Look("off", "forward", "Not needed."),
    StepState.FAILED: Look("bad", "x-circle", "Failed."),
}


class Attention(TextChoices):
    """How badly a worker needs somebody, worst first: the order of the fleet page. Kept by the database from the three states."""

    FAILING = "1", "Failing"
    WARNING = "2", "Warning"
    BUSY = "3", "In transition"
    WELL = "4", "Well"
    OFF = "5", "Off"
    GONE = "6", "Gone"
