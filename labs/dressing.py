"""What rows of labs show beside the labs themselves."""

from __future__ import annotations

from collections.abc import Iterable

from labs.models import Lab
from workers.models import Operation


def dressed(labs: Iterable[Lab]) -> list[Lab]:
    """The labs with `in_flight`: the operation going on with each, or None. One query."""
    found = list(labs)
    going_on = Operation.objects.in_flight().select_related("actor").filter(subject_id__in=[lab.pk for lab in found])
    operations = {operation.subject_id: operation for operation in going_on.order_by("-asked_at")}
    for lab in found:
        lab.in_flight = operations.get(lab.pk)  # type: ignore[attr-defined]
    return found
