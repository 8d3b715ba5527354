"""A lab brought to a CML: asked for with its YAML, compared with what that CML has, sent once, named, and read.

CML knows no idempotency key. The lab is imported under a title that ends with a mark of the operation, which it loses in a step of its own: when an
answer did not arrive, or a process died before it was written down, the lab is looked for by its mark before it is sent again.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import transaction
from django.utils.dateparse import parse_datetime

from labs import events, yaml_checks
from labs.models import Lab, LabFile
from labs.services import refresh
from labs.services.operations import files
from labs.services.operations.tasks import POLL, ask, change, said, up
from labs.yaml_checks import LabFacts, UnusableYaml
from workers.choices import EventKind, OperationKind
from workers.clients import cml
from workers.models import Operation, Worker
from workers.services.operations import asking
from workers.services.operations.asking import Asker, Subject, UnableToAsk
from workers.services.operations.steps import Done, Outcome, Stopped, Task, Wait

KNOWN_FOR = 300  # seconds for which a CML's definitions are remembered
UNSURE_FOR = timedelta(seconds=60)  # after which a lab that CML does not show was not made
MOST_SENT = 3  # times
READ_WITHIN = timedelta(minutes=2)
MOST_NAMED = 10  # definitions in a sentence


def ask_import(
    *,
    worker: Worker,
    text: str,
    title: str,
    by: Asker,
    now: datetime,
    without_images: bool = False,
    kind: OperationKind = OperationKind.LAB_IMPORT,
) -> Operation:
    """Ask for a new lab on `worker` of `text`, a lab's YAML, named `title` ("": as the YAML says). Raises UnableToAsk.

    `without_images` says that it is to be imported even when images of its nodes are missing. The operation's subject is the lab to be.
    """
    facts, name = checked(worker, text, title)
    subject = Subject(id=(lab_id := uuid.uuid4()), name=name, slot=f"lab.{lab_id.hex}")
    parameters = {
        "title": name,
        "schema": facts.schema,
        "node_definitions": facts.node_definitions,
        "image_definitions": facts.image_definitions,
        "without_images": without_images,
    }
    with transaction.atomic():
        operation = asking.ask(kind=kind, worker=worker, by=by, now=now, subject=subject, parameters=parameters)
        files.keep(operation, text, name=files.name_of(name), now=now)
    return operation


def checked(worker: Worker, text: str, title: str) -> tuple[LabFacts, str]:
    """What the YAML says, and the title that the lab gets. Raises UnableToAsk for what this worker's CML would not read."""
    try:
        facts = yaml_checks.read(text)
    except UnusableYaml as problem:
        raise UnableToAsk(f"The lab cannot be imported. {problem.sentence}") from None
    name = " ".join(title.split()) or facts.title or "Imported lab"
    if len(name) > yaml_checks.LONGEST_TITLE:
        raise UnableToAsk(
            f"The title has {len(name)} characters; CML takes at most {yaml_checks.LONGEST_TITLE}. Give it another."
        )
    if sentence := yaml_checks.why_too_new(facts.schema, worker.cml_version):
        raise UnableToAsk(sentence)
    return facts, name


def namesakes(worker: Worker, title: str) -> int:
    """How many labs on `worker` have this title already."""
    return Lab.objects.on(worker.pk).filter(title=title, gone_at__isnull=True).count()


# ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def compare(task: Task) -> Outcome:
    """See that this CML reads the schema and has what the nodes need, before anything is sent."""
    worker, wanted = up(task), task.operation.parameters
    if sentence := yaml_checks.why_too_new(wanted["schema"], worker.cml_version):
        raise Stopped(sentence, nothing_done=True)
    nodes, images = _missing(task, fresh=False)
    if nodes or images:  # what is remembered may be older than what an administrator has just added
        nodes, images = _missing(task, fresh=True)
    if nodes or (images and not wanted["without_images"]):
        parts = [_several("node definition", nodes)] if nodes else []
        parts += [_several("image", images)] if images else []
        raise Stopped(
            f"CML on {worker} does not have the {' and the '.join(parts)}. Nothing was sent: add what is missing there, or choose another worker.",
            nothing_done=True,
        )
    return Done(f"Without the {_several('image', images)}." if images else "")


def _missing(task: Task, *, fresh: bool) -> tuple[list[str], list[str]]:
    """The node and image definitions that the lab needs and CML does not have."""
    key = f"labs.definitions.{task.worker.pk}.{task.worker.cml_version}"[:200]
    known = None if fresh else cache.get(key)
    if known is None:
        known = (sorted(ask(task, task.cml.node_definitions)), [one.image_id for one in ask(task, task.cml.image_definitions)])
        cache.set(key, known, KNOWN_FOR)
    wanted = task.operation.parameters
    return (
        sorted(set(wanted["node_definitions"]) - set(known[0])),
        sorted(set(wanted["image_definitions"]) - set(known[1])),
    )


