"""How the reading of a worker's labs goes."""

from __future__ import annotations

from django.db import models

from workers.models import Worker


class LabsCheck(models.Model):
    """A worker whose labs cannot be read, or not in full: since when and why. No row: nothing is wrong.

    When they were last read is on the worker: labs_succeeded_at.
    """

    worker = models.OneToOneField(Worker, primary_key=True, on_delete=models.CASCADE, related_name="+")
    failing_since = models.DateTimeField()
    error = models.CharField(max_length=500)  # the sentence for the operator

    def __str__(self) -> str:
        return f"{self.worker_id}: {self.error}"
