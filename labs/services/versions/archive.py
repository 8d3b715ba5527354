"""A worker's labs as one zip, made of their newest versions while it is sent: one text in memory at a time."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from labs.models import Lab, LabVersion
from labs.services.operations.files import name_of
from workers.models import Worker

MOST = 5_000  # labs
MANIFEST = "manifest.json"


class _Sink(io.RawIOBase):
    """What zipfile writes to; `take` gives what came since. It cannot seek, so that nothing has to be kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def archive_name(worker: Worker, *, now: datetime) -> str:
    """A name to save the archive under."""
    return f"{name_of(str(worker)).removesuffix('.yaml')}-labs-{now.astimezone(UTC):%Y%m%d-%H%M}.zip"


def archive(worker: Worker, *, now: datetime, include_gone: bool = False) -> Iterator[bytes]:
    """The zip in pieces: a file for each lab that has a version, and a manifest with the facts, at the end.

    Names are made of letters, digits, dashes and dots alone, and begin with a number: no title can leave the folder or meet another's.
    """
    labs = Lab.objects.on(worker.pk).order_by("title", "pk").defer("topology", "notes")
    if not include_gone:
        labs = labs.filter(gone_at__isnull=True)
    chosen = list(labs[:MOST])
    versions = {
        version.lab_id: version
        for start in range(0, len(chosen), 500)
        for version in LabVersion.objects.newest_of([lab.pk for lab in chosen[start : start + 500]])
    }
    sink, facts = _Sink(), []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for number, lab in enumerate(chosen, 1):
            version = versions.get(lab.pk)
            file = f"{number:04}-{name_of(lab.title or lab.cml_id)}" if version else ""
            facts.append(_facts(lab, version, file))
            if version is not None:
                packed.writestr(_entry(file, version.at), version.content.raw)
                yield sink.take()
        manifest = {"worker": str(worker), "worker_id": str(worker.pk), "cml_version": worker.cml_version} | {
            "made_at": now.astimezone(UTC).isoformat(),
            "labs": facts,
        }
        packed.writestr(_entry(MANIFEST, now), json.dumps(manifest, indent=2, ensure_ascii=False).encode("utf-8", "replace"))
    yield sink.take()


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, at.astimezone(UTC).timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _facts(lab: Lab, version: LabVersion | None, file: str) -> dict[str, Any]:
    known = {
        "file": file,
        "title": lab.title,
        "cml_id": lab.cml_id,
        "lab_id": str(lab.pk),
        "owner": lab.owner,
        "gone": lab.is_gone,
    }
    if version is None:
        return known | {"problem": "It was never saved."}
    return known | {
        "sha256": version.content_id,
        "size": version.content.size,
        "saved_at": version.at.astimezone(UTC).isoformat(),
        "confirmed_at": version.confirmed_at.astimezone(UTC).isoformat(),
        "why": version.get_why_display(),
        "by": version.kept_by,
        "cml_version": version.cml_version,
        "with_configurations": version.with_configurations,
    }