def _several(noun: str, names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return f"{noun}{'' if len(names) == 1 else 's'} {', '.join(names[:MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"


def mark_of(operation: Operation) -> str:
    """What the title of the lab ends with until the lab is known to be this operation's."""
    return f"[{operation.pk.hex[:12]}]"


def import_lab(task: Task) -> Outcome:
    """Send it once. When it may have been sent before, look for it, and do not send it again before CML has had its time."""
    up(task)
    result = task.operation.result
    if result.get("cml_id"):
        return Done("CML had made it already.")
    sent_at = parse_datetime(result.get("sent_at") or "")
    if sent_at is not None:
        if found := _find(task):
            task.remember(cml_id=found, changed=True)
            return Done("CML had made it already.")
        if task.now - sent_at < UNSURE_FOR:
            return Wait(POLL, "CML’s answer was lost: looking whether it made the lab.")
    if result.get("sent", 0) >= MOST_SENT:
        raise Stopped(f"CML on {task.worker} did not make the lab in {MOST_SENT} tries; look there before you import it again.")
    return _send(task)


def _send(task: Task) -> Outcome:
    file = LabFile.objects.filter(operation=task.operation).first()
    if file is None:
        raise Stopped("The file waited too long and was deleted. Import it again.", nothing_done=True)
    title = f"{task.operation.parameters['title'][:48].rstrip()} {mark_of(task.operation)}"
    if not task.remember(sent_at=task.now.isoformat(), sent=task.operation.result.get("sent", 0) + 1):
        raise Stopped("Somebody else goes on with this.")
    try:
        made = ask(task, lambda: task.cml.import_lab(file.text, title=title))
    except cml.CmlError as error:
        if error.maybe_done or isinstance(error, cml.CmlUnexpected):
            return Wait(POLL, error.sentence)
        task.remember(sent_at="")
        raise
    except Stopped:
        task.remember(sent_at="")
        raise
    task.remember(cml_id=made.lab_id, warnings=[warning[:300] for warning in made.warnings[:5]], changed=True)
    return Done(" ".join(made.warnings))


def _find(task: Task) -> str:
    """CML's id of the lab with this operation's mark; "" when there is none."""
    mark = mark_of(task.operation)
    titles = {tile.lab_id: tile.title for tile in ask(task, task.cml.lab_tiles)}
    for lab_id in ask(task, task.cml.lab_ids):
        # CML says that its tiles may lag behind: what they do not have is asked for.
        title = titles.get(lab_id) or _title(task, lab_id)
        if title.endswith(mark):
            return lab_id
    return ""


def _title(task: Task, lab_id: str) -> str:
    try:
        return task.cml.lab(lab_id).title
    except cml.CmlNotFound:
        return ""


def name(task: Task) -> Outcome:
    """Take the mark off the title."""
    up(task)
    title = task.operation.parameters["title"]
    change(
        task,
        lambda: task.cml.rename_lab(task.operation.result["cml_id"], title),
        gone="The lab was deleted in CML as soon as it was imported.",
    )
    return Done(title)


def read(task: Task) -> Outcome:
    """Have the new lab among the portal's, as whose it is."""
    worker = up(task)
    lab = _met(task)
    if not lab.digest or lab.title != task.operation.parameters["title"]:
        refresh.refresh_labs(now=task.now, only=[worker.pk])
        lab.refresh_from_db()
    if not lab.digest and task.lasted() < READ_WITHIN:
        return Wait(POLL, "Its nodes have not been read yet.")
    task.operation.result["link"] = {"url": lab.get_absolute_url(), "label": f"Open {lab}"}
    others = namesakes(worker, lab.title) - 1
    plural = "" if others == 1 else "s"
    return Done(
        f"{others} other lab{plural} on {worker} {'has' if others == 1 else 'have'} the same title." if others > 0 else ""
    )


@transaction.atomic
def _met(task: Task) -> Lab:
    """The lab's row: made now, unless the refresh was quicker. The operation is about it."""
    worker, cml_id, title = task.worker, task.operation.result["cml_id"], task.operation.parameters["title"]
    Worker.objects.select_for_update().filter(pk=worker.pk).first()  # as the refresh does, so that one of the two makes it
    lab = Lab.objects.filter(worker=worker, cml_id=cml_id).first()
    if lab is None:
        seen = {"first_seen_at": task.now, "last_seen_at": task.now, "state_since": task.now}
        lab = Lab(
            id=task.operation.subject_id, worker=worker, worker_name=str(worker)[:255], cml_id=cml_id, title=title, **seen
        )
        lab.save(force_insert=True)
        said(task, lab, EventKind.LAB_SEEN, after=title)
        events.tell_lab(lab, events.CREATED, at=task.now)
        events.announce_membership(worker_id=worker.pk)
    if lab.pk != task.operation.subject_id:
        task.operation.subject_id = lab.pk
        Operation.objects.filter(pk=task.operation.pk).update(subject_id=lab.pk)
    return lab


def succeeded(operation: Operation, took: str) -> str:
    """The sentence of a success, with what CML warned of."""
    warnings = " ".join(operation.result.get("warnings") or [])
    return (
        f"{operation.subject_name} is on {operation.worker_name} after {took}.{f' CML warns: {warnings}' if warnings else ''}"
    )
