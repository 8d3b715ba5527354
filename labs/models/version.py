"""Versions of labs: the YAML that CML gave, kept once however often it was the same."""

from __future__ import annotations

import gzip
import hashlib

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from labs.choices import LabVersionReason
from labs.models.lab import Lab
from labs.querysets import LabVersionQuerySet
from workers.choices import ActorKind
from workers.models import Operation, Worker
from workers.models.constraints import known


class LabYaml(models.Model):
    """One text, found by its SHA-256 (hex). `packed` is the gzip'd UTF-8, `size` the bytes of the text itself."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    packed = models.BinaryField()
    size = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.sha256[:12]

    @classmethod
    def of(cls, text: str) -> LabYaml:
        """An unsaved row of `text`. The same text gives the same bytes: gzip's time stamp is left out."""
        raw = text.encode()
        return cls(sha256=hashlib.sha256(raw).hexdigest(), packed=gzip.compress(raw, mtime=0), size=len(raw))

    @property
    def raw(self) -> bytes:
        """The text's bytes, as CML gave them."""
        return gzip.decompress(self.packed)

    @property
    def text(self) -> str:
        """The YAML."""
        return self.raw.decode()


class LabVersion(models.Model):
    """How a lab was at one time, why that was kept and by whom. It outlives the lab on its worker, and the worker."""

    lab = models.ForeignKey(Lab, on_delete=models.CASCADE, related_name="versions")
    content = models.ForeignKey(LabYaml, on_delete=models.PROTECT, related_name="versions")
    at = models.DateTimeField()
    why = models.CharField(max_length=16, choices=LabVersionReason)
    title = models.CharField(max_length=255, blank=True, default="")  # the lab's at that time
    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True, default="")  # outlives the person
    note = models.CharField(max_length=500, blank=True, default="")
    with_configurations = models.BooleanField(default=False)  # whether running configurations were extracted first
    cml_version = models.CharField(max_length=48, blank=True, default="")
    confirmed_at = models.DateTimeField()  # when CML last gave just this; at first the same as `at`
    pinned = models.BooleanField(default=False)  # retention leaves it alone
    # The operation that kept it: an operation that is repeated keeps a lab once.
    operation = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = LabVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            known("why", LabVersionReason),
            known("actor_kind", ActorKind),
            models.UniqueConstraint(
                fields=["operation", "lab"], condition=Q(operation__isnull=False), name="labversion_once_an_operation"
            ),
        ]
        indexes = [
            models.Index(fields=["lab", "-at", "-id"], name="labversion_of_lab"),  # a lab's page
            models.Index(fields=["at"], name="labversion_by_age"),  # retention
        ]

    def __str__(self) -> str:
        return f"{self.title or self.lab_id} {self.at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("lab-version", args=[self.pk])

    @property
    def kept_by(self) -> str:
        """Who had it kept, in a word."""
        return self.actor_name or self.get_actor_kind_display()


class LabsBackup(models.Model):
    """The nightly backup of one worker's labs: when it is due next, and how the last one went."""

    worker = models.OneToOneField(Worker, primary_key=True, on_delete=models.CASCADE, related_name="+")
    due_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True, blank=True)  # the last one
    operation = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="labsbackup_due")]

    def __str__(self) -> str:
        return f"{self.worker_id}: {self.due_at:%Y-%m-%d %H:%M}"
