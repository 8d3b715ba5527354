"""Two YAMLs of a lab side by side: what changed in its structure, in words, and which lines did. Bounded for any two texts of 5 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from labs import yaml_checks
from labs.yaml_checks import UnusableYaml

CONTEXT = 3  # unchanged lines around a change
MOST_COMPARED = 6_000  # changed lines of a text; a comparison takes the square of them at worst
MOST_SHOWN = 2_000  # lines
LONGEST_LINE = 400  # characters
MOST_NAMED = 6  # names in a sentence
_PLACE = frozenset({"x", "y"})
_RUNNING = frozenset({"interfaces", "configuration", "x", "y", "label", "id"})


@dataclass(frozen=True)
class Line:
    """`sign`: "+" new, "-" old, " " both, "@" a gap. The numbers are those of the old and the new text; None where there is no such line."""

    sign: str
    old: int | None
    new: int | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`summary` are sentences. `lines` are at most MOST_SHOWN; `left_out` says why there are not all, "" when there are."""

    summary: list[str]
    lines: list[Line]
    added: int
    removed: int
    left_out: str = ""

    @property
    def is_same(self) -> bool:
        return not self.added and not self.removed


def compare(old: str, new: str) -> Comparison:
    """What became of `old` in `new`."""
    if old == new:
        return Comparison(summary=["Nothing changed."], lines=[], added=0, removed=0)
    before, after = old.splitlines(), new.splitlines()
    same_head = _same(zip(before, after, strict=False))
    room = min(len(before), len(after)) - same_head
    same_tail = min(room, _same(zip(reversed(before), reversed(after), strict=False)))
    middle = before[same_head : len(before) - same_tail], after[same_head : len(after) - same_tail]
    summary = _summary(old, new)
    if max(map(len, middle)) > MOST_COMPARED:
        why = f"More than {MOST_COMPARED} lines lie between the first change and the last: download both versions to compare them."
        return Comparison(summary=summary, lines=[], removed=len(middle[0]), added=len(middle[1]), left_out=why)
    changes = SequenceMatcher(None, *middle, autojunk=True).get_opcodes()
    shifted = [(tag, a + same_head, b + same_head, c + same_head, d + same_head) for tag, a, b, c, d in changes]
    removed = sum(b - a for tag, a, b, _, _ in shifted if tag != "equal")
    added = sum(d - c for tag, _, _, c, d in shifted if tag != "equal")
    lines: list[Line] = []
    left_out = ""
    for line in _lines(before, after, shifted):
        if len(lines) == MOST_SHOWN:
            left_out = f"Only the first {MOST_SHOWN} lines are shown."
            break
        lines.append(line)
    return Comparison(summary=summary, lines=lines, added=added, removed=removed, left_out=left_out)


def _same(pairs: Iterable[tuple[str, str]]) -> int:
    """How many pairs are equal from the beginning on."""
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _lines(before: list[str], after: list[str], changes: Sequence[tuple[str, int, int, int, int]]) -> Iterator[Line]:
    """The changed lines with CONTEXT around them, and a gap wherever lines between are left out."""
    shown, offset = 0, 0  # how many lines of `before` are told; what to add to their number for that in `after`
    for tag, a, b, c, d in changes:
        if tag == "equal":
            continue
        tail = min(a, shown + CONTEXT) if shown else 0  # where the context behind the change before ends
        head = max(tail, a - CONTEXT)
        yield from _common(before, shown, tail, offset)
        if head > max(tail, 0) and head > shown:
            yield Line("@", None, None, "")
        yield from _common(before, head, a, offset)
        yield from (Line("-", at + 1, None, before[at][:LONGEST_LINE]) for at in range(a, b))
        yield from (Line("+", None, at + 1, after[at][:LONGEST_LINE]) for at in range(c, d))
        shown, offset = b, d - b
    # The texts' common end lies behind the last change.
    yield from _common(before, shown, min(len(before), shown + CONTEXT), offset)


