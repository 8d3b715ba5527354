"""Constraints that several tables share."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


def known(field: str, kind: type[models.TextChoices]) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{field}__in": kind.values}), name=f"%(class)s_{field}_known")


def percent(field: str) -> models.CheckConstraint:
    within = Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__gte": 0, f"{field}__lte": 100})
    return models.CheckConstraint(condition=within, name=f"%(class)s_{field}_is_percent")
