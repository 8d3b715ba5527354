"""A worker as the API tells of it. Nothing secret is in a schema, so nothing secret can leave."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from cmlmanager.api.paging import Page
from cmlmanager.api.schemas import Out
from workers.alert_choices import AlertSeverity
from workers.choices import LicenseState, MachineState, ServiceState, UsageSource
from workers.gate_choices import GateState

AttentionWord = Literal["failing", "warning", "busy", "well", "off", "gone"]


class Machine(Out):
    """What EC2 says; failed (could not be created) and lost (EC2 no longer knows it) are the portal’s own words."""

    state: MachineState
    reason: str = Field(description="EC2’s reason for the last change; empty when it gave none.")
    since: datetime


class Service(Out):
    """What CML says, as far as it can be asked."""

    state: ServiceState
    reasons: list[str] = Field(description="Sentences: why it is not simply ready.")
    since: datetime


class License(Out):
    """What CML says of its licence."""

    state: LicenseState
    text: str = Field(description="CML’s own words.")
    registration_expires_at: datetime | None
    authorization_expires_at: datetime | None
    smart_account: str
    virtual_account: str
    seats_in_use: int | None
    seats_max: int | None


class Usage(Out):
    """The latest figures; null: not known. Percentages 0–100."""

    cpu: float | None = Field(description="Percent.", ge=0, le=100)
    cpu_source: UsageSource | None
    memory: float | None = Field(description="Percent.", ge=0, le=100)
    disk: float | None = Field(description="Percent.", ge=0, le=100)
    network_in: float | None = Field(description="Bytes a second.")
    network_out: float | None = Field(description="Bytes a second.")
    nodes_running: int | None
    nodes_total: int | None
    labs_running: int | None
    labs_total: int | None


class Knowledge(Out):
    """How old each of the answers is that this is made of; null: never answered."""

    ec2: datetime | None = Field(description="When EC2 last answered.")
    cloudwatch: datetime | None
    cml: datetime | None = Field(description="When CML last answered.")
    labs: datetime | None
    cml_error: str = Field(description="Why CML did not answer when it was last asked; empty when it did.")


class Underway(Out):
    """The operation that is going on."""

    id: uuid.UUID
    kind: str
    asked_by: str


class OpenAlerts(Out):
    """Its open alerts in short."""

    count: int
    worst: AlertSeverity | None


class Worker(Out):
    """One EC2 instance that runs CML."""

    model_config = ConfigDict(frozen=True, title="Worker")

    id: uuid.UUID
    name: str = Field(description="Its Name tag, else its instance id.", examples=["ccnp-encor-01"])
    description: str
    region: str = Field(examples=["us-east-1"])
    zone: str
    instance_id: str = Field(description="Empty while it is being created.", examples=["i-0abc0000000000001"])
    instance_type: str = Field(examples=["m5zn.metal"])
    ami_id: str
    ami_name: str
    public_address: str
    private_address: str
    endpoint: str = Field(description="Where the portal asks its CML; empty while there is no address.")
    cml_version: str
    attention: AttentionWord = Field(description="How badly it needs somebody: the order “worst first”.")
    machine: Machine
    service: Service
    license: License
    usage: Usage
    known_at: Knowledge
    tags: dict[str, str] = Field(description="As EC2 last told them.")
    detailed_monitoring: bool
    launched_at: datetime | None
    created_at: datetime
    operation: Underway | None = Field(description="What is going on with the machine; null: nothing.")
    alerts: OpenAlerts


class WorkerPage(Page[Worker]):
    """A page of workers."""


class StatusChecks(Out):
    """EC2’s two status checks; empty: not known."""

    system: str
    instance: str
    since: datetime | None


class Gate(Out):
    """One condition of being ready, in their order, and whether it is met."""

    name: str = Field(description="running, checks, answers, accepted, cml or licensed.")
    label: str
    state: GateState
    since: datetime | None
    why: str = Field(description="Why it is shut, or not open altogether; else empty.")


class WorkerDetail(Worker):
    """One worker with what its page shows beside the row."""

    ami_description: str
    ami_created_at: datetime | None
    status_checks: StatusChecks
    gates: list[Gate] = Field(description="What must be passed until somebody can work on it.")
    actions: dict[str, str] = Field(
        description="What your role may ask of it, and the sentence that stands in the way now; empty when nothing does.",
        examples=[{"start": "", "stop": "ccnp-encor-01 is already stopped; there is nothing to do."}],
    )
