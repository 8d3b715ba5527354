"""Registration tokens between the form and CML: encrypted, for one operation, gone as soon as CML has them or nobody needs them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from workers.choices import OperationState
from workers.models import LicenseToken, Operation
from workers.services import vault

OLD = timedelta(hours=1)  # no registration waits so long


def keep(*, operation: Operation, token: str, now: datetime) -> None:
    """Store the token for `operation`, encrypted. Inside the transaction that records it."""
    LicenseToken.objects.create(operation=operation, token_encrypted=vault.encrypt(token), created_at=now)


def read(operation: Operation) -> str | None:
    """The token, or None when it is gone. Raises vault.UnableToDecrypt."""
    row = LicenseToken.objects.filter(operation=operation).first()
    return vault.decrypt(row.token_encrypted) if row else None


def forget(operation: Operation) -> None:
    """Delete the token, if there is one."""
    LicenseToken.objects.filter(operation=operation).delete()


def sweep(*, now: datetime) -> int:
    """Delete what is old, or belongs to an operation that has ended; returns how many. The engine deletes too: this is the second net."""
    ended = ~Q(operation__state__in=OperationState.in_flight())
    needless = LicenseToken.objects.filter(ended | Q(created_at__lt=now - OLD)).values_list("pk", flat=True)
    return LicenseToken.objects.filter(pk__in=list(needless)).delete()[0]
