"""Who is told, and the log of it. Addresses and secrets are never shown."""

from __future__ import annotations

from typing import cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.requests import PersonalRequest
from workers.admin.base import ReadOnlyAdmin, action, badge, counted, say_outcome
from workers.asker import asker
from workers.models import Delivery, NotificationTarget
from workers.services.notifications import targets

MOST = 100  # at once


@admin.register(NotificationTarget)
class NotificationTargetAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "standing", "minimum", "failing_since", "failing_reason", "succeeded_at", "created_by")
    list_filter = ("kind", "enabled", "minimum", ("failing_since", admin.EmptyFieldListFilter))
    search_fields = ("name", "created_by")
    date_hierarchy = "created_at"
    exclude = ("address_encrypted", "secret_encrypted", "previous_secret_encrypted", "recipients")
    ordering = ("name",)
    actions = ("switch_on", "switch_off", "test")

    @admin.display(description="State")
    def standing(self, target: NotificationTarget) -> SafeString:
        return badge(str(target.state.label), target.state.look)

    @action("Switch on", capability="workers.change_notificationtarget")
    def switch_on(self, request: HttpRequest, chosen: QuerySet[NotificationTarget]) -> None:
        _switch(request, chosen, on=True)

    @action("Switch off", capability="workers.change_notificationtarget")
    def switch_off(self, request: HttpRequest, chosen: QuerySet[NotificationTarget]) -> None:
        _switch(request, chosen, on=False)

    @action("Send a test", capability="workers.change_notificationtarget")
    def test(self, request: HttpRequest, chosen: QuerySet[NotificationTarget]) -> None:
        done, refused = 0, []
        for target in chosen[:MOST]:
            try:
                targets.test(target=target, by=asker(cast(PersonalRequest, request)), now=timezone.now())
                done += 1
            except targets.UnableToKeep as refusal:
                refused.append(refusal.sentence)
        say_outcome(request, f"{counted(done, 'test')} on the way." if done else "", refused)


def _switch(request: HttpRequest, chosen: QuerySet[NotificationTarget], *, on: bool) -> None:
    word, by = "on" if on else "off", asker(cast(PersonalRequest, request))
    found = {target: targets.switch(target=target, on=on, by=by, now=timezone.now()) for target in chosen[:MOST]}
    done = sum(found.values())
    was = [f"{target} was {word} already." for target, changed in found.items() if not changed]
    say_outcome(request, f"{counted(done, 'target')} switched {word}." if done else "", was)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "target", "type", "severity", "title", "standing", "attempts", "status", "due_at", "sentence")
    list_filter = ("state", "severity", "target", "type")
    search_fields = ("title", "=event_id", "target__name")
    list_select_related = ("target",)
    date_hierarchy = "created_at"
    ordering = ("-id",)
    actions = ("again",)

    @admin.display(description="State", ordering="state")
    def standing(self, delivery: Delivery) -> SafeString:
        return badge(str(delivery.look.label), delivery.look.look)

    def view_on_site(self, delivery: Delivery) -> str:
        return reverse("delivery", args=[delivery.target_id, delivery.pk])

    @action("Send again", capability="workers.change_notificationtarget")
    def again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        done, refused = 0, []
        for delivery in deliveries.select_related("target")[:MOST]:
            try:
                targets.redeliver(delivery=delivery, by=asker(cast(PersonalRequest, request)), now=timezone.now())
                done += 1
            except targets.UnableToKeep as refusal:
                refused.append(refusal.sentence)
        say_outcome(request, f"{counted(done, 'notice')} sent again." if done else "", refused)
