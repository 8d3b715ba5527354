"""Reads of labs, by name. Nothing here writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Case, CharField, Count, IntegerField, OuterRef, Q, Subquery, Value, When

from labs.choices import OF_STATE, Standing
from workers.choices import MachineState
from workers.querysets import GONE

if TYPE_CHECKING:
    from accounts.models import User

# Whose instance is gone takes its labs along; in any other state than running CML cannot be asked.
IS_GONE = Q(gone_at__isnull=False) | Q(worker__isnull=True) | Q(worker__machine_state__in=[state.value for state in GONE])
IS_AWAY = ~Q(worker__machine_state=MachineState.RUNNING.value)

STANDING = Case(
    When(IS_GONE, then=Value(Standing.GONE.value)),
    When(IS_AWAY, then=Value(Standing.AWAY.value)),
    *(When(state=state, then=Value(standing.value)) for state, standing in OF_STATE.items()),
    default=Value(Standing.OTHER.value),
    output_field=CharField(),
)

SEARCHED = ("title", "owner_username", "owner_fullname", "description", "node_definitions", "worker_name")


class LabQuerySet(models.QuerySet[Any]):
    """Labs. Not typed as such: the models import this module."""

    def visible_to(self, user: User) -> LabQuerySet:
        """All of them for everybody with a role, none for anybody else."""
        return self if user.has_perm("labs.view_lab") else self.none()

    def listed(self, *, include_gone: bool) -> LabQuerySet:
        """Those that the labs page lists: gone ones only when asked for."""
        return self if include_gone else self.exclude(IS_GONE)

    def with_standing(self) -> LabQuerySet:
        """With `shown_as`, the value of Standing that the row shows, and `rank`, its place in the order of Standing."""
        ranks = [When(shown_as=standing.value, then=Value(place)) for place, standing in enumerate(Standing)]
        return self.alias(shown_as=STANDING).alias(rank=Case(*ranks, output_field=IntegerField()))

    def matching(self, text: str) -> LabQuerySet:
        """Those whose title, owner, description, node definitions or worker's name contain every word of `text`, in any case."""
        result = self
        for word in text.split()[:8]:
            either = Q(pk__in=[])
            for field in SEARCHED:
                either |= Q(**{f"{field}__icontains": word})
            result = result.filter(either)
        return result

    def for_rows(self) -> LabQuerySet:
        """With what a row shows, and without what only a lab's own page does."""
        return self.select_related("worker").defer(
            "topology", "notes", "worker__health", "worker__computes", "worker__tag_text"
        )

    def on(self, worker_id: uuid.UUID) -> LabQuerySet:
        """Those of one worker."""
        return self.filter(worker=worker_id)

    def counts(self) -> dict[str, int]:
        """How many are shown as what; keys are the values of Standing. One query."""
        return dict(self.annotate(shown_as=STANDING).values_list("shown_as").annotate(n=Count("pk")).order_by())


class LabVersionQuerySet(models.QuerySet[Any]):
    """Versions of labs. Not typed as such: the models import this module."""

    def visible_to(self, user: User) -> LabVersionQuerySet:
        """All of them for everybody who sees labs: that they are there. What is in them takes labs.operate_lab."""
        return self if user.has_perm("labs.view_lab") else self.none()

    def for_rows(self) -> LabVersionQuerySet:
        """Newest first, with what a list shows, and without the texts."""
        return (
            self.select_related("lab", "lab__worker", "content")
            .defer("content__packed", "lab__topology", "lab__notes", "lab__worker__health", "lab__worker__computes")
            .order_by("-at", "-id")
        )

    def newest_of(self, labs: Iterable[Any]) -> LabVersionQuerySet:
        """The newest of each of `labs`."""
        first = self.model._default_manager.filter(lab=OuterRef("lab")).order_by("-at", "-id")
        return self.filter(lab__in=list(labs), pk=Subquery(first.values("pk")[:1]))
