"""Workers, regions, and instances without a worker."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.requests import PersonalRequest
from workers.admin.base import ReadOnlyAdmin, action, badge, counted, say_outcome
from workers.asker import asker
from workers.choices import MachineState, OperationKind
from workers.models import RegionCheck, StrayInstance, Worker
from workers.services import on_demand
from workers.services.operations import bulk


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "machine",
        "service",
        "license",
        "account",
        "region",
        "instance_id",
        "instance_type",
        "aws_succeeded_at",
        "cml_succeeded_at",
    )
    list_filter = (
        "account",
        "region",
        "machine_state",
        "service_state",
        "license_state",
        ("cml_error", admin.EmptyFieldListFilter),
        "detailed_monitoring",
        "instance_type",
        "cml_version",
    )
    search_fields = ("name", "instance_id", "public_address", "private_address", "tag_text", "smart_account", "virtual_account")
    search_help_text = "Name, instance id, address, tag (key=value), smart or virtual account"
    exclude = ("cml_password_encrypted", "tag_text", "tls_ca")
    date_hierarchy = "created_at"
    ordering = ("name", "id")
    actions = ("refresh", "start", "stop")

    @admin.display(description="Machine", ordering="machine_state")
    def machine(self, worker: Worker) -> SafeString:
        return badge(str(worker.machine.label), worker.machine.look)

    @admin.display(description="CML service", ordering="service_state")
    def service(self, worker: Worker) -> SafeString:
        return badge(str(worker.service.label), worker.service.look)

    @admin.display(description="Licence", ordering="license_state")
    def license(self, worker: Worker) -> SafeString:
        return badge(str(worker.license.label), worker.license.look)

    @action("Refresh from EC2 and CML", capability="workers.refresh_worker")
    def refresh(self, request: HttpRequest, workers: QuerySet[Worker]) -> None:
        person = cast(PersonalRequest, request)
        done, refused = 0, []
        for worker in workers.order_by("name", "pk")[: bulk.MOST]:
            try:
                address = asker(person).from_address
                on_demand.request_refresh(worker=worker, by=person.user, now=timezone.now(), from_address=address)
                done += 1
            except on_demand.UnableToRefresh as refusal:
                refused.append(refusal.sentence)
        say_outcome(request, f"A refresh of {counted(done, 'worker')} is on its way." if done else "", refused)

    @action("Start the machines", capability="workers.start_worker")
    def start(self, request: HttpRequest, workers: QuerySet[Worker]) -> HttpResponse | None:
        return _ask(request, OperationKind.START, workers)

    @action("Stop the machines, labs saved first", capability="workers.stop_worker")
    def stop(self, request: HttpRequest, workers: QuerySet[Worker]) -> HttpResponse | None:
        return _ask(request, OperationKind.STOP, workers)


def _ask(request: HttpRequest, kind: OperationKind, workers: QuerySet[Worker]) -> HttpResponse | None:
    """Ask, and lead to the batch's page, which has a result for each worker."""
    by = asker(cast(PersonalRequest, request), "In the Django admin")
    try:
        batch = bulk.ask_many(kind=kind, workers=list(workers[: bulk.MOST + 1]), by=by, now=timezone.now())
    except bulk.UnableToAskMany as refusal:
        messages.warning(request, refusal.sentence)
        return None
    return redirect("batch", batch)


@admin.register(RegionCheck)
class RegionCheckAdmin(ReadOnlyAdmin):
    list_display = ("region", "account", "succeeded_at", "failing_since", "error", "discovered_at", "discovery_due_at")
    list_filter = (
        "account",
        ("failing_since", admin.EmptyFieldListFilter),
    )
    search_fields = ("region", "error")
    ordering = ("account", "region")


@admin.register(StrayInstance)
class StrayInstanceAdmin(ReadOnlyAdmin):
    list_display = ("instance_id", "name", "region", "look", "seen_at")
    list_filter = ("region", "state")
    search_fields = ("instance_id", "name")
    ordering = ("region", "instance_id")

    @admin.display(description="Machine", ordering="state")
    def look(self, stray: Any) -> SafeString | str:
        return badge(str(MachineState(stray.state).label), MachineState(stray.state).look)
