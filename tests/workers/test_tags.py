"""Tags: what the form showed and the person changed, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers import tag_rules
from workers.models import Operation, Worker
from workers.services.operations.plans import launch

pytestmark = pytest.mark.django_db
OUR_TAG = launch.OUR_TAG


def filled(shown: list[tuple[str, str, str, bool]] | None = None, new: list[tuple[str, str]] | None = None) -> dict[str, Any]:
    """What a browser posts: shown rows (key, value as it was, value now, remove), and new ones."""
    shown, new = shown or [], new or []
    data: dict[str, Any] = {
        "shown-TOTAL_FORMS": len(shown),
        "shown-INITIAL_FORMS": len(shown),
        "new-TOTAL_FORMS": 10,
        "new-INITIAL_FORMS": 0,
    }
    for number, (key, was, value, remove) in enumerate(shown):
        data |= {f"shown-{number}-key": key, f"shown-{number}-was": was, f"shown-{number}-value": value}
        if remove:
            data[f"shown-{number}-remove"] = "on"
    for number, (key, value) in enumerate(new):
        data |= {f"new-{number}-key": key, f"new-{number}-value": value}
    return data


def save(person: User, worker: Worker, data: dict[str, Any]) -> tuple[int, str]:
    answer = signed_in(person).post(f"/workers/{worker.pk}/tags/", data)
    return answer.status_code, answer.content.decode()


def asked() -> dict[str, Any]:
    return dict(Operation.objects.get().parameters)


def test_only_what_was_changed_is_set_and_removed(miguel: User) -> None:
    worker = make_worker(tags={"Name": "w", "team": "blue", "old": "x", "meanwhile": "added in EC2"})

    status, _ = save(
        miguel,
        worker,
        filled(
            [("Name", "w", "w", False), ("team", "blue", "red", False), ("old", "x", "x", True)],
            [("course", "ENCOR"), ("", "")],
        ),
    )

    assert status == 302
    assert asked() == {"set": {"team": "red", "course": "ENCOR"}, "remove": ["old"]}


def test_the_form_shows_every_tag_and_ten_new_rows(miguel: User) -> None:
    worker = make_worker(tags={"Name": "w", "team": "<b>blue</b>", "aws:stack": "s", OUR_TAG: "id"})

    page = signed_in(miguel).get(f"/workers/{worker.pk}/tags/").content.decode()

    assert 'name="shown-1-value" value="&lt;b&gt;blue&lt;/b&gt;"' in page
    assert 'name="new-9-key"' in page
    assert "aws:stack" in page
    assert 'value="aws:stack"' not in page
    assert f'value="{OUR_TAG}"' not in page


@pytest.mark.parametrize(
    ("key", "value", "field", "sentence"),
    [
        ("aws:team", "x", "new-0-key", "belong to AWS"),
        ("AWS:team", "x", "new-0-key", "belong to AWS"),
        (OUR_TAG, "x", "new-0-key", "cannot be changed"),
        ("k" * 129, "x", "new-0-key", "at most 128 characters"),
        ("key", "v" * 257, "new-0-value", "at most 256 characters"),
        ("key<", "x", "new-0-key", "is not allowed"),
        ("key", "100 %", "new-0-value", "is not allowed"),
        ("", "x", "new-0-key", "Enter the key"),
        ("team", "red", "new-0-key", "is there already"),
        ("Name", "", "new-0-key", "is there already"),
    ],
)
def test_what_ec2_would_refuse_is_refused_beside_its_field(
    key: str, value: str, field: str, sentence: str, miguel: User
) -> None:
    worker = make_worker(tags={"Name": "w", "team": "blue"})

    status, page = save(miguel, worker, filled(new=[(key, value)]))

    assert status == 422
    error = page.split(f'id="{field}_error"', 1)[1].split("</p>", 1)[0]
    assert sentence in error.replace("&#x27;", "'")
    assert not Operation.objects.exists()


def test_letters_of_every_script_are_allowed(miguel: User) -> None:
    worker = make_worker()

    status, _ = save(miguel, worker, filled(new=[("größe", "五 / आठ")]))

    assert status == 302


def test_one_key_twice_is_refused(miguel: User) -> None:
    status, page = save(miguel, make_worker(), filled(new=[("a", "1"), ("a", "2")]))

    assert status == 422
    assert "a is in another row too." in page


def test_the_name_can_be_changed_but_not_taken_away(miguel: User) -> None:
    worker = make_worker(tags={"Name": "w"})

    for row in (("Name", "w", "", False), ("Name", "w", "w", True)):
        status, page = save(miguel, worker, filled([row]))
        assert (status, "The worker needs a name." in page) == (422, True)
    status, _ = save(miguel, worker, filled([("Name", "w", "better", False)]))

    assert status == 302
    assert asked()["set"] == {"Name": "better"}


@pytest.mark.parametrize("key", ["aws:stack", OUR_TAG])
def test_a_fixed_tag_cannot_be_forged_into_the_form(key: str, miguel: User) -> None:
    worker = make_worker(tags={key: "x"})

    assert save(miguel, worker, filled([(key, "x", "y", False)]))[0] == 422
    assert save(miguel, worker, filled([(key, "x", "x", True)]))[0] == 422
    assert not Operation.objects.exists()


def test_fifty_tags_are_the_most_and_aws_ones_do_not_count(miguel: User) -> None:
    worker = make_worker(tags={"aws:stack": "s"} | {f"k{n}": "v" for n in range(49)})

    assert save(miguel, worker, filled(new=[("one", "1"), ("two", "2")]))[0] == 422
    status, page = save(miguel, worker, filled([("k0", "v", "v", True)], [("one", "1"), ("two", "2"), ("three", "3")]))
    assert (status, "EC2 allows 50" in page) == (422, True)
    assert save(miguel, worker, filled(new=[("one", "1")]))[0] == 302


def test_an_unchanged_form_asks_for_nothing(miguel: User) -> None:
    worker = make_worker(tags={"note": "two\nlines "})

    status, page = save(miguel, worker, filled([("note", "two\r\nlines ", "twolines ", False)]))

    assert (status, "Nothing is changed yet." in page) == (422, True)


def test_the_tag_that_finds_workers_again_is_fixed() -> None:
    assert tag_rules.is_fixed(OUR_TAG)