def _common(before: list[str], start: int, end: int, offset: int) -> Iterator[Line]:
    return (Line(" ", at + 1, at + 1 + offset, before[at][:LONGEST_LINE]) for at in range(start, end))


# ── Structure ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _summary(old: str, new: str) -> list[str]:
    try:
        before, after = yaml_checks.document(old), yaml_checks.document(new)
    except UnusableYaml as problem:
        return [f"What changed in its structure cannot be told. {problem.sentence}"]
    sentences = [*_about(before, after), *_nodes(before, after), *_links(before, after)]
    return sentences or ["Its nodes, links and configurations are the same."]


def _about(before: Any, after: Any) -> Iterator[str]:
    old, new = _mapping(_mapping(before).get("lab")), _mapping(_mapping(after).get("lab"))
    if old.get("title") != new.get("title"):
        yield f"The title was “{_short(old.get('title'))}” and is “{_short(new.get('title'))}”."
    for name in ("description", "notes"):
        if (old.get(name) or "") != (new.get(name) or ""):
            yield f"The {name} changed."
    if old.get("version") != new.get("version"):
        yield f"The topology schema was {_short(old.get('version'))} and is {_short(new.get('version'))}."


def _nodes(before: Any, after: Any) -> Iterator[str]:
    old, new = _by_id(before, "nodes"), _by_id(after, "nodes")
    yield from _came_and_went(
        "node", [_label(new[key]) for key in new.keys() - old], [_label(old[key]) for key in old.keys() - new]
    )
    both = sorted(old.keys() & new, key=lambda key: _label(new[key]))
    renamed = [f"{_label(old[key])} is {_label(new[key])}" for key in both if _label(old[key]) != _label(new[key])]
    if renamed:
        yield f"Renamed: {_several(renamed)}."
    configured = [_label(new[key]) for key in both if old[key].get("configuration") != new[key].get("configuration")]
    if configured:
        yield f"Configuration of {_several(configured)} changed."
    rest = [_label(new[key]) for key in both if _without(old[key], _RUNNING) != _without(new[key], _RUNNING)]
    if rest:
        yield f"Settings of {_several(rest)} changed."
    moved = [_label(new[key]) for key in both if _only(old[key], _PLACE) != _only(new[key], _PLACE)]
    if moved:
        yield f"{len(moved)} node{'' if len(moved) == 1 else 's'} moved in the picture."


def _links(before: Any, after: Any) -> Iterator[str]:
    old, new = _ends(before), _ends(after)
    yield from _came_and_went("link", sorted(new - old), sorted(old - new))


def _ends(document: Any) -> set[str]:
    """Each link as "R1 – R2", by what its ends are called; two between the same nodes are told apart by their interfaces."""
    names = {key: _label(node) for key, node in _by_id(document, "nodes").items()}
    found = set()
    for link in _by_id(document, "links").values():
        ends = sorted(
            (names.get(str(link.get(node)), _short(link.get(node))), _short(link.get(port)))
            for node, port in (("n1", "i1"), ("n2", "i2"))
        )
        found.add(" – ".join(f"{node} {port}".strip() for node, port in ends))
    return found


def _came_and_went(noun: str, came: list[str], went: list[str]) -> Iterator[str]:
    for names, word in ((came, "added"), (went, "removed")):
        if names:
            yield f"{len(names)} {noun}{'' if len(names) == 1 else 's'} {word}: {_several(sorted(names))}."


def _several(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _by_id(document: Any, part: str) -> dict[str, dict[str, Any]]:
    items = _mapping(document).get(part)
    return {
        str(item.get("id", at)): item
        for at, item in enumerate(items if isinstance(items, list) else [])
        if isinstance(item, dict)
    }


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _label(node: dict[str, Any]) -> str:
    return _short(node.get("label") or node.get("id"))


def _short(value: Any) -> str:
    text = " ".join(str(value or "").split())
    return f"{text[:60]}…" if len(text) > 60 else text


def _without(node: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name not in names}


def _only(node: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name in names}
