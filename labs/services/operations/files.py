"""Labs as files: kept while they are on their way, and fetched from CML for a person."""

from __future__ import annotations

import gzip
import re
import unicodedata
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse

from labs.models import LabFile
from labs.services.operations.tasks import ask, gone_sentence, lab_of
from workers.choices import OperationKind
from workers.models import Operation
from workers.services.operations.steps import Done, Outcome, Task

KEPT = timedelta(days=1)


def keep(operation: Operation, text: str, *, name: str, now: datetime) -> LabFile:
    """Store `text` for `operation`. The same again replaces it."""
    raw = text.encode()
    fields = {"packed": gzip.compress(raw, mtime=0), "size": len(raw), "name": name, "created_at": now}
    return LabFile.objects.update_or_create(operation=operation, defaults=fields)[0]


def forget(operation: Operation, *, now: datetime) -> None:
    """Delete what the operation needs no more, and whatever nobody fetched in time."""
    if operation.kind in {OperationKind.LAB_IMPORT, OperationKind.LAB_RESTORE}:
        LabFile.objects.filter(operation=operation).delete()
    LabFile.objects.filter(created_at__lt=now - KEPT).delete()


def name_of(title: str) -> str:
    """A name to save a lab under, whatever its title: letters, digits, dots, dashes and underscores, no path, not hidden."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return f"{re.sub(r'[^A-Za-z0-9_]+', '-', plain).strip('-')[:80] or 'lab'}.yaml"


def download(task: Task) -> Outcome:
    """Fetch the YAML as CML has it now."""
    lab = lab_of(task)
    text = ask(task, lambda: task.cml.download_lab(lab.cml_id), gone=gone_sentence(lab))
    with transaction.atomic():
        file = keep(task.operation, text, name=name_of(lab.title), now=task.now)
        task.operation.result["link"] = {
            "url": reverse("lab-file", args=[task.operation.pk]),
            "label": f"Download {file.name}",
            "file": True,
        }
    return Done(f"{file.size} bytes")
