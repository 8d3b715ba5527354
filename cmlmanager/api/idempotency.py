"""A request that is sent twice is done once: `Idempotency-Key` on POST.

The key is claimed first, in a transaction of its own, so that a repeat that comes meanwhile sees it. The work and its answer are then
committed together: a process that dies leaves neither, and whoever claims the key after it does the work for the first time.
Source: draft-ietf-httpapi-idempotency-key-header. Only answers of success are kept: what was refused did nothing, and may be tried again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from cmlmanager.api.auth import spender
from cmlmanager.api.models import KeptAnswer
from cmlmanager.api.problems import Problem, invalid
from workers.services import vault

HEADER = "Idempotency-Key"
LEASE = timedelta(seconds=60)  # after which a request without an answer is taken for dead; none takes nearly as long
_KEPT_HEADERS = ("Location", "Content-Type", "Link")
# What a key may be: 1–255 printable ASCII characters, in quotation marks or not.
_KEY = re.compile(r'"([!#-~ ]{1,255})"|([!#-~]{1,255})')


def once(request: HttpRequest, work: Callable[[], HttpResponse]) -> HttpResponse:
    """The answer of `work`, or the one that it gave to the first request with this key. Raises Problem for keys that cannot be used."""
    header = request.headers.get(HEADER)
    if request.method != "POST" or header is None:
        return work()
    found = _KEY.fullmatch(header)
    if not found:
        raise invalid("header", f"/{HEADER}", "A key has 1 to 255 printable ASCII characters; a UUID is a good one.")
    claim = _claim(spender(request), found[1] or found[2], _digest(request), now=timezone.now())
    if claim.status is not None:
        return _again(claim)
    kept = False
    try:
        with transaction.atomic():
            response = work()
            kept = response.status_code < 300
            if kept:
                _keep(claim, response)
            elif response.status_code >= 500:
                transaction.set_rollback(True)
    finally:
        if not kept:
            _held(claim).delete()
    return response


def prune(*, now: datetime) -> int:
    """Forget the answers whose time is over; how many there were."""
    return KeptAnswer.objects.filter(expires_at__lte=now).delete()[0]


def _claim(credential: str, key: str, digest: str, *, now: datetime) -> KeptAnswer:
    """The key for us to work with, or with the answer that it got. Raises Problem: another request's, or still being done."""
    fields = {"request_digest": digest, "claimed_at": now, "expires_at": now + timedelta(hours=settings.API_KEY_HOURS)}
    KeptAnswer.objects.filter(credential=credential, key=key, expires_at__lte=now).delete()
    try:
        with transaction.atomic():
            return KeptAnswer.objects.create(credential=credential, key=key, **fields)
    except IntegrityError:
        other = KeptAnswer.objects.filter(credential=credential, key=key).first()
    if other is not None and other.request_digest != digest:
        raise Problem("key-reused", "This idempotency key came with another request before; take a new one.")
    if other is not None and other.status is not None:
        return other
    abandoned = KeptAnswer.objects.filter(credential=credential, key=key, status=None, claimed_at__lte=now - LEASE)
    if other is not None and abandoned.update(**fields):
        other.claimed_at = now
        return other
    raise Problem("repeat-in-flight", "The first request with this key is still being done.", headers={"Retry-After": "1"})


def _held(claim: KeptAnswer) -> QuerySet[KeptAnswer]:
    return KeptAnswer.objects.filter(pk=claim.pk, status=None, claimed_at=claim.claimed_at)


def _keep(claim: KeptAnswer, response: HttpResponse) -> None:
    changed = _held(claim).update(
        status=response.status_code,
        headers={name: response[name] for name in _KEPT_HEADERS if response.has_header(name)},
        answer_encrypted=vault.encrypt(response.content.decode()),
    )
    if not changed:
        # We took so long that another process took the key over: what it does counts, ours is rolled back.
        raise Problem("repeat-in-flight", "Another request with this key took over.", headers={"Retry-After": "1"})


def _again(answer: KeptAnswer) -> HttpResponse:
    try:
        content = vault.decrypt(answer.answer_encrypted)
    except vault.UnableToDecrypt:
        raise Problem("repeat-in-flight", "The answer to this key can no longer be read, but the request was done.") from None
    response = HttpResponse(content, status=answer.status, headers=answer.headers)
    response["Idempotency-Replayed"] = "true"
    return response


def _digest(request: HttpRequest) -> str:
    head = f"{request.method} {request.get_full_path()}\n"
    return hashlib.sha256(head.encode() + request.body).hexdigest()
