"""Two texts of a lab side by side: in words, by lines, and never for longer than a request may take."""

from __future__ import annotations

import time

import pytest

from labs.comparison import MOST_COMPARED, MOST_SHOWN, compare
from tests.labs.saving import yaml_of


def test_what_changed_is_said_in_words() -> None:
    old = yaml_of(nodes=4, links=3)
    new = yaml_of("CCNA: Trunks", nodes=5, links=2).replace("hostname r1", "hostname core").replace("x: 200", "x: 999")

    comparison = compare(old, new)

    assert comparison.summary == [
        "The title was “CCNA: VLANs” and is “CCNA: Trunks”.",
        "1 node added: h4.",
        "Configuration of h1 changed.",
        "1 node moved in the picture.",
        "1 link removed: h2 i0 – h3 i1.",
    ]
    assert (comparison.added, comparison.removed) == (4, 4)


def test_lines_are_numbered_as_in_each_text_with_what_is_around_them() -> None:
    lines = [f"# {n}" for n in range(1, 41)]
    old = yaml_of() + "\n".join(lines)
    new = yaml_of() + "\n".join([*lines[:20], "# new", *lines[20:39], "# other"])

    comparison = compare(old, new)

    head = len(yaml_of().splitlines())
    shown = [(line.sign, line.old, line.new, line.text) for line in comparison.lines]
    assert shown[0] == ("@", None, None, "")
    assert shown[1:8] == [
        *((" ", head + n, head + n, f"# {n}") for n in (18, 19, 20)),
        ("+", None, head + 21, "# new"),
        *((" ", head + n, head + n + 1, f"# {n}") for n in (21, 22, 23)),
    ]
    assert shown[8][0] == "@"
    assert shown[-2:] == [("-", head + 40, None, "# 40"), ("+", None, head + 41, "# other")]
    assert comparison.summary == ["Its nodes, links and configurations are the same."]


def test_the_same_text_has_no_lines() -> None:
    assert compare(yaml_of(), yaml_of()).is_same


@pytest.mark.parametrize("lines", [MOST_COMPARED - 20, MOST_COMPARED * 20])
def test_two_texts_that_have_nothing_in_common_are_told_in_time(lines: int) -> None:
    old = yaml_of() + "".join(f"# old {n % 97} {n}\n" for n in range(lines))
    new = yaml_of("New") + "".join(f"# new {n % 89} {n}\n" for n in range(lines))
    began = time.monotonic()

    comparison = compare(old, new)

    assert time.monotonic() - began < 10
    assert comparison.removed >= lines
    assert len(comparison.lines) <= MOST_SHOWN
    assert comparison.left_out


def test_what_is_no_lab_is_still_compared_by_lines() -> None:
    comparison = compare("a: &a [x]\nb: *a\n", "a: [x]\n")

    assert comparison.summary[0].startswith("What changed in its structure cannot be told.")
    assert (comparison.added, comparison.removed) == (1, 2)
