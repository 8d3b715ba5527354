"""A lab's YAML is read as text: bombs, aliases, tags and nonsense end with a sentence, quickly."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from labs import yaml_checks
from tests.labs.operating import yaml_of


def test_the_facts_of_a_lab() -> None:
    facts = yaml_checks.read(yaml_of(title="A: 'lab'", nodes=3, node_definition="iosv", image_definition="iosv-159"))

    assert (facts.title, facts.schema, facts.nodes) == ("A: 'lab'", "0.3.0", 3)
    assert (facts.node_definitions, facts.image_definitions) == (("iosv",), ("iosv-159",))


def test_a_node_that_takes_its_definitions_newest_image_needs_none() -> None:
    for nothing in ("null", "~", ""):
        assert yaml_checks.read(yaml_of(image_definition=nothing)).image_definitions == ()


def test_control_characters_in_quotes_come_to_no_database() -> None:
    facts = yaml_checks.read(yaml_of().replace("'CCNA: VLANs'", r'"a\0b\n\u202e c\e"'))

    assert facts.title == "a b c"
    with pytest.raises(yaml_checks.UnusableYaml, match="node_definition is no name"):
        yaml_checks.read(yaml_of(node_definition=r'"ios\0v"'))


def test_json_is_yaml() -> None:
    text = '{"lab": {"version": "0.1.0", "title": "j"}, "nodes": [{"node_definition": "iosv"}], "links": []}'

    assert yaml_checks.read(text).node_definitions == ("iosv",)


BOMB = "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "It is empty"),
        ("  \n", "It is empty"),
        ("# nothing but a remark", "It is no lab"),
        ("just words", "It is no lab"),
        ("- a\n- b", "It is no lab"),
        ("lab: {}", "part “nodes” is missing"),
        ("lab: {version: 0.3.0}\nnodes: [r1]", "no list of nodes"),
        ("lab: {title: x}\nnodes: []", "topology schema"),
        ("lab: {version: [1]}\nnodes: []", "topology schema"),
        ("nodes: []", "it has no part “lab”"),
        ("lab: [unclosed\nnodes: []", "It is no YAML"),
        ("lab: {version: 0.3.0}\n\tnodes: []", "in line 2"),
        ("\x00", "It is no YAML"),
        (yaml_of() + "---\n" + yaml_of(), "more than one document"),
        (BOMB + yaml_of(), "aliases"),
        ("base: &b {x: 1}\nlab: {<<: *b, version: 0.3.0}\nnodes: []", "aliases"),
        ("&a [*a]", "aliases"),
        ("[" * 5000, "nest"),
        ("a: " + "{a: " * 200, "nested more than"),
        ("? " * 400 + "x", "nested more than"),
        ("x: [" + "a," * 400_000 + "]", "parts"),
        ("x: " + "y" * (5 * 1024 * 1024), "larger than 5 MB"),
        ("lab: {version: 0.3.0}\nnodes: [" + "{}," * 5001 + "]", "5001 nodes"),
    ],
)
def test_what_is_no_lab_ends_with_a_sentence_and_quickly(text: str, words: str) -> None:
    began = time.monotonic()

    with pytest.raises(yaml_checks.UnusableYaml) as problem:
        yaml_checks.read(text)

    assert words in problem.value.sentence
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {path}']",
        "!!python/object/apply:subprocess.Popen [['touch', '{path}']]",
        "!!python/name:os.system",
        "!<tag:example.com,2026:thing> x",
        "!include /etc/passwd",
    ],
)
def test_tags_are_refused_and_never_executed(tag: str, tmp_path: Path) -> None:
    path = tmp_path / "touched"

    with pytest.raises(yaml_checks.UnusableYaml, match=r"has the tag .* Nothing was executed"):
        yaml_checks.read("x: " + tag.replace("{path}", str(path)) + "\n" + yaml_of())

    assert not path.exists()


def test_plain_tags_are_what_they_say() -> None:
    assert yaml_checks.read(yaml_of().replace("version: 0.3.0", "version: !!str 0.3.0")).schema == "0.3.0"


def test_a_file_must_be_utf_8() -> None:
    assert yaml_checks.decoded("\ufefflab: é".encode()) == "lab: é"
    with pytest.raises(yaml_checks.UnusableYaml, match="UTF-8"):
        yaml_checks.decoded(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("schema", "version", "too_new"),
    [
        ("0.3.0", "2.9.1+build.7", False),
        ("0.3.1", "2.9.1+build.7", True),
        ("0.3.1", "2.10.0", False),
        ("0.3.1", "2.11.0+sso", False),
        ("0.4.0", "2.10.0", True),
        ("0.3.0", "2.7.0", True),
        ("0.2.2", "2.7.2", False),
        ("0.0.3", "2.4.1", False),
        ("0.3.1", "", False),
        ("0.3.1", "odd", False),
    ],
)
def test_the_schema_against_the_version(schema: str, version: str, too_new: bool) -> None:
    assert bool(yaml_checks.why_too_new(schema, version)) == too_new


def test_which_cml_would_be_needed_is_said() -> None:
    assert "needs CML 2.8;" in yaml_checks.why_too_new("0.3.0", "2.7.0")
    assert "newer CML than any that the portal knows" in yaml_checks.why_too_new("0.9.0", "2.10.0")
