"""A lab's YAML on its way between a person and a CML server."""

from __future__ import annotations

import gzip

from django.db import models

from workers.models import Operation


class LabFile(models.Model):
    """The YAML of one operation: of an import until that has ended, of a download for a day. It travels in no message and no parameter.

    `packed` is the gzip'd UTF-8, `size` the bytes of the text itself.
    """

    operation = models.OneToOneField(Operation, primary_key=True, on_delete=models.CASCADE, related_name="lab_file")
    name = models.CharField(max_length=100, blank=True, default="")  # to save it under
    packed = models.BinaryField()
    size = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="labfile_by_age")]  # tidying up

    def __str__(self) -> str:
        return self.name or str(self.operation_id)

    @property
    def raw(self) -> bytes:
        """The text's bytes."""
        return gzip.decompress(self.packed)

    @property
    def text(self) -> str:
        """The YAML."""
        return self.raw.decode()
