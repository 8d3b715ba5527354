"""Reads of the fleet, by name. Nothing here writes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from django.db import models
from django.db.models import Count, F, Q, Value
from django.db.models.functions import StrIndex

from workers.choices import Attention, MachineState

if TYPE_CHECKING:
    from accounts.models import User

# No instance is behind these, or will be again.
GONE = (MachineState.TERMINATED, MachineState.FAILED)


class FleetCounts(TypedDict):
    """How many workers there are, by state and by attention; keys are the choices' values."""

    total: int
    machine: dict[str, int]
    service: dict[str, int]
    failing: int
    warning: int
    gone: int


class WorkerQuerySet(models.QuerySet[Any]):
    """Workers. Not typed as such: the models import this module."""

    def visible_to(self, user: User) -> WorkerQuerySet:
        """All of them for everybody with a role, none for anybody else."""
        return self if user.has_perm("workers.view_worker") else self.none()

    def listed(self, *, include_gone: bool) -> WorkerQuerySet:
        """Those the fleet page lists: terminated and failed ones only when asked for."""
        return self if include_gone else self.exclude(machine_state__in=GONE)

    def matching(self, text: str) -> WorkerQuerySet:
        """Those whose name, ids, addresses, type, description or tags contain every word of `text`, in any case."""
        result = self
        for word in text.split()[:8]:
            either = Q(pk__in=[])
            for field in (
                "name",
                "instance_id",
                "instance_type",
                "ami_name",
                "public_address",
                "private_address",
                "description",
                "tag_text",
            ):
                either |= Q(**{f"{field}__icontains": word})
            result = result.filter(either)
        return result

    def with_tag(self, key: str, value: str | None) -> WorkerQuerySet:
        """Those with the tag `key`, with exactly `value` unless it is None. Keys and values are case-sensitive, as in EC2."""
        line = f"\n{key}=" if value is None else f"\n{key}={value}\n"
        # Not `contains`: SQLite's LIKE ignores case.
        return self.alias(tag_at=StrIndex("tag_text", Value(line))).filter(tag_at__gt=0)

    def counts(self) -> FleetCounts:
        """Two cheap GROUP BYs in one query each."""
        machine = dict(self.values_list("machine_state").annotate(n=Count("pk")).order_by())
        rest = self.listed(include_gone=False)
        service = dict(rest.values_list("service_state").annotate(n=Count("pk")).order_by())
        attention = dict(rest.values_list("attention").annotate(n=Count("pk")).order_by())
        gone = sum(machine.get(state.value, 0) for state in GONE)
        return {
            "total": sum(machine.values()) - gone,
            "machine": machine,
            "service": service,
            "failing": attention.get(Attention.FAILING.value, 0),
            "warning": attention.get(Attention.WARNING.value, 0),
            "gone": gone,
        }

    def failing(self) -> int:
        """How many need attention now; the same number as in `counts`."""
        return self.listed(include_gone=False).filter(attention=Attention.FAILING).count()

    def known_to_ec2(self) -> WorkerQuerySet:
        """Those that a refresh of EC2 should find, or look up again: not failed, not gone for good."""
        return self.exclude(instance_id="").exclude(machine_state__in=GONE)

    def due(self, field: str, now: datetime) -> WorkerQuerySet:
        """Those whose due time `field` has come, or that were never read."""
        return self.filter(Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__lte": now})).order_by(
            F(field).asc(nulls_first=True), "pk"
        )
