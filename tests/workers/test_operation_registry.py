"""Other apps bring kinds of operations and steps along; the engine reads them, and a mistake in that is found at start-up."""

from __future__ import annotations

import pytest

from tests.operating import K
from workers.services.operations import plans, registry
from workers.services.operations.registry import Kind
from workers.services.operations.rules import Ruling, Verdict
from workers.services.operations.steps import Done


@pytest.fixture(autouse=True)
def registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_KINDS", {})
    monkeypatch.setattr(registry, "_BEFORE", {})


KIND = Kind(
    permission="labs.operate_lab",
    steps=(("one", "One", lambda task: Done()),),
    ruling=lambda worker, subject_id: Ruling(Verdict.ACT),
    succeeded=lambda operation, took: "Done.",
)


def names(kind: K) -> list[str]:
    return [step["name"] for step in plans.steps_of(kind)]


def test_steps_of_another_app_come_before_the_step_that_they_name() -> None:
    registry.register_before(K.STOP, "stop", (("save", "Save labs", lambda task: Done()),))

    assert names(K.STOP) == ["save", "stop", "stopped"]
    assert names(K.START)[0] == "start"


def test_they_may_come_before_those_of_other_apps_too() -> None:
    registry.register(K.LAB_STOP, KIND)
    registry.register_before(K.LAB_STOP, "one", (("save", "Save", lambda task: Done()),))

    assert names(K.LAB_STOP) == ["save", "one"]


def test_registering_the_same_again_is_nothing_and_another_is_a_defect() -> None:
    plan = (("save", "Save", lambda task: Done()),)
    for _ in range(2):
        registry.register(K.LAB_STOP, KIND)
        registry.register_before(K.STOP, "stop", plan)

    with pytest.raises(ValueError, match="registered already"):
        registry.register(K.LAB_STOP, Kind(permission="x", steps=(), ruling=KIND.ruling, succeeded=KIND.succeeded))
    with pytest.raises(ValueError, match="registered already"):
        registry.register_before(K.STOP, "stop", ())


def test_every_kind_is_known_to_somebody() -> None:
    own = {kind for kind in K if not kind.value.startswith("lab_")}

    assert set(plans.PLANS) == own
