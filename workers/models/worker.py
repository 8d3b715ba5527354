"""Workers."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now
from django.urls import reverse

from workers import aws_accounts, choices
from workers.choices import Attention, CheckResult, LicenseState, MachineState, ServiceState
from workers.endpoints import validate_endpoint
from workers.license_choices import HOLDS_SEAT, REGISTRATION_HOLDS_SEAT
from workers.models.constraints import known, percent
from workers.querysets import WorkerQuerySet

# The database derives this from the states, so that no writer can forget it.
ATTENTION = Case(
    When(machine_state__in=["terminated"], then=Value(Attention.GONE.value)),
    When(machine_state__in=["failed", "lost"], then=Value(Attention.FAILING.value)),
    When(machine_state="stopped", then=Value(Attention.OFF.value)),
    When(machine_state__in=["pending", "stopping", "shutting-down"], then=Value(Attention.BUSY.value)),
    When(service_state__in=["unreachable", "refused"], then=Value(Attention.FAILING.value)),
    When(license_state__in=["out_of_compliance", "expired", "failed"], then=Value(Attention.FAILING.value)),
    When(service_state="degraded", then=Value(Attention.WARNING.value)),
    When(license_state__in=["unregistered", "evaluation"], service_state="ready", then=Value(Attention.WARNING.value)),
    When(service_state__in=["starting", "unknown"], then=Value(Attention.BUSY.value)),
    default=Value(Attention.WELL.value),
    output_field=models.CharField(max_length=1),
)


class Worker(models.Model):
    """One EC2 instance that runs CML, whether the portal created it or imported it.

    Percentages are floats 0–100, sizes bytes, times aware UTC. Text that EC2 or CML did not give is "", figures are NULL.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    # EC2
    account = models.CharField(max_length=32, blank=True, default="")  # a key of workers.aws_accounts: "" is the process's own
    account_id = models.CharField(max_length=12, blank=True, default="")  # AWS's number of it, as EC2 tells it
    region = models.CharField(max_length=32)
    instance_id = models.CharField(max_length=32, blank=True, default="")
    instance_type = models.CharField(max_length=32, blank=True, default="")
    ami_id = models.CharField(max_length=32, blank=True, default="")
    ami_name = models.CharField(max_length=160, blank=True, default="")
    ami_description = models.CharField(max_length=256, blank=True, default="")
    ami_created_at = models.DateTimeField(null=True, blank=True)
    zone = models.CharField(max_length=32, blank=True, default="")
    public_address = models.CharField(max_length=255, blank=True, default="")
    private_address = models.CharField(max_length=255, blank=True, default="")
    launched_at = models.DateTimeField(null=True, blank=True)
    detailed_monitoring = models.BooleanField(default=False)
    tags = models.JSONField(default=dict, blank=True)
    # "\nkey=value\n…": the same tags for case-insensitive search on both databases.
    tag_text = models.TextField(blank=True, default="", editable=False)
    system_check = models.CharField(max_length=24, blank=True, default="")
    instance_check = models.CharField(max_length=24, blank=True, default="")
    checks_since = models.DateTimeField(null=True, blank=True)  # since when the two together say what they say; NULL: not known

    # Ours
    name = models.CharField(max_length=255, blank=True, default="")
    description = models.CharField(max_length=500, blank=True, default="")
    machine_state = models.CharField(max_length=16, choices=MachineState, default=MachineState.PENDING)
    machine_state_reason = models.CharField(max_length=255, blank=True, default="")
    machine_state_since = models.DateTimeField(db_default=Now())
    service_state = models.CharField(max_length=16, choices=ServiceState, default=ServiceState.UNKNOWN)
    service_reasons = models.JSONField(default=list, blank=True)  # sentences: why it is not simply ready
    service_state_since = models.DateTimeField(db_default=Now())
    license_state = models.CharField(max_length=20, choices=LicenseState, default=LicenseState.UNKNOWN)
    license_text = models.CharField(max_length=255, blank=True, default="")
    license_expires_at = models.DateTimeField(null=True, blank=True)  # the registration
    authorization_expires_at = models.DateTimeField(null=True, blank=True)
    smart_account = models.CharField(max_length=255, blank=True, default="")
    virtual_account = models.CharField(max_length=255, blank=True, default="")
    attention = models.GeneratedField(expression=ATTENTION, output_field=models.CharField(max_length=1), db_persist=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # How the portal speaks to its CML
    address_kind = models.CharField(max_length=8, choices=choices.AddressKind, default=choices.AddressKind.DEFAULT)
    custom_endpoint = models.CharField(max_length=255, blank=True, default="", validators=[validate_endpoint])
    tls_policy = models.CharField(max_length=8, choices=choices.TlsPolicy, default=choices.TlsPolicy.DEFAULT)
    tls_ca = models.TextField(blank=True, default="")
    tls_fingerprint = models.CharField(max_length=95, blank=True, default="")
    # Certificates as workers.certificates writes them: the one that waits for an administrator's eyes, and the one that was trusted
    tls_seen = models.JSONField(default=dict, blank=True, editable=False)
    tls_trusted = models.JSONField(default=dict, blank=True, editable=False)
    cml_username = models.CharField(max_length=32, blank=True, default="")
    cml_password_encrypted = models.TextField(blank=True, default="", editable=False)

    # What CML says
    cml_version = models.CharField(max_length=48, blank=True, default="")
    health = models.JSONField(
        default=dict, blank=True
    )  # {"computes": [{hostname, valid, admission_state, checks}], "controller": {…}}
    # {"registration": {status, register_time, renew_time}, "authorization": {status, renew_time}, "features": [{id, name, status, in_use,
    # min, max}], "transport", "udi", "product", "is_enterprise", "reservation_mode"}; {} until CML told it. See services/licenses/details.
    licensing = models.JSONField(default=dict, blank=True)
    license_read_at = models.DateTimeField(null=True, blank=True)  # when CML last told the above; moves silently
    seats_in_use = models.PositiveIntegerField(null=True, blank=True)  # of the base licence
    seats_max = models.PositiveIntegerField(null=True, blank=True)
    license_nodes_in_use = models.PositiveIntegerField(
        null=True, blank=True
    )  # of the node count licence: asked for, not running
    license_nodes_max = models.PositiveIntegerField(null=True, blank=True)
    gates = models.JSONField(default=list, blank=True, editable=False)  # CML's gates to readiness, see workers.gates
    cml_account = models.JSONField(
        default=dict, blank=True, editable=False
    )  # whom CML takes us for: user_id, username, is_admin
    computes = models.JSONField(default=list, blank=True)  # [{hostname, is_controller, cpu_count, …}] of system_stats
    cpu = models.FloatField(null=True, blank=True)
    cpu_source = models.CharField(max_length=12, choices=choices.UsageSource, blank=True, default="")
    memory = models.FloatField(null=True, blank=True)
    disk = models.FloatField(null=True, blank=True)
    nodes_running = models.PositiveIntegerField(null=True, blank=True)
    nodes_total = models.PositiveIntegerField(null=True, blank=True)
    labs_running = models.PositiveIntegerField(null=True, blank=True)
    labs_total = models.PositiveIntegerField(null=True, blank=True)

    # What CloudWatch says, of the five minutes that ended at metrics_at
    network_in = models.FloatField(null=True, blank=True)  # bytes per second
    network_out = models.FloatField(null=True, blank=True)
    checks_failed = models.PositiveSmallIntegerField(null=True, blank=True)  # 1 when a status check failed, else 0
    metrics_at = models.DateTimeField(null=True, blank=True)

    # What we know of each source: when it was asked, when it last answered, what went wrong, when it is due next
    aws_checked_at = models.DateTimeField(null=True, blank=True)
    aws_succeeded_at = models.DateTimeField(null=True, blank=True)
    aws_due_at = models.DateTimeField(null=True, blank=True)
    metrics_succeeded_at = models.DateTimeField(null=True, blank=True)
    metrics_due_at = models.DateTimeField(null=True, blank=True)
    cml_checked_at = models.DateTimeField(null=True, blank=True)
    cml_succeeded_at = models.DateTimeField(null=True, blank=True)
    cml_error = models.CharField(max_length=500, blank=True, default="")
    cml_due_at = models.DateTimeField(null=True, blank=True)
    cml_timeouts = models.PositiveSmallIntegerField(default=0)  # looks in a row that ended with a time-out
    labs_succeeded_at = models.DateTimeField(null=True, blank=True)
    labs_due_at = models.DateTimeField(null=True, blank=True)
    refresh_asked_at = models.DateTimeField(null=True, blank=True)  # NULL when nothing is queued
    refreshed_on_demand_at = models.DateTimeField(null=True, blank=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        permissions = [
            ("refresh_worker", "Can ask for a refresh"),
            ("start_worker", "Can start"),
            ("stop_worker", "Can stop"),
            ("tag_worker", "Can edit tags"),
            ("keep_worker_awake", "Can keep awake"),
            ("import_worker", "Can import"),
            ("terminate_worker", "Can terminate"),
            ("monitor_worker", "Can control detailed monitoring"),
            ("license_worker", "Can change the licence"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["instance_id"], condition=~Q(instance_id=""), name="worker_instance_id_unique"),
            known("machine_state", MachineState),
            known("service_state", ServiceState),
            known("license_state", LicenseState),
            percent("cpu"),
            percent("memory"),
            percent("disk"),
        ]
        indexes = [
            models.Index(fields=["attention", "name", "id"], name="worker_worst_first"),  # the fleet page's default order
            models.Index(fields=["smart_account", "virtual_account"], name="worker_of_account"),  # the licences page
            models.Index(fields=["machine_state", "cml_due_at"], name="worker_cml_due"),  # the CML refresh's claim
            models.Index(fields=["machine_state", "labs_due_at"], name="worker_labs_due"),  # the labs refresh's claim
            models.Index(
                fields=["account", "region", "aws_due_at"], name="worker_aws_due"
            ),  # the fleet refresh's claim, a region of an account at a time
        ]

    def __str__(self) -> str:
        return self.name or self.instance_id or str(self.id)

    def get_absolute_url(self) -> str:
        return reverse("worker", args=[self.id])

    @property
    def account_name(self) -> str:
        """The name of its AWS account where there is more than one, else ""."""
        return aws_accounts.label(self.account)

    @property
    def place(self) -> str:
        """Account and region in one word, for the stream: what is read from EC2 in one go."""
        return aws_accounts.place(self.account, self.region)

    @property
    def machine(self) -> MachineState:
        return MachineState(self.machine_state)

    @property
    def service(self) -> ServiceState:
        return ServiceState(self.service_state)

    @property
    def license(self) -> LicenseState:
        return LicenseState(self.license_state)

    @property
    def checks(self) -> CheckResult | None:
        """What CloudWatch last said of EC2's status checks; None when it said nothing."""
        if self.checks_failed is None:
            return None
        return CheckResult.FAILED if self.checks_failed else CheckResult.PASSED

    @property
    def holds_seat(self) -> bool:
        """Whether, as far as is known, this CML takes a seat of a smart account, running or not."""
        registration = self.licensing.get("registration", {}).get("status", "").upper()
        return registration in REGISTRATION_HOLDS_SEAT if registration else self.license_state in HOLDS_SEAT

    @property
    def row_id(self) -> str:
        """The id of this worker's row in any table, and the name of the event that replaces it."""
        return f"row.{self.id}"

    @property
    def address(self) -> str:
        """The host that CML is asked at, without scheme; "" when EC2 has given none yet."""
        kind = self.address_kind if self.address_kind != choices.AddressKind.DEFAULT else settings.CML_ADDRESS
        return self.public_address if kind == choices.AddressKind.PUBLIC else self.private_address

    @property
    def endpoint(self) -> str:
        """The https address of this worker's CML without a trailing slash; "" when there is none yet."""
        if self.address_kind == choices.AddressKind.CUSTOM:
            return self.custom_endpoint.rstrip("/")
        if not self.address:
            return ""
        return f"https://{self.address}" + ("" if settings.CML_PORT == 443 else f":{settings.CML_PORT}")


def stale_after(interval: int) -> timedelta:
    """From which age on knowledge that is refreshed every `interval` seconds is called stale: three intervals, at least 30 s."""
    return timedelta(seconds=max(30, 3 * interval))
