"""The operators' desk: rows to look at, and actions that ask the services, as the pages do. Texts of labs are downloaded on the pages."""

from __future__ import annotations

from typing import cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.requests import PersonalRequest
from labs.models import Lab, LabFile, LabsBackup, LabsCheck, LabVersion, LabYaml
from labs.services.operations import requests
from labs.services.versions import requests as versions
from workers.admin.base import ReadOnlyAdmin, action, badge, counted, say_outcome
from workers.asker import asker
from workers.choices import OperationKind

OPERATE = "labs.operate_lab"


@admin.register(Lab)
class LabAdmin(ReadOnlyAdmin):
    list_display = (
        "title",
        "worker_name",
        "look",
        "owner_username",
        "node_count",
        "nodes_running",
        "link_count",
        "cml_modified_at",
        "last_seen_at",
        "gone_at",
    )
    list_filter = ("state", ("gone_at", admin.EmptyFieldListFilter), "worker__region", "worker__machine_state")
    search_fields = ("title", "owner_username", "worker_name", "=cml_id")
    search_help_text = "Title, owner, worker, or CML’s id"
    list_select_related = ("worker",)
    date_hierarchy = "first_seen_at"
    exclude = ("node_definitions", "digest")
    ordering = ("title", "id")
    actions = ("start", "stop", "back_up")

    @admin.display(description="State", ordering="state")
    def look(self, lab: Lab) -> SafeString:
        return badge(str(lab.standing.label), lab.standing.look)

    @action("Start", capability=OPERATE)
    def start(self, request: HttpRequest, labs: QuerySet[Lab]) -> HttpResponse | None:
        return _ask(request, OperationKind.LAB_START, labs)

    @action("Stop", capability=OPERATE)
    def stop(self, request: HttpRequest, labs: QuerySet[Lab]) -> HttpResponse | None:
        return _ask(request, OperationKind.LAB_STOP, labs)

    @action("Back up", capability=OPERATE)
    def back_up(self, request: HttpRequest, labs: QuerySet[Lab]) -> HttpResponse | None:
        return _ask(request, OperationKind.LAB_BACKUP, labs)


def _ask(request: HttpRequest, kind: OperationKind, labs: QuerySet[Lab]) -> HttpResponse | None:
    """Ask, and lead to the batch's page, which has a result for each lab."""
    by = asker(cast(PersonalRequest, request), "In the Django admin")
    chosen = list(labs.select_related("worker")[: requests.MOST + 1])
    try:
        return redirect("batch", requests.ask_many(kind=kind, labs=chosen, by=by, now=timezone.now()))
    except requests.UnableToAskMany as refusal:
        messages.warning(request, refusal.sentence)
        return None


@admin.register(LabVersion)
class LabVersionAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "title",
        "why",
        "actor_kind",
        "actor_name",
        "content",
        "with_configurations",
        "pinned",
        "cml_version",
        "confirmed_at",
    )
    list_filter = ("why", "actor_kind", "with_configurations", "pinned", "cml_version")
    search_fields = ("title", "lab__title", "lab__worker_name", "actor_name", "note", "=content__sha256")
    list_select_related = ("lab", "content", "actor")
    date_hierarchy = "at"
    ordering = ("-at", "-id")
    actions = ("pin", "unpin")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabVersion]:
        return cast("QuerySet[LabVersion]", super().get_queryset(request)).defer("content__packed")

    @action("Keep for ever", capability=OPERATE)
    def pin(self, request: HttpRequest, chosen: QuerySet[LabVersion]) -> None:
        _pin(request, chosen, pinned=True)

    @action("Keep as long as the others", capability=OPERATE)
    def unpin(self, request: HttpRequest, chosen: QuerySet[LabVersion]) -> None:
        _pin(request, chosen, pinned=False)


def _pin(request: HttpRequest, chosen: QuerySet[LabVersion], *, pinned: bool) -> None:
    done = sum(versions.pin(version=version, pinned=pinned) for version in chosen[: requests.MOST])
    kept = "kept for ever" if pinned else "kept as long as the others"
    say_outcome(request, f"{counted(done, 'version')} {kept}.", [])


@admin.register(LabsCheck)
class LabsCheckAdmin(ReadOnlyAdmin):
    list_display = ("worker", "failing_since", "error")
    list_filter = ("worker__region",)
    search_fields = ("worker__name", "error")
    list_select_related = ("worker",)
    date_hierarchy = "failing_since"
    ordering = ("worker__name",)


@admin.register(LabsBackup)
class LabsBackupAdmin(ReadOnlyAdmin):
    list_display = ("worker", "due_at", "asked_at", "operation")
    list_filter = ("worker__region",)
    search_fields = ("worker__name",)
    list_select_related = ("worker", "operation")
    ordering = ("due_at", "pk")


@admin.register(LabYaml)
class LabYamlAdmin(ReadOnlyAdmin):
    list_display = ("sha256", "size")
    search_fields = ("=sha256",)
    exclude = ("packed",)
    ordering = ("sha256",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabYaml]:
        return cast("QuerySet[LabYaml]", super().get_queryset(request)).defer("packed")


@admin.register(LabFile)
class LabFileAdmin(ReadOnlyAdmin):
    list_display = ("operation", "name", "size", "created_at")
    search_fields = ("name",)
    list_select_related = ("operation",)
    exclude = ("packed",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabFile]:
        return cast("QuerySet[LabFile]", super().get_queryset(request)).defer("packed")
