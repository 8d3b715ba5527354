"""Buttons, forms and pages of operations on labs: who gets which, what is refused beside the field, and hostile text that does nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from labs.models import Lab, LabFile
from labs.services.operations import files
from tests.conftest import signed_in
from tests.labs.makers import make_lab
from tests.labs.operating import yaml_of
from tests.labs.test_yaml_checks import BOMB
from tests.makers import make_worker
from tests.operating import K, by
from workers.models import Event, Operation, Worker
from workers.services.operations import asking

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def worker() -> Worker:
    return make_worker(name="w", cml_version="2.9.1+build.7", labs_succeeded_at=timezone.now())


def page(client: Client, address: str, **headers: Any) -> str:
    return client.get(address, **headers).content.decode()


def upload(text: str, name: str = "lab.yaml") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode(), content_type="application/x-yaml")


# ── Buttons ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_each_role_sees_what_it_may_use(worker: Worker, uma: User, miguel: User, ada: User) -> None:
    lab = make_lab(worker, state="STARTED", state_text="STARTED", nodes_running=1)
    found = {person.username: page(signed_in(person), lab.get_absolute_url()) for person in (uma, miguel, ada)}

    assert "action-start" not in found["uma"]
    for name in ("action-start", "action-stop", "action-wipe", "action-download"):
        assert name in found["miguel"]
    assert "action-delete" not in found["miguel"]
    assert "action-delete" in found["ada"]


def test_rows_have_boxes_and_buttons_for_those_who_may_operate_and_the_streams_rows_have_none(
    worker: Worker, uma: User, miguel: User
) -> None:
    lab = make_lab(worker)

    assert f'value="{lab.pk}"' not in page(signed_in(uma), "/labs/")
    listed = page(signed_in(miguel), "/labs/")
    assert f'formaction="/labs/{lab.pk}/start/"' in listed
    assert listed.count(f'value="{lab.pk}"') == 2


def test_a_button_that_is_shut_says_why(worker: Worker, miguel: User) -> None:
    lab = make_lab(worker)
    Worker.objects.filter(pk=worker.pk).update(service_state="starting")

    assert "w runs, but its CML is starting; a lab is changed by CML itself" in page(signed_in(miguel), lab.get_absolute_url())


def test_a_press_without_script_leads_back_to_the_lab_and_says_what_happens(worker: Worker, miguel: User) -> None:
    lab = make_lab(worker)
    client = signed_in(miguel)

    answer = client.post(f"/labs/{lab.pk}/start/", follow=True)

    assert answer.redirect_chain == [(lab.get_absolute_url(), 302)]
    assert "Starting lab CCNA: VLANs." in answer.content.decode()
    operation = Operation.objects.get()
    assert (operation.kind, operation.subject_id, operation.actor, operation.slot) == ("lab_start", lab.pk, miguel, lab.slot)
    asked = Event.objects.get(kind="operation.asked")
    assert (asked.subject_id, asked.subject_name, asked.actor_name) == (lab.pk, "CCNA: VLANs", "miguel")


def test_two_people_who_press_at_once_start_it_once(worker: Worker, miguel: User, ada: User) -> None:
    lab = make_lab(worker)
    signed_in(miguel).post(f"/labs/{lab.pk}/start/")

    answer = signed_in(ada).post(f"/labs/{lab.pk}/start/", **HTMX).content.decode()

    assert "Starting lab CCNA: VLANs is on its way already, asked by miguel" in answer
    assert Operation.objects.count() == 1


def test_an_operation_on_a_lab_is_no_business_of_the_workers_row(worker: Worker, miguel: User) -> None:
    lab = make_lab(worker)
    signed_in(miguel).post(f"/labs/{lab.pk}/start/")

    assert "in-flight" not in page(signed_in(miguel), "/")
    assert "Starting lab" in page(signed_in(miguel), "/labs/")


def test_deleting_needs_the_title_typed(worker: Worker, ada: User) -> None:
    lab = make_lab(worker, title="two  spaces")
    client = signed_in(ada)

    wrong = client.post(f"/labs/{lab.pk}/delete/", {"title": "two"}, **HTMX)

    assert wrong.status_code == 422
    assert "type two spaces exactly" in wrong.content.decode()
    assert not Operation.objects.exists()
    right = client.post(f"/labs/{lab.pk}/delete/", {"title": "two spaces", "reason": "old"})
    assert (right.status_code, right["Location"]) == (302, lab.get_absolute_url())
    assert Operation.objects.get().reason == "old"


# ── Many ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_many_by_selection_first_a_preview_then_a_result_for_each(worker: Worker, miguel: User) -> None:
    runs = make_lab(worker, title="runs", state="STARTED", state_text="STARTED", nodes_running=2)
    idle = make_lab(worker, title="idle")
    make_lab(worker, title="other")
    client = signed_in(miguel)

    preview = client.post("/labs/bulk/", {"action": "start", "ids": [str(runs.pk), str(idle.pk)]}).content.decode()

    assert "Start 1 lab?" in preview
    assert "runs runs already; there is nothing to do." in preview
    assert not Operation.objects.exists()
    answer = client.post("/labs/bulk/", {"action": "start", "ids": [str(idle.pk)], "confirm": "1", "reason": "class"})
    operation = Operation.objects.get()
    assert answer["Location"] == f"/operations/batches/{operation.batch}/"
    results = page(client, answer["Location"])
    assert "Start lab, 1 lab" in results
    assert "Start lab idle" in results
    assert f"/operations/batches/{operation.batch}/retry/" not in results


def test_many_by_filter(worker: Worker, miguel: User) -> None:
    for number in range(3):
        make_lab(worker, title=f"ccna {number}")
    make_lab(worker, title="ccnp")

    preview = signed_in(miguel).post("/labs/bulk/", {"action": "start", "all": "1", "query": "?q=ccna"}).content.decode()

    assert "Start 3 labs?" in preview
    assert preview.count('name="ids"') == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"action": "start"}, "select labs first"),
        ({"action": "wipe"}, "choose Start, Stop or Back up"),
        ({}, "choose Start, Stop or Back up"),
    ],
)
def test_what_makes_no_sense_is_said(miguel: User, body: dict[str, str], words: str) -> None:
    assert words in signed_in(miguel).post("/labs/bulk/", body, follow=True).content.decode()


def test_who_may_not_operate_may_not_retry_a_batch(worker: Worker, miguel: User, uma: User) -> None:
    gone = make_lab(worker, gone_at=timezone.now())
    signed_in(miguel).post("/labs/bulk/", {"action": "start", "ids": [str(gone.pk)], "confirm": "1"})
    address = f"/operations/batches/{Operation.objects.get().batch}/retry/"

    assert signed_in(uma).post(address).status_code == 403
    assert signed_in(miguel).post(address).status_code == 302
    assert Operation.objects.count() == 2


# ── Import ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_uploaded_file_becomes_an_operation(worker: Worker, miguel: User) -> None:
    make_lab(worker)
    data = {"worker": str(worker.pk), "file": upload(yaml_of()), "reason": "new class"}

    answer = signed_in(miguel).post("/labs/import/", data, follow=True)

    operation = Operation.objects.get()
    assert answer.redirect_chain == [(operation.get_absolute_url(), 302)]
    said = answer.content.decode()
    assert "Importing lab CCNA: VLANs." in said
    assert "w has another lab titled CCNA: VLANs" in said
    assert (LabFile.objects.get().text, operation.reason) == (yaml_of(), "new class")


def test_pasted_text_does_too(worker: Worker, miguel: User) -> None:
    data = {"worker": str(worker.pk), "text": yaml_of(), "title": "Mine"}

    assert signed_in(miguel).post("/labs/import/", data).status_code == 302
    assert Operation.objects.get().subject_name == "Mine"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Choose a file, or paste the YAML below."),
        ({"text": yaml_of(), "file": yaml_of()}, "not both"),
        ({"text": "lab: [unclosed"}, "It is no YAML"),
        ({"file": BOMB + yaml_of()}, "aliases"),
        ({"file": "x: !!python/object/apply:os.system ['true']"}, "Nothing was executed"),
        ({"file": "x: " + "y" * (5 * 1024 * 1024)}, "larger than 5 MB"),
        ({"file": yaml_of(version="0.3.1")}, "needs CML 2.10"),
        ({"file": yaml_of(title="t" * 65)}, "CML takes at most 64"),
        ({"file": yaml_of(), "title": "t" * 65}, "at most 64 characters"),
        ({"text": yaml_of().replace("CCNA", SCRIPT) + "nonsense"}, "It is no YAML"),
    ],
)
def test_what_cannot_be_imported_is_said_beside_the_field_and_changes_nothing(
    worker: Worker, miguel: User, data: dict[str, str], words: str
) -> None:
    body: dict[str, Any] = {"worker": str(worker.pk)} | data
    if "file" in body:
        body["file"] = upload(body["file"])

    answer = signed_in(miguel).post("/labs/import/", body)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert SCRIPT not in answer.content.decode()
    assert not Operation.objects.exists()
    assert not LabFile.objects.exists()


def test_a_worker_whose_cml_is_not_ready_is_refused(worker: Worker, miguel: User) -> None:
    Worker.objects.filter(pk=worker.pk).update(service_state="starting")

    answer = signed_in(miguel).post("/labs/import/", {"worker": str(worker.pk), "text": yaml_of()})

    assert answer.status_code == 422
    assert "its CML is starting" in answer.content.decode()


def test_a_request_that_is_far_too_large_is_refused_unread(miguel: User) -> None:
    answer = signed_in(miguel).post(
        "/labs/import/", b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH="99999999"
    )

    assert answer.status_code == 422
    assert "at most 5 MB" in answer.content.decode()


def test_an_import_needs_the_forms_token(worker: Worker, miguel: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(miguel)

    assert client.post("/labs/import/", {"worker": str(worker.pk), "text": yaml_of()}).status_code == 403
    assert not Operation.objects.exists()


# ── Download, and hostile text ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("CCNA: VLANs", "CCNA-VLANs.yaml"),
        ("../../etc/passwd", "etc-passwd.yaml"),
        ("..\\..\\windows\\system32", "windows-system32.yaml"),
        ("/", "lab.yaml"),
        (".htaccess", "htaccess.yaml"),
        ('a"; filename="b.exe', "a-filename-b-exe.yaml"),
        ("line\r\nSet-Cookie: x=1", "line-Set-Cookie-x-1.yaml"),
        ("Übung é", "Ubung-e.yaml"),
        ("研修", "lab.yaml"),
        ("x" * 300, "x" * 80 + ".yaml"),
        (SCRIPT, "script-alert-1-script.yaml"),
    ],
)
def test_a_file_has_a_name_that_is_safe_whatever_the_title(title: str, name: str) -> None:
    assert files.name_of(title) == name


def test_a_fetched_file_is_handed_out_as_a_file_to_those_who_may(worker: Worker, uma: User, miguel: User) -> None:
    lab = make_lab(worker, title="../../x")
    subject = asking.Subject(id=lab.pk, name=lab.title, slot=lab.slot)
    operation = asking.ask(kind=K.LAB_DOWNLOAD, worker=worker, by=by(miguel), now=timezone.now(), subject=subject)
    files.keep(operation, f"lab: {SCRIPT} é", name=files.name_of(lab.title), now=timezone.now())
    address = f"/labs/files/{operation.pk}/"

    answer = signed_in(miguel).get(address)

    assert answer.content.decode() == f"lab: {SCRIPT} é"
    assert answer["Content-Disposition"] == 'attachment; filename="x.yaml"'
    assert answer["Content-Type"].startswith("application/x-yaml")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert signed_in(uma).get(address).status_code == 403


def test_the_yaml_of_an_import_is_handed_out_to_nobody(worker: Worker, ada: User) -> None:
    signed_in(ada).post("/labs/import/", {"worker": str(worker.pk), "text": yaml_of()})

    assert signed_in(ada).get(f"/labs/files/{Operation.objects.get().pk}/").status_code == 404


def test_script_in_a_title_is_text_wherever_operations_show_it(worker: Worker, ada: User) -> None:
    lab = make_lab(worker, title=SCRIPT)
    client = signed_in(ada)
    client.post(f"/labs/{lab.pk}/start/")
    operation = Operation.objects.get()
    Operation.objects.update(sentence=f"{SCRIPT} runs")

    for address in (
        "/labs/",
        lab.get_absolute_url(),
        f"/labs/{lab.pk}/wipe/",
        f"/labs/{lab.pk}/delete/",
        "/operations/",
        operation.get_absolute_url(),
        f"/workers/{worker.pk}/operations/",
        "/audit/",
    ):
        found = page(client, address)
        assert SCRIPT not in found, address
        assert "&lt;script&gt;alert(1)" in found, address
    preview = client.post("/labs/bulk/", {"action": "stop", "ids": [str(lab.pk)]}).content.decode()
    assert SCRIPT not in preview
    assert Lab.objects.get().title == SCRIPT


def test_the_panel_of_a_worker_leads_to_an_import_there(worker: Worker, uma: User, miguel: User) -> None:
    address = f"/labs/import/?worker={worker.pk}"

    assert address in page(signed_in(miguel), f"/workers/{worker.pk}/labs/")
    assert address not in page(signed_in(uma), f"/workers/{worker.pk}/labs/")
    assert f'<option value="{worker.pk}" selected>' in page(signed_in(miguel), address)
