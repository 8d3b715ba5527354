"""Seats that may still be taken, and tokens on their way to CML."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from workers.license_choices import SeatDoubt
from workers.models.constraints import known
from workers.models.operation import Operation
from workers.models.worker import Worker


class DoubtfulSeatQuerySet(models.QuerySet["DoubtfulSeat"]):
    """Doubtful seats."""

    def open(self) -> DoubtfulSeatQuerySet:
        """Those that nobody has cleared up."""
        return self.filter(resolved_at__isnull=True)


class DoubtfulSeat(models.Model):
    """A seat of a smart account of which nobody can say whether it is free again.

    What Cisco's portal shows of the product instance is kept, since the worker's row may go. `features` are [{name, in_use}].
    """

    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="doubtful_seats")
    worker_name = models.CharField(max_length=255, blank=True, default="")
    region = models.CharField(max_length=32, blank=True, default="")
    instance_id = models.CharField(max_length=32, blank=True, default="")
    hostname = models.CharField(max_length=255, blank=True, default="")
    product_uuid = models.CharField(max_length=64, blank=True, default="")
    smart_account = models.CharField(max_length=255, blank=True, default="")
    virtual_account = models.CharField(max_length=255, blank=True, default="")
    features = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=16, choices=SeatDoubt)
    detail = models.CharField(max_length=500, blank=True, default="")  # what CML or the person said
    operation = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    since = models.DateTimeField()

    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolved_by_name = models.CharField(
        max_length=150, blank=True, default=""
    )  # outlives the person; "" when it closed by itself
    note = models.CharField(max_length=500, blank=True, default="")

    objects = DoubtfulSeatQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker"], condition=Q(resolved_at__isnull=True, worker__isnull=False), name="doubtful_seat_one_open"
            ),
            known("reason", SeatDoubt),
        ]
        indexes = [models.Index(fields=["resolved_at", "-since"], name="doubtful_seat_newest")]  # the licences page

    def __str__(self) -> str:
        return f"Seat of {self.worker_name}"

    @property
    def doubt(self) -> SeatDoubt:
        return SeatDoubt(self.reason)

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None


class LicenseToken(models.Model):
    """A registration token between the form and CML: encrypted, read by its operation's step, deleted when CML has it."""

    operation = models.OneToOneField(Operation, primary_key=True, on_delete=models.CASCADE, related_name="license_token")
    token_encrypted = models.TextField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Token of {self.operation_id}"
