"""Read the labs of running workers, from a shell."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from labs.services import refresh
from workers.models import Worker

NO_SUCH_WORKER, CANNOT_BE_ASKED, FAILED = 2, 3, 4


class Command(BaseCommand):
    """Reads now what is running and ready, due or not, and says of each worker how it went."""

    help = (
        "Read the labs of running workers now. Exit status: 0 all were read, 1 wrong arguments, "
        f"{NO_SUCH_WORKER} no such worker, {CANNOT_BE_ASKED} nothing could be asked: no worker is running and ready, "
        f"{FAILED} at least one could not be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--worker",
            action="append",
            default=[],
            metavar="NAME",
            help="this worker, by name, id or instance id; may be repeated",
        )
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        workers = _asked(options["worker"])
        outcomes: list[refresh.Outcome] = []
        for start in range(0, len(workers), refresh.BATCH):
            outcomes += refresh.refresh_labs(
                now=timezone.now(), only=[worker.pk for worker in workers[start : start + refresh.BATCH]]
            )
        read = {outcome.worker.pk: outcome for outcome in outcomes}
        lines = [_line(worker, read.get(worker.pk)) for worker in workers if options["worker"] or worker.pk in read]
        self._say(lines, as_json=options["json"])
        if not outcomes:
            raise CommandError(
                "No labs were read: no worker that was asked for is running and ready.", returncode=CANNOT_BE_ASKED
            )
        failed = [line for line in lines if not line["was_read"]]
        if failed:
            raise CommandError(f"{len(failed)} of {len(lines)} could not be read.", returncode=FAILED)

    def _say(self, lines: list[dict[str, Any]], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"workers": lines}, indent=2))
            return
        for line in lines:
            self.stdout.write(f"{line['worker']}: {line['sentence']}")


def _asked(names: list[str]) -> list[Worker]:
    """The workers that are meant. Raises CommandError for a name that is none's."""
    if not names:
        return list(Worker.objects.listed(include_gone=False).order_by("name", "pk"))
    found: dict[uuid.UUID, Worker] = {}
    for name in names:
        workers = list(Worker.objects.filter(_named(name)))
        if not workers:
            raise CommandError(f"There is no worker {name!r}.", returncode=NO_SUCH_WORKER)
        found |= {worker.pk: worker for worker in workers}
    return list(found.values())


def _named(name: str) -> Q:
    either = Q(name=name) | Q(instance_id=name)
    try:
        return either | Q(pk=uuid.UUID(name))
    except ValueError:
        return either


def _line(worker: Worker, outcome: refresh.Outcome | None) -> dict[str, Any]:
    facts = {"worker": str(worker), "worker_id": str(worker.pk)}
    if outcome is None:
        sentence = f"Not asked: the machine is {worker.machine.label.lower()}, CML is {worker.service.label.lower()}."
        return facts | {"was_read": False, "labs": None, "changed": 0, "sentence": sentence}
    numbers = {"was_read": outcome.was_read, "labs": outcome.labs if outcome.was_read else None, "changed": outcome.changed}
    if not outcome.was_read:
        return facts | numbers | {"sentence": outcome.problem}
    count = f"{outcome.labs} lab{'' if outcome.labs == 1 else 's'}"
    sentence = f"{count}, {f'{outcome.changed} changed' if outcome.changed else 'nothing changed'}."
    return facts | numbers | {"sentence": f"{sentence} {outcome.problem}".strip()}
