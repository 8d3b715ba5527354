"""Environment readers fail loudly and name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from cmlmanager import env


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTAL_X", raising=False)
    with pytest.raises(ImproperlyConfigured, match="PORTAL_X"):
        env.text("PORTAL_X")


def test_a_secret_comes_from_a_file_without_its_line_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" s3cret \n")
    monkeypatch.setenv("PORTAL_X_FILE", str(tmp_path / "secret"))
    assert env.text("PORTAL_X") == " s3cret "


def test_an_unreadable_file_and_two_sources_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORTAL_X_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match="PORTAL_X_FILE"):
        env.text("PORTAL_X")
    monkeypatch.setenv("PORTAL_X", "here too")
    with pytest.raises(ImproperlyConfigured, match="Both PORTAL_X and PORTAL_X_FILE"):
        env.text("PORTAL_X")


@pytest.mark.parametrize(
    ("word", "value"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("false", False), ("", False)]
)
def test_yes_and_no(word: str, value: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", word)
    assert env.boolean("PORTAL_X", not value) is value


def test_a_word_that_is_neither_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="PORTAL_X"):
        env.boolean("PORTAL_X", True)


@pytest.mark.parametrize("word", ["ten", "1.5", "0", "101", ""])
def test_numbers_have_bounds(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", word)
    with pytest.raises(ImproperlyConfigured, match="PORTAL_X"):
        env.integer("PORTAL_X", 5, minimum=1, maximum=100)


def test_names_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_X", " a, b,,c ")
    assert env.names("PORTAL_X") == ["a", "b", "c"]
