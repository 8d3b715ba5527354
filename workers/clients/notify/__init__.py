"""The ways out for notices: signed webhooks and chats. Plain Python; e-mail goes by Django's own mail, read here by `smtp`."""

from workers.clients.notify.chat import BOT_TOKEN, ChatAddress, NotAChatAddress, address_of, send_to_chat
from workers.clients.notify.network import NotAllowed, Reach, check_url
from workers.clients.notify.outcome import Outcome, Verdict
from workers.clients.notify.smtp import meaning_of
from workers.clients.notify.webhook import CloudEventFacts, post_webhook

__all__ = [
    "BOT_TOKEN",
    "ChatAddress",
    "CloudEventFacts",
    "NotAChatAddress",
    "NotAllowed",
    "Outcome",
    "Reach",
    "Verdict",
    "address_of",
    "check_url",
    "meaning_of",
    "post_webhook",
    "send_to_chat",
]
