"""What the portal must know of a lab's YAML before it is sent: read as plain text, never as objects, with limits against bombs.

Nothing here is what goes to CML: that is the text itself, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

MOST_BYTES = 5 * 1024 * 1024
MOST_PARTS = 300_000  # keys, values, beginnings and ends of lists: a lab of 300 nodes has about 30,000
DEEPEST = 32
LONGEST_TITLE = 64  # characters; CML's own limit
LONGEST_NAME = 250  # characters of a definition's
MOST_NODES = 5_000
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
) | {"!"}
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})

# The newest topology schema that each version of CML reads; it reads the older ones too.
SCHEMAS: tuple[tuple[tuple[int, int], str], ...] = (
    ((2, 0), "0.0.3"),
    ((2, 1), "0.0.4"),
    ((2, 3), "0.0.5"),
    ((2, 4), "0.1.0"),
    ((2, 5), "0.2.0"),
    ((2, 6), "0.2.1"),
    ((2, 7), "0.2.2"),
    ((2, 8), "0.3.0"),
    ((2, 10), "0.3.1"),
)


class UnusableYaml(Exception):
    """Why a text is no lab that can be imported, as a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True)
class LabFacts:
    """What a lab's YAML says of itself: its title ("": none), topology schema, and what its nodes need."""

    title: str
    schema: str
    nodes: int
    node_definitions: tuple[str, ...]
    image_definitions: tuple[str, ...]


def read(text: str) -> LabFacts:
    """The facts of a lab's YAML (or JSON, which is YAML). Raises UnusableYaml."""
    return _facts(document(text))


def document(text: str) -> Any:
    """The YAML as dictionaries, lists, strings and None. Raises UnusableYaml."""
    if len(text.encode()) > MOST_BYTES:
        raise UnusableYaml("It is larger than 5 MB, which is more than the portal takes.")
    if not text.strip():
        raise UnusableYaml("It is empty.")
    try:
        return _document(text)
    except yaml.YAMLError as error:
        raise UnusableYaml(f"It is no YAML: {_words(error)}.") from None


def decoded(raw: bytes) -> str:
    """The text of an uploaded file. Raises UnusableYaml for what is no UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableYaml("It is no text in UTF-8.") from None


def _document(text: str) -> Any:
    """The one document in `text`, of dictionaries, lists, strings and None: no other type, whatever its tags say."""
    events = _limited(text)
    document: Any = None
    count = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            count += 1
            if count > 1:
                raise UnusableYaml("It holds more than one document; a lab is one.")
            document = _value(next(events), events)
    return document


def _limited(text: str) -> Iterator[yaml.Event]:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_PARSER)):
        if count > MOST_PARTS:
            raise UnusableYaml(f"It has more than {MOST_PARTS} parts: no lab is so large.")
        if isinstance(event, yaml.AliasEvent):
            raise UnusableYaml(
                f"It refers to another part of itself (*{str(event.anchor)[:40]}). Labs need no such aliases, and few of them can stand for "
                "gigabytes: write out what it stands for."
            )
        tag = getattr(event, "tag", None)
        if tag and tag not in _TAGS:
            raise UnusableYaml(f"It has the tag {tag[:80]}, which no lab needs. Nothing was executed.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise UnusableYaml(f"It is nested more than {DEEPEST} levels deep: no lab is.")
        yield event


def _value(event: yaml.Event, events: Iterator[yaml.Event]) -> Any:
    """The value that begins with `event`. Its depth has a limit, so it may call itself."""
    if isinstance(event, yaml.ScalarEvent):
        return None if event.implicit[0] and event.value in _NOTHING else event.value
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(event, events))
        return items
    pairs = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _value(event, events)
        value = _value(next(events), events)
        if isinstance(key, str):
            pairs[key] = value
    return pairs


def _words(error: yaml.YAMLError) -> str:
    """What is wrong, and in which line."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    mark = getattr(error, "problem_mark", None)
    words = " ".join(str(problem).split())[:200]
    return f"{words}, in line {mark.line + 1}" if mark is not None else words


def _facts(document: Any) -> LabFacts:
    if not isinstance(document, dict):
        raise UnusableYaml("It is no lab: it has no part “lab” and no part “nodes”.")
    lab, nodes = document.get("lab"), document.get("nodes")
    if not isinstance(lab, dict):
        raise UnusableYaml("It is no lab: it has no part “lab”.")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise UnusableYaml("It is no lab: its part “nodes” is missing or no list of nodes.")
    if len(nodes) > MOST_NODES:
        raise UnusableYaml(f"It has {len(nodes)} nodes; the portal takes at most {MOST_NODES}.")
    schema = lab.get("version")
    if not isinstance(schema, str) or not _numbers(schema):
        raise UnusableYaml("It does not say of which topology schema it is (lab: version), so no CML would read it.")
    title = lab.get("title")
    return LabFacts(
        title=_one_line(title) if isinstance(title, str) else "",
        schema=schema,
        nodes=len(nodes),
        node_definitions=_named(nodes, "node_definition"),
        image_definitions=_named(nodes, "image_definition"),
    )


def _one_line(text: str) -> str:
    """Without control characters, which YAML can spell in quotes and a database refuses, and with single spaces."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _named(nodes: list[dict[str, Any]], key: str) -> tuple[str, ...]:
    found = {name for node in nodes if isinstance(name := node.get(key), str) and name}
    for name in found:
        if not name.isprintable() or len(name) > LONGEST_NAME:
            raise UnusableYaml(f"It has a node whose {key} is no name: {_one_line(name)[:60]}.")
    return tuple(sorted(found))


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with: "2.9.1+build.7" → (2, 9, 1); () for none."""
    match = re.match(r"\d{1,6}(?:\.\d{1,6}){0,3}", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def why_too_new(schema: str, cml_version: str) -> str:
    """Why a CML of this version cannot read `schema`, as a sentence; "" when it can, and when its version is not known."""
    version = _numbers(cml_version)[:2]
    readable = [newest for since, newest in SCHEMAS if since <= version]
    if not version or not readable or _numbers(schema) <= _numbers(readable[-1]):
        return ""
    needed = next((since for since, newest in SCHEMAS if _numbers(schema) <= _numbers(newest)), None)
    from_on = f"CML {needed[0]}.{needed[1]}" if needed else "a newer CML than any that the portal knows"
    return (
        f"The lab is of topology schema {schema}, which needs {from_on}; CML {cml_version.partition('+')[0]} reads up to "
        f"{readable[-1]}."
    )
