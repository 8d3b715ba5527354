"""How the portal reaches and trusts one worker's CML. The password goes in and never comes out."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone
from ninja import Router
from ninja.responses import Status
from pydantic import Field

from accounts.requests import PersonalRequest
from cmlmanager.api.forms import refuse_unless_valid
from cmlmanager.api.problems import Problem
from cmlmanager.api.schemas import In, Out
from workers import access, certificates
from workers.api.life import RefreshAsked
from workers.asker import asker
from workers.choices import AddressKind, ServiceState, TlsPolicy
from workers.forms import LONGEST_BUNDLE, ConnectionForm
from workers.models import Worker
from workers.services import connection, on_demand, trust

router = Router(tags=["Worker actions"])
MAY = "workers.change_worker"


class Certificate(Out):
    """A server’s certificate, to be compared by a person. Times are null where they are not known."""

    fingerprint: str = Field(description="SHA-256, 64 hexadecimal digits.")
    subject: str
    issuer: str
    not_before: datetime | None
    not_after: datetime | None
    self_signed: bool
    trusted_at: datetime | None
    trusted_by: str


class Connection(Out):
    """The settings, and what the last look brought. No secret is in it."""

    address_kind: AddressKind
    custom_endpoint: str
    endpoint: str = Field(description="What follows from these: where CML is asked.")
    tls_policy: TlsPolicy
    tls_ca: str = Field(description="Certificates in PEM form.")
    tls_fingerprint: str
    cml_username: str
    has_password: bool = Field(description="Whether a password is stored. It is encrypted and never shown.")
    service_state: ServiceState
    cml_error: str
    trusted: Certificate | None = Field(description="The pinned certificate.")
    waiting: Certificate | None = Field(description="What the server shows and nobody has trusted yet.")


class ConnectionChange(In):
    """What is to change; the rest stays."""

    address_kind: AddressKind | None = None
    custom_endpoint: str | None = Field(None, max_length=255, examples=["https://10.0.0.5:8443"])
    tls_policy: TlsPolicy | None = None
    tls_ca: str | None = Field(None, max_length=LONGEST_BUNDLE, description="Certificates in PEM form, never a private key.")
    tls_fingerprint: str | None = Field(None, max_length=95)
    cml_username: str | None = Field(None, max_length=32)
    cml_password: str = Field(
        "", max_length=128, description="Empty: keep the stored one.", json_schema_extra={"writeOnly": True}
    )
    forget_password: bool = Field(False, description="Forget the stored account and use the portal’s.")


class Trust(In):
    """The certificate that was compared."""

    fingerprint: str = Field(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")


@router.get(
    "workers/{uuid:worker_id}/connection", response=Connection, operation_id="getConnection", summary="Read connection settings"
)
def read(request: PersonalRequest, worker_id: uuid.UUID) -> Connection:
    """How the portal reaches this worker’s CML, without secrets."""
    return _shown(access.worker_to_act_on(request, worker_id, MAY))


@router.patch(
    "workers/{uuid:worker_id}/connection",
    response=Connection,
    operation_id="changeConnection",
    summary="Change connection settings",
)
def change(request: PersonalRequest, worker_id: uuid.UUID, body: ConnectionChange) -> Connection:
    """Change how the portal reaches it. CML is asked again at once."""
    found = access.worker_to_act_on(request, worker_id, MAY)
    given = {name: value for name, value in body.model_dump().items() if value is not None}
    stored = {name: getattr(found, name) for name in ConnectionForm.Meta.fields}
    form = ConnectionForm(stored | given, instance=Worker.objects.get(pk=found.pk))
    refuse_unless_valid(form)
    connection.change_connection(
        worker=found,
        fields={name: form.cleaned_data[name] for name in ConnectionForm.Meta.fields},
        password=form.cleaned_data["cml_password"],
        forget_password=form.cleaned_data.get("forget_password", False),
        by=request.user,
        now=timezone.now(),
        from_address=asker(request).from_address,
    )
    return _shown(Worker.objects.get(pk=found.pk))


@router.post(
    "workers/{uuid:worker_id}/connection/check",
    response={202: RefreshAsked},
    operation_id="checkConnection",
    summary="Try the connection",
)
def check(request: PersonalRequest, worker_id: uuid.UUID) -> Any:
    """Have CML asked now."""
    found = access.worker_to_act_on(request, worker_id, MAY)
    address = asker(request).from_address
    on_demand.request_refresh(worker=found, by=request.user, now=timezone.now(), from_address=address)
    return Status(202, RefreshAsked(sentence="CML is being asked; read the connection again for the outcome."))


@router.post(
    "workers/{uuid:worker_id}/connection/trust",
    response=Connection,
    operation_id="trustCertificate",
    summary="Trust a certificate",
)
def trust_certificate(request: PersonalRequest, worker_id: uuid.UUID, body: Trust) -> Connection:
    """Pin the certificate that waits, if it is still the one that you compared."""
    found = access.worker_to_act_on(request, worker_id, MAY)
    try:
        trust.trust_certificate(
            worker=found,
            fingerprint=body.fingerprint,
            by=request.user,
            now=timezone.now(),
            from_address=asker(request).from_address,
        )
    except trust.UnableToTrust as refusal:
        raise Problem("refused", str(refusal)) from None
    return _shown(Worker.objects.get(pk=found.pk))


def _shown(worker: Worker) -> Connection:
    pinned = worker.tls_policy == TlsPolicy.PINNED and worker.tls_fingerprint
    return Connection(
        address_kind=AddressKind(worker.address_kind),
        custom_endpoint=worker.custom_endpoint,
        endpoint=worker.endpoint,
        tls_policy=TlsPolicy(worker.tls_policy),
        tls_ca=worker.tls_ca,
        tls_fingerprint=worker.tls_fingerprint,
        cml_username=worker.cml_username,
        has_password=bool(worker.cml_password_encrypted),
        service_state=worker.service,
        cml_error=worker.cml_error,
        trusted=_certificate({"fingerprint": worker.tls_fingerprint} | worker.tls_trusted) if pinned else None,
        waiting=_certificate(worker.tls_seen),
    )


def _certificate(entry: dict[str, Any]) -> Certificate | None:
    found = certificates.shown(entry)
    if found is None:
        return None
    return Certificate(**{name: getattr(found, name) for name in Certificate.model_fields})
