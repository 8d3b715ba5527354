"""What every list of the desk has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from workers.choices import Look

F = TypeVar("F", bound=Callable[..., Any])
SAID = 5  # sentences of refusals that one action says in full


class ReadOnlyAdmin(admin.ModelAdmin):
    """Look, do not touch: a row changed here would bypass the services and the audit.

    Actions call services, and are made by `action`: only those are offered, and taken, that the person's role allows.
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
            return super().get_view_on_site_url(obj)
        address = getattr(obj, "get_absolute_url", None)
        return str(address()) if address else None

    def _filter_actions_by_permissions(self, request: HttpRequest, actions: Any) -> list[Any]:
        """Django's own asks has_<word>_permission methods; ours are capabilities of the role table."""
        return [action for action in actions if request.user.has_perm(getattr(action[0], "capability", ""))]


def action(description: str, *, capability: str) -> Callable[[F], F]:
    """An action of a list: its name in the menu, and the capability (accounts.roles) that it needs."""

    def mark(function: F) -> F:
        function.short_description = description  # type: ignore[attr-defined]
        function.capability = capability  # type: ignore[attr-defined]
        return function

    return mark


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
