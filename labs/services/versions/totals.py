"""How much is kept."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum
from django.db.models.functions import Length

from labs.models import LabVersion, LabYaml


@dataclass(frozen=True, kw_only=True)
class Totals:
    """`versions` of `labs`, of so many different `texts`, which take `stored` bytes of the database instead of `size`."""

    versions: int
    labs: int
    texts: int
    stored: int
    size: int


def totals() -> Totals:
    """Of everything that is kept. Three queries."""
    texts = LabYaml.objects.aggregate(stored=Sum(Length("packed")), size=Sum("size"))
    return Totals(
        versions=LabVersion.objects.count(),
        labs=LabVersion.objects.values("lab").distinct().count(),
        texts=LabYaml.objects.count(),
        stored=texts["stored"] or 0,
        size=texts["size"] or 0,
    )
