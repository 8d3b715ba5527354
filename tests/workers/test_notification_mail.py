"""E-mail to a real SMTP server on loopback, and digests instead of a flood."""

from __future__ import annotations

import email
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone

from tests.notification_receivers import answer, make_mailbox, make_webhook, notice, receiving
from tests.simulated_cml import free_port
from workers.models import Delivery, NotificationTarget
from workers.services.notifications import post, sending, wording

pytestmark = pytest.mark.django_db


class Mailbox:
    """Keeps what comes; `refuse` answers to RCPT or DATA are given in order."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.envelopes: list[Any] = []
        self.refuse_recipient: dict[str, str] = {}
        self.refuse_data: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refuse_recipient:
            return self.refuse_recipient[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse_data:
            return self.refuse_data.pop(0)
        self.envelopes.append(envelope)
        letter = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 kept"


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    handler = Mailbox()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = controller.hostname, controller.port
    settings.EMAIL_USE_TLS = False
    settings.DEFAULT_FROM_EMAIL = "CML Cloud Manager <cml@portal.example.com>"
    yield handler
    controller.stop()


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def body(letter: EmailMessage, kind: str) -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_notice_arrives_as_text_and_html(now: datetime, mailbox: Mailbox, settings: Any) -> None:
    settings.PORTAL_URL = "https://portal.example.com"
    make_mailbox("ops@example.com", "lead@example.com", now=now)
    post(notice(worker_name="bootcamp <b>"), now=now)
    sending.send_due(now=now)

    [letter] = mailbox.letters
    assert letter["Subject"] == "[CML] Warning: CPU of worker-001 above 90 %"
    assert letter["From"] == "CML Cloud Manager <cml@portal.example.com>"
    assert letter["To"] == "ops@example.com, lead@example.com"
    assert letter["Message-ID"] == f"<{Delivery.objects.get().event_id}@portal.example.com>"
    assert letter["Auto-Submitted"] == "auto-generated"
    text, html = body(letter, "plain"), body(letter, "html")
    for one in (text, html):
        assert "CPU of worker-001 is at 97 %" in one
        assert "https://portal.example.com/alerts/" in one
    assert "Worker: bootcamp <b>" in text
    assert "bootcamp &lt;b&gt;" in html
    assert Delivery.objects.get().state == "sent"


def test_without_the_portals_address_there_is_no_link(now: datetime, mailbox: Mailbox, settings: Any) -> None:
    settings.PORTAL_URL = ""
    make_mailbox("ops@example.com", now=now)
    post(notice(), now=now)
    sending.send_due(now=now)
    assert "http" not in body(mailbox.letters[0], "plain")
    assert "<a " not in body(mailbox.letters[0], "html")


def test_no_title_can_add_a_header_or_a_recipient(now: datetime, mailbox: Mailbox) -> None:
    make_mailbox("ops@example.com", now=now)
    post(notice(title="Hello\r\nBcc: evil@example.com\r\n\r\nBody\u2028\x00x"), now=now)
    sending.send_due(now=now)
    [letter] = mailbox.letters
    assert letter["Bcc"] is None
    assert letter["Subject"] == "[CML] Warning: Hello Bcc: evil@example.com Body x"
    assert mailbox.envelopes[0].rcpt_tos == ["ops@example.com"]


def test_a_repeat_has_the_same_message_id(now: datetime, mailbox: Mailbox) -> None:
    mailbox.refuse_data.append("451 greylisted, come back")
    make_mailbox("ops@example.com", now=now)
    post(notice(), now=now)
    sending.send_due(now=now)
    first = Delivery.objects.get()
    assert (first.state, first.status, first.sentence) == ("pending", 451, "The mail server asks to try again later.")
    assert first.answer == "greylisted, come back"
    sending.send_due(now=now + timedelta(minutes=1))
    assert [letter["Message-ID"] for letter in mailbox.letters] == [f"<{first.event_id}@portal.example.com>"]


def test_a_server_that_refuses_ends_it_and_one_good_address_is_enough(now: datetime, mailbox: Mailbox) -> None:
    mailbox.refuse_recipient["gone@example.com"] = "550 no such user"
    make_mailbox("gone@example.com", now=now)
    make_mailbox("gone@example.com", "ops@example.com", now=now, name="Both")
    post(notice(), now=now)
    sending.send_due(now=now)

    alone, both = Delivery.objects.order_by("id")
    assert (alone.state, alone.status, alone.sentence) == ("failed", 550, "The mail server accepts none of the addresses.")
    assert both.state == "sent"


def test_a_server_that_is_away_or_wants_another_account_is_tried_again(now: datetime, mailbox: Mailbox, settings: Any) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "planted-mail-password"
    make_mailbox("ops@example.com", now=now)
    post(notice(), now=now)
    sending.send_due(now=now)
    assert Delivery.objects.get().sentence == "The mail server cannot do what EMAIL_USE_TLS or the account asks for."
    settings.EMAIL_HOST_USER, settings.EMAIL_PORT = "", 9
    sending.send_due(now=now + timedelta(minutes=1))
    found = Delivery.objects.get()
    assert (found.state, found.attempts) == ("pending", 2)
    assert found.sentence == "The mail server could not be reached: check EMAIL_HOST and EMAIL_PORT."


def test_while_e_mail_is_off_the_delivery_says_so(now: datetime, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    make_mailbox("ops@example.com", now=now)
    post(notice(), now=now)
    sending.send_due(now=now)
    assert "EMAIL_HOST" in Delivery.objects.get().sentence


# ── A thousand alerts at once ──────────────────────────────────────────────────────────────────────────────────────
def test_a_storm_becomes_one_digest_for_people_and_stays_whole_for_programs(
    now: datetime, mailbox: Mailbox, settings: Any
) -> None:
    settings.NOTIFY_PRIVATE_NETWORKS = settings.NOTIFY_LOOPBACK = True
    settings.NOTIFY_BURST = 3
    make_mailbox("ops@example.com", now=now)
    with receiving() as receiver:
        make_webhook(receiver.url, now=now)
        for number in range(1, 41):
            post(notice(number), now=now)
        post(notice(41, severity="critical"), now=now)
        for second in range(5):
            sending.send_due(now=now + timedelta(seconds=second))
        assert len(receiver.requests) == 41

    [letter] = mailbox.letters
    assert letter["Subject"] == "[CML] 41 notices, worst: critical"
    text = body(letter, "plain")
    assert "At once: 1 × critical, 40 × warning." in text
    assert text.index("Critical: CPU of worker-041") < text.index("Warning: CPU of worker-040")
    assert "… and 1 more." in text
    mails = Delivery.objects.filter(target__kind="email")
    assert set(mails.values_list("state", flat=True)) == {"sent"}
    assert set(mails.values_list("digest", flat=True)) == {mails.earliest("id").event_id}


def test_few_are_single_messages_and_what_comes_later_in_the_minute_waits_for_its_end(
    now: datetime, mailbox: Mailbox, settings: Any
) -> None:
    settings.NOTIFY_BURST = 3
    make_mailbox("ops@example.com", now=now)
    for number in (1, 2):
        post(notice(number), now=now)
    sending.send_due(now=now)
    assert len(mailbox.letters) == 2

    for number in (3, 4, 5):
        post(notice(number), now=now)
    sending.send_due(now=now + timedelta(seconds=5))
    assert [letter["Subject"] for letter in mailbox.letters[2:]] == ["[CML] 3 notices, worst: warning"]
    post(notice(6), now=now)
    assert sending.send_due(now=now + timedelta(seconds=30)) == 0
    sending.send_due(now=now + timedelta(seconds=61))
    assert mailbox.letters[-1]["Subject"] == "[CML] Warning: CPU of worker-006 above 90 %"


def test_a_digest_that_is_not_taken_is_tried_again_whole(now: datetime, mailbox: Mailbox, settings: Any) -> None:
    settings.NOTIFY_BURST = 2
    mailbox.refuse_data.append("452 full")
    make_mailbox("ops@example.com", now=now)
    for number in range(1, 6):
        post(notice(number), now=now)
    sending.send_due(now=now)
    assert set(Delivery.objects.values_list("state", "attempts")) == {("pending", 1)}
    sending.send_due(now=now + timedelta(minutes=2))
    assert [letter["Subject"] for letter in mailbox.letters] == ["[CML] 5 notices, worst: warning"]


def test_a_digest_for_a_chat_stays_below_what_the_products_read(now: datetime) -> None:
    make_mailbox("ops@example.com", now=now)
    for number in range(1, 200):
        post(notice(number, title="x" * 200), now=now)
    words = wording.words_of(list(Delivery.objects.all()))
    assert len(words.chat) <= 900
    assert words.chat.startswith("At once: 199 × warning.")


def test_a_target_that_takes_nothing_is_told_apart_from_the_portals_own_mistake(
    now: datetime, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.NOTIFY_PRIVATE_NETWORKS = settings.NOTIFY_LOOPBACK = True
    with receiving(answer(204)) as receiver:
        target = make_webhook(receiver.url, now=now)
        NotificationTarget.objects.filter(pk=target.pk).update(kind="slack")  # an address of another kind
        post(notice(), now=now)
        sending.send_due(now=now)
    assert Delivery.objects.get().state == "pending"
    assert "planted-path-token" not in caplog.text
