"""The pages' forms judge what programs send too, so that there is one set of rules."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseForm

from cmlmanager.api.problems import FieldError, Problem


def refuse_unless_valid(form: BaseForm, pointers: Mapping[str, str] | None = None, *, place: str = "body") -> None:
    """Raises Problem (422) with the form's own sentences; `pointers` says where a field stands when not under its own name."""
    if form.is_valid():
        return
    errors: list[FieldError] = []
    for name, sentences in form.errors.items():
        pointer = "" if name == NON_FIELD_ERRORS else (pointers or {}).get(name, f"/{name}")
        errors += [{"place": place, "pointer": pointer, "detail": str(sentence)} for sentence in sentences]
    raise Problem("invalid", "Nothing was done: see `errors`.", errors=errors)
