"""Versions on pages: lists, one of them, two compared, restoring, the archive; and hostile content in all of these."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from labs.choices import LabVersionReason
from labs.models import Lab, LabVersion, LabYaml
from labs.services.versions.retention import prune
from labs.services.versions.totals import totals
from tests.conftest import signed_in
from tests.labs.makers import make_lab
from tests.labs.saving import version_of, yaml_of
from tests.makers import make_worker
from workers.models import Operation

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


def page(person: User, address: str) -> str:
    answer = signed_in(person).get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_everybody_sees_that_a_lab_was_saved_and_only_operators_what_was(uma: User, miguel: User) -> None:
    lab = make_lab()
    version = version_of(lab)

    for address in (f"/labs/{lab.pk}/", f"/labs/{lab.pk}/versions/", "/labs/versions/"):
        assert "Asked for" in page(uma, address)
        assert f"/labs/versions/{version.pk}/" not in page(uma, address)
        assert f"/labs/versions/{version.pk}/restore/" in page(miguel, address)


def test_a_version_is_downloaded_byte_for_byte_under_a_safe_name(miguel: User) -> None:
    lab = make_lab(title='../../etc/passwd"\r\nX: é')
    text = yaml_of() + "# ä\r\n# \ttab\n"
    version = version_of(lab, text)

    answer = signed_in(miguel).get(f"/labs/versions/{version.pk}/download/")

    assert answer.content == text.encode()
    assert hashlib.sha256(answer.content).hexdigest() == version.content_id
    assert answer["Content-Disposition"] == f'attachment; filename="etc-passwd-X-e-{version.at:%Y%m%d-%H%M%S}.yaml"'


def test_hostile_text_is_shown_as_text_and_a_long_one_only_in_part(miguel: User) -> None:
    lab = make_lab(title=EVIL)
    old = version_of(lab, yaml_of(EVIL.replace("'", "")))
    new = version_of(lab, yaml_of(f"{EVIL} 2", configuration=EVIL) + "# " + "x" * 250_000 + "END\n")

    shown = page(miguel, f"/labs/versions/{new.pk}/")
    assert "Only the beginning is shown" in shown
    assert "END" not in shown
    compared = page(miguel, f"/labs/{lab.pk}/versions/compare/?old={new.pk}&new={old.pk}")
    assert "Configuration of h0, h1 changed." in compared
    assert len(compared) < 50_000
    for html in (shown, compared, page(miguel, f"/labs/{lab.pk}/versions/"), page(miguel, f"/labs/versions/{old.pk}/restore/")):
        assert EVIL not in html
        assert "&lt;script&gt;" in html


@pytest.mark.parametrize("query", ["", "?old=1", "?old=x&new=²", "?old=99999999999999999999&new=1", "?old=1&new=1"])
def test_a_comparison_needs_two_versions_of_the_lab(query: str, miguel: User) -> None:
    lab = make_lab()

    assert signed_in(miguel).get(f"/labs/{lab.pk}/versions/compare/{query}").status_code == 302


def test_a_lab_that_is_gone_is_restored_from_the_list_of_gone_labs(miguel: User, settings: Any) -> None:
    gone, there = make_worker(machine_state="terminated"), make_worker(name="there", cml_version="2.9.1")
    lab = make_lab(gone, title="Lost")
    version = version_of(lab)
    assert f"/labs/{lab.pk}/" in page(miguel, "/labs/?state=gone")
    assert f"/labs/versions/{version.pk}/restore/" in page(miguel, f"/labs/{lab.pk}/")
    browser, address = signed_in(miguel), f"/labs/versions/{version.pk}/restore/"
    assert browser.post(address, {"worker": ""}).status_code == 422
    assert browser.post(address, {"worker": str(gone.pk)}).status_code == 422

    answer = browser.post(address, {"worker": str(there.pk), "title": "Found"})

    operation = Operation.objects.get()
    assert answer["Location"] == operation.get_absolute_url()
    assert (operation.kind, operation.worker, operation.subject_name) == ("lab_restore", there, "Found")
    assert operation.lab_file.text == version.content.text


def test_a_version_too_new_for_a_cml_is_refused_before_anything_is_sent(miguel: User) -> None:
    old = make_worker(cml_version="2.4.0")
    version = version_of(make_lab())

    answer = signed_in(miguel).post(f"/labs/versions/{version.pk}/restore/", {"worker": str(old.pk)})

    assert answer.status_code == 422
    assert "needs CML 2.7" in answer.content.decode()
    assert not Operation.objects.exists()


def test_a_backup_is_asked_for_with_a_note_and_pinned(miguel: User) -> None:
    lab, browser = make_lab(), signed_in(miguel)

    answer = browser.post(f"/labs/{lab.pk}/backup/", {"note": "before the exam", "extract": "on"})

    assert answer["Location"] == f"/labs/{lab.pk}/versions/"
    assert Operation.objects.get().parameters == {"note": "before the exam", "extract": True}
    version = version_of(lab)
    for on in ("1", "0"):
        browser.post(f"/labs/versions/{version.pk}/pin/", {"on": on})
        version.refresh_from_db()
        assert version.pinned == (on == "1")


def test_selected_labs_are_backed_up_from_the_labs_page(miguel: User) -> None:
    labs = [make_lab(), make_lab()]

    form = {"action": "backup", "ids": [str(lab.pk) for lab in labs], "confirm": "1"}
    answer = signed_in(miguel).post("/labs/bulk/", form)

    assert answer.status_code == 302
    assert set(Operation.objects.values_list("kind", "subject_id")) == {("lab_backup", lab.pk) for lab in labs}


# ── The archive ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_archive_has_every_saved_lab_under_a_name_that_stays_in_its_folder(miguel: User) -> None:
    worker = make_worker(name="../evil worker")
    titles = [
        "../../up",
        "..\\..\\up",
        "/etc/passwd",
        "C:\\x",
        "same",
        "same",
        "Ünïcode ☃",
        "x" * 300,
        "",
        ".hidden",
        "a\nb",
        "CON",
    ]
    for number, title in enumerate(titles):
        version_of(make_lab(worker, title=title[:255]), yaml_of(f"Lab {number}"))
    unsaved = make_lab(worker, title="Never saved")
    version_of(make_lab(worker, title="Gone", gone_at=unsaved.first_seen_at))

    answer = signed_in(miguel).get(f"/workers/{worker.pk}/labs/archive/")

    assert answer["Content-Disposition"].startswith('attachment; filename="evil-worker-labs-')
    packed = zipfile.ZipFile(io.BytesIO(b"".join(answer)))
    assert packed.testzip() is None
    names = packed.namelist()
    assert len(set(names)) == len(names) == len(titles) + 1
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") for name in names)
    assert not any(name.startswith((".", "/")) or ".." in name for name in names)
    facts = json.loads(packed.read("manifest.json"))
    assert (facts["worker"], len(facts["labs"])) == ("../evil worker", len(titles) + 1)
    for lab in facts["labs"]:
        if lab["title"] == "Never saved":
            assert (lab["file"], lab["problem"]) == ("", "It was never saved.")
        else:
            assert hashlib.sha256(packed.read(lab["file"])).hexdigest() == lab["sha256"]
    with_gone = signed_in(miguel).get(f"/workers/{worker.pk}/labs/archive/?gone=1")
    assert len(zipfile.ZipFile(io.BytesIO(b"".join(with_gone))).namelist()) == len(titles) + 2


# ── Retention ──────────────────────────────────────────────────────────────────────────────────────────────────────
def kept(lab: Lab) -> list[int]:
    """How many days old each version is that is left."""
    newest = LabVersion.objects.filter(lab=lab).order_by("at")
    return [round((timezone.now() - version.at).total_seconds() / 86400) for version in newest]


def test_old_versions_go_and_the_newest_and_the_pinned_stay(settings: Any) -> None:
    settings.LAB_VERSION_DAYS, settings.LAB_GONE_DAYS = 30, 100
    there, gone, long_gone = (make_lab(**({"gone_at": timezone.now()} if is_gone else {})) for is_gone in (0, 1, 1))
    for lab, days in ((there, (400, 200, 60, 50)), (gone, (99, 98)), (long_gone, (300, 200))):
        for ago in days:
            version_of(lab, yaml_of(f"{lab.pk} {ago}"), days_ago=ago)
    pinned = LabVersion.objects.filter(lab=there).earliest("at")
    LabVersion.objects.filter(pk=pinned.pk).update(pinned=True)

    assert prune(now=timezone.now()) == 5

    assert (kept(there), kept(gone), kept(long_gone)) == ([400, 50], [98], [])
    assert LabYaml.objects.count() == 3
    assert totals().versions == totals().texts == 3


def test_so_many_different_texts_are_kept_and_not_more(settings: Any) -> None:
    settings.LAB_VERSIONS_KEEP = 2
    lab = make_lab()
    for ago, text in ((5, "a"), (4, "b"), (3, "c"), (2, "c"), (1, "b")):
        version_of(lab, yaml_of(text), days_ago=ago, why=LabVersionReason.BEFORE_STOP)

    prune(now=timezone.now())

    assert kept(lab) == [4, 3, 2, 1]
    assert LabYaml.objects.count() == 2


def test_a_version_that_is_confirmed_every_night_does_not_grow_old(settings: Any) -> None:
    settings.LAB_VERSION_DAYS = 30
    lab = make_lab()
    version_of(lab, days_ago=60, why=LabVersionReason.NIGHTLY)
    version_of(lab, days_ago=2, why=LabVersionReason.NIGHTLY)
    version_of(lab, yaml_of("Changed"), days_ago=1)

    prune(now=timezone.now())

    assert kept(lab) == [60, 1]
