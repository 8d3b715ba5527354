"""The words of a notice for people: subject, text and simple HTML; of many at once, a digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from workers.models import Delivery
from workers.notification_choices import NoticeType, Severity

LISTED = 40  # of a digest, in an e-mail
LISTED_IN_CHAT = 8
FOOTER = "Sent by CML Cloud Manager. Its administrators choose who is told, under Notifications."
CHAT_CHARACTERS = 900  # Teams and Webex stop reading at 1,000


@dataclass(frozen=True, kw_only=True)
class Words:
    """What people read. `text` and `html` are of an e-mail, `chat` is short."""

    subject: str
    text: str
    html: str
    chat: str
    severity: str


def link_to(path: str) -> str:
    """The whole address of a page; "" while PORTAL_URL is not set."""
    return f"{settings.PORTAL_URL}{path}" if settings.PORTAL_URL and path.startswith("/") else ""


def words_of(deliveries: Sequence[Delivery]) -> Words:
    """The words of one notice, or of several as one message."""
    return _single(deliveries[0]) if len(deliveries) == 1 else _digest(deliveries)


def _single(delivery: Delivery) -> Words:
    payload, grade = delivery.payload, delivery.grade
    link = link_to(payload["path"])
    closed = delivery.type.endswith(".closed")
    mark = "Closed" if closed else str(grade.label)
    facts = {"Worker": payload["worker_name"], "Severity": str(grade.label), "Event": delivery.type_label}
    context = {
        "heading": delivery.title,
        "sentence": payload["sentence"],
        "facts": [(name, value) for name, value in facts.items() if value],
        "at": delivery.created_at,
        "link": link,
        "footer": FOOTER,
    }
    return Words(
        subject=f"[CML] {mark}: {delivery.title}",
        text=_text(context),
        html=render_to_string("workers/notification_mail.html", context),
        chat=_shortened("\n".join(part for part in (payload["sentence"], link) if part)),
        severity=Severity.INFO if closed else grade,
    )


def _digest(deliveries: Sequence[Delivery]) -> Words:
    count = len(deliveries)
    order = [str(one.value) for one in Severity]
    worst = Severity(max((one.severity for one in deliveries), key=order.index))
    numbers = Counter(one.severity for one in deliveries)
    sentence = "At once: " + ", ".join(
        f"{numbers[one]} × {Severity(one).label.lower()}" for one in reversed(order) if numbers[one]
    )
    # Worst first; among equals the newest, which says how things are now.
    shown = sorted(deliveries, key=lambda one: (-order.index(one.severity), -one.pk))
    link = link_to("/")
    context = {
        "heading": f"{count} notices",
        "sentence": f"{sentence}.",
        "entries": [{"title": one.title, "sentence": one.payload["sentence"], "grade": one.grade} for one in shown[:LISTED]],
        "left_out": max(0, count - LISTED),
        "at": deliveries[-1].created_at,
        "link": link,
        "footer": FOOTER,
    }
    lines = [f"• {one.title}" for one in shown[:LISTED_IN_CHAT]]
    more = [f"… and {count - LISTED_IN_CHAT} more."] if count > LISTED_IN_CHAT else []
    return Words(
        subject=f"[CML] {count} notices, worst: {str(worst.label).lower()}",
        text=_text(context),
        html=render_to_string("workers/notification_mail.html", context),
        chat=_shortened("\n".join([f"{sentence}.", *lines, *more, *([link] if link else [])])),
        severity=worst,
    )


def _text(context: dict[str, Any]) -> str:
    """The e-mail's plain text, with what its HTML says."""
    entries = [f"- {one['grade'].label}: {one['title']}\n  {one['sentence']}" for one in context.get("entries", ())]
    if context.get("left_out"):
        entries.append(f"… and {context['left_out']} more.")
    parts = [
        context["heading"],
        context["sentence"],
        "\n".join(f"{name}: {value}" for name, value in context.get("facts", ())),
        "\n".join(entries),
        f"{context['at'].astimezone(UTC):%-d %b %Y, %H:%M} UTC",
        context["link"],
        f"-- \n{FOOTER}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shortened(text: str) -> str:
    return text if len(text) <= CHAT_CHARACTERS else f"{text[: CHAT_CHARACTERS - 1]}…"


def title_of(words: Words) -> str:
    """The heading of a chat message: the subject without its mark for mail filters."""
    return words.subject.removeprefix("[CML] ")


TEST_TITLE = "Test from CML Cloud Manager"
TEST_SENTENCE = "If you can read this, notifications arrive here. Nothing is wrong."
TEST_TYPE = NoticeType.TEST
