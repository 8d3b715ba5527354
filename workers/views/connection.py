"""How the portal reaches one worker's CML: the settings, what a look brought, and the certificate that waits to be trusted."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import wants_fragment
from workers import access, certificates
from workers.choices import TlsPolicy
from workers.forms import ConnectionForm
from workers.models import Worker
from workers.services import connection, on_demand, trust
from workers.views.asker import asker

MAY = "workers.change_worker"


@require_http_methods(["GET", "HEAD", "POST"])
def worker_connection(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The settings, and beside them how things are."""
    found = access.worker_to_act_on(request, worker_id, MAY)
    form = ConnectionForm(request.POST if request.method == "POST" else None, instance=Worker.objects.get(pk=found.pk))
    if request.method == "POST" and form.is_valid():
        connection.change_connection(
            worker=found,
            fields={name: form.cleaned_data[name] for name in ConnectionForm.Meta.fields},
            password=form.cleaned_data["cml_password"],
            forget_password=form.cleaned_data.get("forget_password", False),
            by=request.user,
            now=timezone.now(),
            from_address=asker(request).from_address,
        )
        messages.success(request, f"Connection of {found} saved; CML is being asked again.")
        return redirect("worker-connection", found.pk)
    return _page(request, found, form=form, status=422 if form.errors else 200)


@require_safe
def connection_now(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """What a look brought, alone: what an open page reads again when the worker has changed."""
    found = access.worker_to_act_on(request, worker_id, MAY)
    if not wants_fragment(request):
        return redirect("worker-connection", found.pk)
    return render(request, "workers/components/connection_now.html", _now(found))


@require_POST
def connection_check(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Ask for a look at this connection now. The outcome arrives on the page by the stream."""
    found = access.worker_to_act_on(request, worker_id, MAY)
    try:
        on_demand.request_refresh(worker=found, by=request.user, now=timezone.now(), from_address=asker(request).from_address)
        result: dict[str, Any] = {
            "accepted": True,
            "sentence": "CML is being asked; the outcome appears here.",
            "wait_seconds": 0,
        }
    except on_demand.UnableToRefresh as refusal:
        result = {"accepted": False, "sentence": refusal.sentence, "wait_seconds": refusal.wait_seconds}
    if wants_fragment(request):
        return render(request, "workers/components/refresh_result.html", result)
    (messages.success if result["accepted"] else messages.warning)(request, result["sentence"])
    return redirect("worker-connection", found.pk)


@require_POST
def connection_trust(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Pin the certificate whose fingerprint the person was shown and sends back."""
    found = access.worker_to_act_on(request, worker_id, MAY)
    fingerprint = request.POST.get("fingerprint", "")
    try:
        trust.trust_certificate(
            worker=found, fingerprint=fingerprint, by=request.user, now=timezone.now(), from_address=asker(request).from_address
        )
    except trust.UnableToTrust as refusal:
        return _page(request, found, form=ConnectionForm(instance=found), refusal=str(refusal), status=422)
    messages.success(request, f"The certificate of {found} is trusted from now on; CML is being asked again.")
    return redirect("worker-connection", found.pk)


def _page(request: PersonalRequest, found: Worker, *, form: ConnectionForm, status: int, refusal: str = "") -> HttpResponse:
    context = {
        "form": form,
        "refusal": refusal,
        "stream_url": f"/api/events/stream?channel=fleet&channel=worker.{found.pk}",
    }
    return render(request, "workers/connection.html", context | _now(Worker.objects.get(pk=found.pk)), status=status)


def _now(found: Worker) -> dict[str, Any]:
    trusted = None
    if found.tls_policy == TlsPolicy.PINNED and found.tls_fingerprint:
        trusted = certificates.shown({"fingerprint": found.tls_fingerprint} | found.tls_trusted)
    waiting = certificates.shown(found.tls_seen)
    return {
        "worker": found,
        "trusted": trusted,
        "waiting": waiting,
        "changed": trusted is not None and waiting is not None,
        "expired": waiting is not None and waiting.expired(timezone.now()),
        "policy": _policy_in_words(found),
        "port": found.endpoint.rpartition(":")[2] if found.endpoint.count(":") > 1 else "443",
    }


def _policy_in_words(found: Worker) -> str:
    policy = TlsPolicy(found.tls_policy)
    if policy != TlsPolicy.DEFAULT:
        return str(policy.label)
    return f"{TlsPolicy(settings.CML_TLS_POLICY).label}, as the portal’s setting says"
