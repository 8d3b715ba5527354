"""The pages about notifications, as an administrator uses them. Who may open them is in the access matrix."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.notification_receivers import SECRET, Receiver, answer, make_mailbox, make_webhook, notice, receiving
from workers.models import Delivery, Event, NotificationTarget
from workers.services import vault
from workers.services.notifications import post, sending

pytestmark = pytest.mark.django_db
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/plantedSlackToken12345678"
PLANTED = ("planted-path-token", "plantedSlackToken12345678", SECRET.removeprefix("whsec_"))


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.NOTIFY_PRIVATE_NETWORKS = settings.NOTIFY_LOOPBACK = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def browser(ada: User) -> Client:
    return signed_in(ada)


def form(**changes: Any) -> dict[str, Any]:
    return {"name": "Pager", "minimum": "warning", "tell_closed": "on"} | changes


def page(browser: Client, address: str) -> str:
    answered = browser.get(address)
    assert answered.status_code == 200
    return str(answered.content.decode())


def events() -> list[tuple[str, str, str]]:
    return list(Event.objects.order_by("id").values_list("before", "after", "actor_name"))


# ── Adding ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_empty_list_offers_the_first_target_and_says_what_is_off(browser: Client, settings: Any) -> None:
    settings.EMAIL_HOST = settings.PORTAL_URL = ""
    text = page(browser, "/notifications/")
    assert "Nobody is told yet" in text
    assert "E-mail is off" in text
    assert "Messages carry no links" in text
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL, settings.PORTAL_URL = (
        "smtp.example.com",
        "cml@example.com",
        "https://p.example.com",
    )
    text = page(browser, "/notifications/")
    assert "E-mail is off" not in text
    assert "no links" not in text


def test_mailboxes_are_added_with_filters(browser: Client) -> None:
    chosen = form(
        recipients="ops@example.com, lead@example.com\nops@example.com",
        types=["alert.opened"],
        regions=["us-west-2"],
        tag=" Team = training ",
    )
    added = browser.post("/notifications/new/?kind=email", chosen)

    target = NotificationTarget.objects.get()
    assert added.status_code == 302
    assert added["Location"] == f"/notifications/{target.pk}/"
    assert target.recipients == ["ops@example.com", "lead@example.com"]
    assert (target.types, target.regions, target.tag) == (["alert.opened"], ["us-west-2"], "Team=training")
    assert (target.created_by, target.enabled, target.tell_closed) == ("ada", True, True)
    text = page(browser, "/notifications/")
    assert "ops@example.com and 1 more" in text
    assert "Alert opened" in text
    assert "us-west-2" in text
    assert events() == [("", "“Pager” added (E-mail)", "ada")]


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        ("email", {"recipients": ""}, "recipients"),
        ("email", {"recipients": "nobody"}, "recipients"),
        ("email", {"recipients": "a@example.com\r\nBcc: b@example.com"}, "recipients"),
        ("email", {"recipients": ", ".join(f"p{n}@example.com" for n in range(21))}, "recipients"),
        ("webhook", {"address": ""}, "address"),
        ("webhook", {"address": "https://169.254.169.254/planted-path-token"}, "address"),
        ("webhook", {"address": "ftp://x.example.com/planted-path-token"}, "address"),
        ("slack", {"address": "https://evil.example.com/plantedSlackToken12345678"}, "address"),
        ("slack", {"address": "xoxb-1234-plantedSlackToken12345678"}, "channel"),
        ("teams", {"address": SLACK}, "address"),
        ("webex", {"address": SLACK}, "address"),
        ("email", {"recipients": "a@example.com", "name": " "}, "name"),
        ("email", {"recipients": "a@example.com", "minimum": "loud"}, "minimum"),
        ("email", {"recipients": "a@example.com", "types": ["nonsense"]}, "types"),
        ("email", {"recipients": "a@example.com", "regions": ["mars-1"]}, "regions"),
        ("email", {"recipients": "a@example.com", "tag": "=x"}, "tag"),
    ],
)
def test_a_mistake_is_named_beside_its_field_and_changes_nothing(
    kind: str, fields: dict[str, Any], named: str, browser: Client
) -> None:
    refused = browser.post(f"/notifications/new/?kind={kind}", form(**fields))
    assert refused.status_code == 422
    assert named in refused.context["form"].errors
    assert not NotificationTarget.objects.exists()
    assert not Event.objects.exists()
    assert not [secret for secret in PLANTED if secret in refused.content.decode()]


def test_a_webhook_may_not_lead_inside_unless_the_setting_says_so(browser: Client, settings: Any) -> None:
    settings.NOTIFY_PRIVATE_NETWORKS = settings.NOTIFY_LOOPBACK = False
    for address in ("https://10.0.0.1/x", "http://hooks.example.com/x", "https://127.0.0.1/x", "https://localhost/x"):
        assert browser.post("/notifications/new/?kind=webhook", form(address=address)).status_code == 422
    settings.NOTIFY_PRIVATE_NETWORKS = True
    assert browser.post("/notifications/new/?kind=webhook", form(address="http://10.0.0.1/x")).status_code == 302


def test_two_targets_cannot_have_one_name(browser: Client, now: datetime) -> None:
    make_mailbox("a@example.com", now=now, name="Pager")
    refused = browser.post("/notifications/new/?kind=email", form(recipients="b@example.com"))
    assert (refused.status_code, list(refused.context["form"].errors)) == (422, ["name"])


# ── The signing secret ─────────────────────────────────────────────────────────────────────────────────────────────
def secret_in(answered: Any) -> str:
    found = re.search(r"data-secret>([^<]+)<", answered.content.decode())
    assert found
    return found[1]


def test_the_signing_secret_is_shown_once_and_signs(browser: Client, receiver: Receiver, now: datetime) -> None:
    browser.post("/notifications/new/?kind=webhook", form(address=receiver.url))
    target = NotificationTarget.objects.get()
    shown = browser.post(f"/notifications/{target.pk}/secret/")
    secret = secret_in(shown)

    assert shown.status_code == 200
    assert "no-store" in shown["Cache-Control"]
    again = browser.post(f"/notifications/{target.pk}/secret/", follow=True)
    assert "shown only once" in again.content.decode()
    for address in (f"/notifications/{target.pk}/", f"/notifications/{target.pk}/edit/", "/notifications/"):
        assert secret not in page(browser, address)
    post(notice(), now=now)
    sending.send_due(now=now)
    assert len(receiver.events(secret)) == 1


def test_after_a_rotation_both_secrets_sign_for_a_day(browser: Client, receiver: Receiver, now: datetime) -> None:
    target = make_webhook(receiver.url, now=now, secret_shown_at=now)
    browser.post(f"/notifications/{target.pk}/rotate/")
    new = secret_in(browser.post(f"/notifications/{target.pk}/secret/"))
    assert "the secret before signs, too" in page(browser, f"/notifications/{target.pk}/")

    post(notice(), now=timezone.now())
    sending.send_due(now=timezone.now())
    assert new != SECRET
    assert len(receiver.events(SECRET)) == len(receiver.events(new)) == 1

    NotificationTarget.objects.update(previous_secret_until=now)
    post(notice(2), now=timezone.now())
    sending.send_due(now=timezone.now())
    assert len(receiver.requests[-1][0]["webhook-signature"].split()) == 1


# ── Changing ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_address_left_empty_is_kept_and_a_new_one_replaces_it(browser: Client, now: datetime) -> None:
    target = make_webhook(
        "https://hooks.example.com/planted-path-token", now=now, name="Hook", failing_since=now, failing_reason="x"
    )
    address = f"/notifications/{target.pk}/edit/"

    browser.post(address, form(name="Hook 2", address="", minimum="critical"))
    kept = NotificationTarget.objects.get()
    assert vault.decrypt(kept.address_encrypted) == "https://hooks.example.com/planted-path-token"
    assert (kept.name, kept.minimum, kept.failing_reason) == ("Hook 2", "critical", "x")

    browser.post(address, form(name="Hook 2", address="https://new.example.com/y", minimum="critical"))
    changed = NotificationTarget.objects.get()
    assert vault.decrypt(changed.address_encrypted) == "https://new.example.com/y"
    assert (changed.address_hint, changed.failing_since) == ("new.example.com", None)

    browser.post(address, form(name="Hook 2", address="", minimum="critical"))
    assert events() == [
        ("“Hook”", "“Hook 2” changed: name, minimum severity", "ada"),
        ("", "“Hook 2” changed: address", "ada"),
    ]


def test_switching_off_drops_what_waits_and_switching_on_begins_afresh(
    browser: Client, receiver: Receiver, now: datetime
) -> None:
    target = make_webhook(receiver.url, now=now, name="Hook")
    post(notice(), now=now)
    browser.post(f"/notifications/{target.pk}/switch/", {"on": "0"})
    assert Delivery.objects.get().state == "dropped"
    assert "Switched off: nothing is sent." in page(browser, f"/notifications/{target.pk}/")
    browser.post(f"/notifications/{target.pk}/switch/", {"on": "0"})
    browser.post(f"/notifications/{target.pk}/switch/", {"on": "perhaps"})
    browser.post(f"/notifications/{target.pk}/switch/", {"on": "1"})
    assert [after for _, after, _ in events()] == ["“Hook” switched off", "“Hook” switched on"]
    sending.send_due(now=now)
    assert receiver.requests == []


def test_deleting_asks_and_takes_the_log_along(browser: Client, now: datetime) -> None:
    target = make_webhook("https://hooks.example.com/", now=now, name="Hook")
    post(notice(), now=now)
    address = f"/notifications/{target.pk}/delete/"
    assert browser.post(address).status_code == 422
    assert browser.post(address, {"sure": "on"})["Location"] == "/notifications/"
    assert not Delivery.objects.exists()
    assert events() == [("“Hook” (Webhook)", "deleted", "ada")]


# ── Test, log, again ───────────────────────────────────────────────────────────────────────────────────────────────
def test_the_test_button_sends_on_the_same_way_and_the_log_shows_how_it_went(
    browser: Client, receiver: Receiver, now: datetime
) -> None:
    receiver.behaviours += [answer(503, b"down for <b>maintenance</b>")]
    target = make_webhook(receiver.url, now=now, minimum="critical", paused_until=now + timedelta(hours=1))
    browser.post(f"/notifications/{target.pk}/test/")
    assert "every 5s" in page(browser, f"/notifications/{target.pk}/")  # read again soon, and at each piece of news
    assert "already" in browser.post(f"/notifications/{target.pk}/test/", follow=True).content.decode()

    sending.send_due(now=timezone.now())
    delivery = Delivery.objects.get()
    text = page(browser, f"/notifications/{target.pk}/")
    assert "127.0.0.1 answers 503 Service Unavailable." in text
    assert "Next try" in text
    one = page(browser, f"/notifications/{target.pk}/deliveries/{delivery.pk}/")
    assert "down for &lt;b&gt;maintenance&lt;/b&gt;" in one
    assert str(delivery.event_id) in one
    assert receiver.events()[0].get_type() == "com.github.cml-cloud-manager.notification.test"


def test_a_test_goes_alone_and_before_what_waits(browser: Client, receiver: Receiver, now: datetime) -> None:
    target = make_webhook(receiver.url, now=now)
    for number in (1, 2):
        post(notice(number), now=now)
    browser.post(f"/notifications/{target.pk}/test/")
    sending.send_due(now=timezone.now())
    assert receiver.titles == ["Test from CML Cloud Manager", notice(1).title, notice(2).title]


def test_a_failed_delivery_is_sent_again_with_the_same_id(browser: Client, receiver: Receiver, now: datetime) -> None:
    receiver.behaviours += [answer(400)]
    target = make_webhook(receiver.url, now=now, name="Hook")
    post(notice(), now=now)
    sending.send_due(now=now)
    delivery = Delivery.objects.get()
    address = f"/notifications/{target.pk}/deliveries/{delivery.pk}/again/"

    assert browser.post(address).status_code == 302
    assert "already" in browser.post(address, follow=True).content.decode()
    sending.send_due(now=timezone.now())

    assert receiver.ids == [str(delivery.event_id)] * 2
    assert Delivery.objects.get().state == "sent"
    assert events() == [("", "“Hook”: sent again", "ada")]


def test_the_log_has_pages_and_the_same_number_of_queries_whatever_it_holds(
    browser: Client, now: datetime, django_assert_max_num_queries: Any
) -> None:
    target = make_webhook("https://hooks.example.com/", now=now)
    for number in range(1, 121):
        post(notice(number), now=now)
    with django_assert_max_num_queries(
        12
    ):  # the header's bell is two of them, its word on the system one, the session's row one
        first = page(browser, f"/notifications/{target.pk}/")
    assert "1–50 of 120 deliveries" in first
    assert "worker-120" in first
    assert "101–120 of 120" in page(browser, f"/notifications/{target.pk}/?page=3")
    assert "101–120 of 120" in page(browser, f"/notifications/{target.pk}/?page=99")


def test_what_fails_is_first_and_says_since_when_and_why(browser: Client, now: datetime) -> None:
    make_mailbox("a@example.com", now=now, name="Aardvark", succeeded_at=now)
    make_webhook(
        "https://hooks.example.com/",
        now=now,
        name="Zebra",
        failing_since=now - timedelta(hours=2),
        failing_reason="hooks.example.com answers 500.",
    )
    text = page(browser, "/notifications/")
    assert text.index("Zebra") < text.index("Aardvark")
    assert "hooks.example.com answers 500." in text
    assert re.search(r"Since [^<]+: hooks", text)


def test_a_delivery_of_another_target_is_not_found_and_odd_pages_are_no_error(browser: Client, now: datetime) -> None:
    one, other = (make_webhook("https://hooks.example.com/", now=now) for _ in range(2))
    post(notice(), now=now)
    delivery = Delivery.objects.filter(target=other).get()
    assert browser.get(f"/notifications/{one.pk}/deliveries/{delivery.pk}/").status_code == 404
    assert browser.get(f"/notifications/{one.pk}/?page=x").status_code == 200


def test_htmx_gets_the_part_that_changes(browser: Client, now: datetime) -> None:
    target = make_webhook("https://hooks.example.com/", now=now)
    for address in ("/notifications/", f"/notifications/{target.pk}/"):
        part = browser.get(address, headers={"HX-Request": "true"})
        assert part.content.decode().lstrip().startswith("<section")
        assert "HX-Request" in part["Vary"]


def test_addresses_and_secrets_are_nowhere(
    browser: Client, now: datetime, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    browser.post("/notifications/new/?kind=webhook", form(address=receiver.url))
    browser.post("/notifications/new/?kind=slack", form(name="Chat", address=SLACK))
    NotificationTarget.objects.filter(kind="webhook").update(secret_encrypted=vault.encrypt(SECRET))
    texts = [page(browser, "/notifications/")]
    for target in NotificationTarget.objects.all():
        texts += [page(browser, f"/notifications/{target.pk}/{part}") for part in ("", "edit/", "delete/")]
        refused = browser.post(
            f"/notifications/{target.pk}/edit/",
            form(minimum="loud", address=receiver.url if target.kind == "webhook" else SLACK),
        )
        texts.append(refused.content.decode())
    post(notice(), now=now)
    NotificationTarget.objects.filter(kind="slack").update(enabled=False)
    sending.send_due(now=now)
    texts += [
        caplog.text,
        *(str(row) for row in (*Event.objects.values(), *Delivery.objects.values(), *NotificationTarget.objects.values())),
    ]
    assert not [secret for secret in PLANTED for text in texts if secret in text]


def test_the_desk_shows_no_address_and_changes_nothing(ada: User, browser: Client, now: datetime) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    target = make_webhook("https://hooks.example.com/planted-path-token", now=now)
    shown = page(browser, f"/admin/workers/notificationtarget/{target.pk}/change/")
    assert "encrypted" not in shown
    assert "_save" not in shown
