"""Back up labs, from a shell."""

from __future__ import annotations

import json
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from labs.models import Lab
from labs.services.versions import requests
from workers.choices import ActorKind, OperationState
from workers.models import Operation, Worker
from workers.services.operations import engine
from workers.services.operations.asking import Asker, UnableToAsk
from workers.services.record import Actor

NO_SUCH_THING, REFUSED, FAILED = 2, 3, 4
LONGEST_PAUSE = 1.0  # seconds between looks


class Command(BaseCommand):
    """Asks as a person would, goes on with the operations itself, and says of each how it ended."""

    help = (
        "Keep a version of labs as they are now: of every lab of --worker (may be repeated), of --lab (title, id or CML's id; "
        "may be repeated), or of --all workers that are running and ready. Exit status: 0 all were saved, 1 wrong arguments, "
        f"{NO_SUCH_THING} no such worker or lab, {REFUSED} nothing could be asked, {FAILED} at least one was not saved."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--worker", action="append", default=[], metavar="NAME", help="by name, id or instance id")
        parser.add_argument("--lab", action="append", default=[], metavar="LAB", help="by title, id or CML's id")
        parser.add_argument("--all", action="store_true", help="every worker that is running and ready")
        parser.add_argument("--extract", action="store_true", help="read the configurations of running nodes first")
        parser.add_argument("--note", default="", help="stays beside each version")
        parser.add_argument("--json", action="store_true", help="answer in JSON; progress is left out")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["worker"] or options["lab"] or options["all"]):
            raise CommandError("Say what is to be saved: --worker, --lab or --all.")
        lines = [self._one(what, options) for what in _meant(options)]
        if options["json"]:
            self.stdout.write(json.dumps({"backups": lines}, indent=2))
        if all(line["state"] == "refused" for line in lines):
            raise CommandError("Nothing was saved.", returncode=REFUSED)
        failed = [line for line in lines if line["state"] != OperationState.SUCCEEDED]
        if failed:
            raise CommandError(f"{len(failed)} of {len(lines)} backups did not save everything.", returncode=FAILED)

    def _one(self, what: Worker | Lab, options: dict[str, Any]) -> dict[str, Any]:
        """Ask and go on to the end; what is to be said of it."""
        line = {"what": str(what), "id": str(what.pk), "operation": None, "state": "refused", "saved": 0, "unchanged": 0}

        def say(text: str) -> None:
            if not options["json"]:
                self.stdout.write(f"{what}: {text}")

        try:
            operation = _ask(what, options)
        except UnableToAsk as refusal:
            say(refusal.sentence)
            return line | {"sentence": refusal.sentence}
        operation = _to_end(operation, say)
        say(operation.sentence)
        result = operation.result
        return line | {
            "operation": str(operation.pk),
            "state": operation.state,
            "saved": result.get("saved", 0),
            "unchanged": result.get("same", 0),
            "not_saved": [{"lab": title, "why": why} for title, why in result.get("failed", {}).values()],
            "sentence": operation.sentence,
        }


def _ask(what: Worker | Lab, options: dict[str, Any]) -> Operation:
    by = Asker(actor=Actor(kind=ActorKind.SYSTEM, label="backup_labs"))
    more: dict[str, Any] = {"by": by, "now": timezone.now(), "note": options["note"], "extract": options["extract"]}
    return requests.ask_backup(lab=what, **more) if isinstance(what, Lab) else requests.ask_worker_backup(worker=what, **more)


def _to_end(operation: Operation, say: Callable[[str], None]) -> Operation:
    """Do what Celery would do, unless it is quicker: the lease keeps the two apart."""
    told = ""
    while operation.is_in_flight:
        engine.run(operation_id=operation.pk, now=timezone.now())
        operation.refresh_from_db()
        step = operation.next_step()
        if step and step["detail"] and step["detail"] != told:
            told = step["detail"]
            say(told)
        if operation.is_in_flight:
            pause = (operation.due_at - timezone.now()).total_seconds()
            time.sleep(max(0.05, min(LONGEST_PAUSE, pause)))
    return operation


def _meant(options: dict[str, Any]) -> list[Worker | Lab]:
    """What is to be saved, each once. Raises CommandError for a name that is none's."""
    found: dict[uuid.UUID, Worker | Lab] = {}
    for name in options["worker"]:
        found |= _some(name, "worker", Worker.objects.filter(_named(name, "name", "instance_id")))
    for name in options["lab"]:
        labs = Lab.objects.select_related("worker").filter(gone_at__isnull=True)
        found |= _some(name, "lab", labs.filter(_named(name, "title", "cml_id")))
    if options["all"]:
        ready = Worker.objects.filter(machine_state="running", service_state__in=("ready", "degraded"))
        found |= {worker.pk: worker for worker in ready.order_by("name", "pk")}
        if not found:
            raise CommandError("Nothing was saved: no worker is running and ready.", returncode=REFUSED)
    return list(found.values())


def _some(name: str, noun: str, rows: Any) -> dict[uuid.UUID, Worker | Lab]:
    rows = list(rows)
    if not rows:
        raise CommandError(f"There is no {noun} {name!r}.", returncode=NO_SUCH_THING)
    return {row.pk: row for row in rows}


def _named(name: str, *fields: str) -> Q:
    either = Q()
    for field in fields:
        either |= Q(**{field: name})
    try:
        return either | Q(pk=uuid.UUID(name))
    except ValueError:
        return either
