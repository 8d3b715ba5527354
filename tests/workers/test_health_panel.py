"""CML's checks of its hosts on the worker's page."""

from __future__ import annotations

import re

import pytest

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.templatetags.health import admission, in_words, sum_up


def test_failed_checks_come_first_with_what_they_mean_and_what_to_do() -> None:
    rows = in_words(
        {
            "enough_cpus": True,
            "fabric": None,
            "kvm_vmx_enabled": False,
            "cpu_overload": True,
            "disk_overload": False,
            "new_one": False,
        }
    )

    assert [(row["label"], row["word"]) for row in rows] == [
        ("Hardware virtualisation", "Fails"),
        ("CPU not overloaded", "Fails"),
        ("New one", "Fails"),
        ("Network fabric", "Unknown"),
        ("Enough CPUs", "Passes"),
        ("Disk not overloaded", "Passes"),
    ]
    assert all(bool(row["remedy"]) == (row["word"] == "Fails") for row in rows)
    assert "metal" in rows[0]["remedy"]
    assert sum_up(rows) == {"tone": "bad", "words": "Fails: Hardware virtualisation and 2 more"}


@pytest.mark.parametrize("odd", [None, "", [], "garbage", 3])
def test_checks_that_are_no_table_have_no_rows(odd: object) -> None:
    assert in_words(odd) == []
    assert sum_up(in_words(odd))["tone"] == "unknown"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("READY", "ready to run nodes"),
        ("ONLINE", "connected, but not admitted to run nodes"),
        ("DRAINING", "draining"),
        ("", ""),
    ],
)
def test_admission_in_words(state: str, words: str) -> None:
    assert admission(state) == words


@pytest.mark.django_db
def test_each_compute_of_a_cluster_has_its_own_table_and_the_failing_one_is_open(uma: User) -> None:
    good = {"kvm_vmx_enabled": True, "memory_overload": False}
    computes = [
        {"hostname": "cml-controller", "is_controller": True, "valid": True, "admission_state": "READY", "checks": good},
        {
            "hostname": "<b>compute-2</b>",
            "is_controller": False,
            "valid": False,
            "admission_state": "REGISTERED",
            "checks": good | {"memory_overload": True},
        },
    ]
    worker = make_worker(service_state="degraded", health={"computes": computes, "controller": {"core_connected": True}})

    page = signed_in(uma).get(f"/workers/{worker.pk}/").content.decode()

    tables = re.findall(r'<details class="health"(.*?)</details>', page, re.DOTALL)
    assert len(tables) == 3
    controller, first, second = tables
    assert "Its check passes" in controller
    assert "controller" in first
    assert " open" not in first.split(">", 1)[0]
    assert " open" in second.split(">", 1)[0]
    assert "&lt;b&gt;compute-2" in second
    assert "registered, but not connected" in second
    assert second.index("Memory not overloaded") < second.index("Hardware virtualisation")
    assert "Stop labs" in second
