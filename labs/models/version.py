"""Versions of labs: the YAML that CML gave, kept once however often it was the same."""

from __future__ import annotations

import gzip
import hashlib

from django.conf import settings
from django.db import models

from labs.choices import LabVersionReason
from labs.models.lab import Lab
from workers.choices import ActorKind
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
    def text(self) -> str:
        """The YAML."""
        return gzip.decompress(self.packed).decode()


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

    class Meta:
        constraints = [known("why", LabVersionReason), known("actor_kind", ActorKind)]
        indexes = [
            models.Index(fields=["lab", "-at", "-id"], name="labversion_of_lab"),  # a lab's page
            models.Index(fields=["at"], name="labversion_by_age"),  # retention
        ]

    def __str__(self) -> str:
        return f"{self.title or self.lab_id} {self.at:%Y-%m-%d %H:%M}"
