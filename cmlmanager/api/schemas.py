"""What bodies, queries and answers of every router have in common."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser
from pydantic import BaseModel, ConfigDict

from cmlmanager.api.problems import Problem, invalid


class In(BaseModel):
    """A body. Members that it does not know are refused: a misspelt one would silently do nothing."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Out(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True)


class StrictParser(Parser):
    """JSON as RFC 8259 has it, of text that a database can hold."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body's value. Raises Problem."""
        try:
            found = json.loads(request.body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Problem("bad-request", f"The body is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise invalid("body", "", "The body must be a JSON object.")
        _refuse_odd_text(found, "body", "")
        return found

    def parse_querydict(self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest) -> Any:
        """The query's parameters. Raises Problem."""
        found = super().parse_querydict(data, list_fields, request)
        _refuse_odd_text(found, "query", "")
        return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _refuse_odd_text(value: Any, place: str, pointer: str) -> None:
    """NUL and halves of surrogate pairs are no text to PostgreSQL."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise invalid(place, pointer, "Text may not hold NUL characters or halves of surrogate pairs.")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_odd_text(key, place, pointer)
            _refuse_odd_text(inner, place, f"{pointer}/{escaped(key)}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_odd_text(inner, place, f"{pointer}/{number}")


def escaped(name: object) -> str:
    """One reference token of a JSON pointer. Source: RFC 6901, section 3."""
    return str(name).replace("~", "~0").replace("/", "~1")
