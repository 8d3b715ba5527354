"""E-mail, by Django's own mail and the settings EMAIL_*."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from workers.clients import notify
from workers.services.notifications.notice import line
from workers.services.notifications.wording import Words

OFF = "E-mail is off: the portal has no mail server. Set EMAIL_HOST and DEFAULT_FROM_EMAIL."


def is_on() -> bool:
    """Whether the portal has a mail server and an address to send from."""
    return bool(settings.EMAIL_HOST and settings.DEFAULT_FROM_EMAIL)


def send(recipients: Sequence[str], words: Words, *, event_id: str) -> notify.Outcome:
    """Send one message to all recipients. Its Message-ID is made of `event_id`, so that mail programs recognise a repeat."""
    if not is_on():
        return notify.Outcome(verdict=notify.Verdict.REFUSED, sentence=OFF)
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    message = EmailMultiAlternatives(
        # Django refuses a line end in a header; here it can be none, because a title from outside must not keep a notice back.
        subject=line(words.subject, 200),
        body=words.text,
        to=list(recipients),
        headers={
            "Message-ID": f"<{event_id}@{sender.partition('@')[2] or 'localhost'}>",
            "Auto-Submitted": "auto-generated",
            "X-CML-Severity": str(words.severity),
        },
        connection=get_connection(fail_silently=False),
    )
    message.attach_alternative(words.html, "text/html")
    try:
        message.send()
    except Exception as error:
        outcome = notify.meaning_of(error)
        if outcome is None:
            raise
        return outcome
    return notify.Outcome(verdict=notify.Verdict.SENT, status=250)
