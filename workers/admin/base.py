"""What every list of the desk has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from workers.choices import Look

SAID = 5  # sentences of refusals that one action says in full


class ReadOnlyAdmin(admin.ModelAdmin):
    """Look, do not touch: a row changed here would bypass the services and the audit.

    Actions call services. An action's `permissions=["workers.start_worker"]` are capabilities of the role table.
    """

    show_full_result_count = False  # counts are slow where a list is long
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_view_on_site_url(self, obj: Any = None) -> str | None:
        """The page of the portal, without Django's detour by content type."""
        if obj is None or callable(self.view_on_site):
            return cast("str | None", super().get_view_on_site_url(obj))
        address = getattr(obj, "get_absolute_url", None)
        return str(address()) if address else None

    def _filter_actions_by_permissions(self, request: HttpRequest, actions: Any) -> list[Any]:
        """Django asks has_<word>_permission of the words that an action names; ours are capabilities."""
        return [
            action
            for action in actions
            if all(request.user.has_perm(name) for name in getattr(action[0], "allowed_permissions", ()))
        ]


def badge(label: str, look: Look) -> SafeString:
    """A state in its colour, with what it means."""
    return format_html('<span class="desk-state" data-tone="{}" title="{}">{}</span>', look.tone, look.hint, label)


def say_outcome(request: HttpRequest, done: str, refused: Sequence[str]) -> None:
    """What came of an action: what was done ("": nothing), and why the rest was not."""
    if done:
        messages.success(request, done)
    for sentence in refused[:SAID]:
        messages.warning(request, sentence)
    if len(refused) > SAID:
        messages.warning(request, f"And {len(refused) - SAID} more were refused.")


def counted(number: int, noun: str) -> str:
    """ "1 worker", "12 workers"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
