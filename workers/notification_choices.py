"""Notifications: ways to send, severities, types of notices and states of deliveries, with how they look."""

from __future__ import annotations

from django.db.models import IntegerChoices, TextChoices

from workers.choices import Look


class TargetKind(TextChoices):
    """The ways in which a notice leaves the portal."""

    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    WEBEX = "webex", "Webex"

    @property
    def for_people(self) -> bool:
        """Whether people read it one by one: they get a digest instead of a flood, programs get every notice."""
        return self != TargetKind.WEBHOOK

    @property
    def icon(self) -> str:
        """A heroicons name (mini style)."""
        return _KIND_ICONS[self]

    @property
    def hint(self) -> str:
        """What it is, in a sentence for the person who chooses."""
        return _KIND_HINTS[self]


_KIND_ICONS = {
    TargetKind.EMAIL: "envelope",
    TargetKind.WEBHOOK: "code-bracket",
    TargetKind.SLACK: "hashtag",
    TargetKind.TEAMS: "user-group",
    TargetKind.WEBEX: "chat-bubble-left-right",
}
_KIND_HINTS = {
    TargetKind.EMAIL: "A message to one or more addresses, plain text and simple HTML.",
    TargetKind.WEBHOOK: "A signed CloudEvents 1.0 request to a program of yours.",
    TargetKind.SLACK: "A message in a channel, by an incoming webhook or a bot.",
    TargetKind.TEAMS: "A card in a channel, by a Workflows webhook.",
    TargetKind.WEBEX: "A message in a space, by an incoming webhook.",
}


class Severity(TextChoices):
    """How much a notice matters. In this order."""

    INFO = "info", "Information"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"

    @property
    def look(self) -> Look:
        return _SEVERITY_LOOKS[self]

    def at_least(self) -> list[str]:
        """This severity and everything worse."""
        order = list(Severity)
        return [str(one.value) for one in order[order.index(self) :]]


_SEVERITY_LOOKS = {
    Severity.INFO: Look("busy", "information-circle", "For your information."),
    Severity.WARNING: Look("warn", "exclamation-triangle", "Somebody should look at it."),
    Severity.CRITICAL: Look("bad", "x-circle", "Somebody should look at it now."),
}


class NoticeType(TextChoices):
    """What the portal tells of. A type that is not listed here is sent to the targets that want everything."""

    ALERT_OPENED = "alert.opened", "Alert opened"
    ALERT_WORSENED = "alert.worsened", "Alert became worse"
    ALERT_EASED = "alert.eased", "Alert became milder"
    ALERT_CLOSED = "alert.closed", "Alert closed"
    ALERT_ACKNOWLEDGED = "alert.acknowledged", "Alert acknowledged"
    ALERT_UNACKNOWLEDGED = "alert.unacknowledged", "Acknowledgement taken back"
    BREAK_GLASS = "account.break_glass", "Break-glass account used"
    TEST = "notification.test", "Test"
    DIGEST = "notification.digest", "Digest"

    @classmethod
    def selectable(cls) -> list[tuple[str, str]]:
        """What a target can be narrowed to. A test always goes where it was asked for, a digest is of what matched."""
        return [(str(one.value), str(one.label)) for one in cls if one not in {cls.TEST, cls.DIGEST}]


class DeliveryState(TextChoices):
    """How far one notice to one target is."""

    PENDING = "pending", "Waiting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed"
    DROPPED = "dropped", "Dropped"

    @property
    def look(self) -> Look:
        return _DELIVERY_LOOKS[self]


_DELIVERY_LOOKS = {
    DeliveryState.PENDING: Look("busy", "clock", "Waiting for its turn, or for the next try."),
    DeliveryState.SENT: Look("good", "check-circle", "The other side accepted it."),
    DeliveryState.FAILED: Look("bad", "x-circle", "Refused, or not accepted within a day: it is not tried again by itself."),
    DeliveryState.DROPPED: Look("off", "minus-circle", "The target was switched off before it could be sent."),
}


class TargetState(IntegerChoices):
    """How a target does, worst first."""

    FAILING = 1, "Failing"
    WELL = 2, "Works"
    UNPROVEN = 3, "Not used yet"
    OFF = 4, "Off"

    @property
    def look(self) -> Look:
        return _TARGET_LOOKS[self]


_TARGET_LOOKS = {
    TargetState.FAILING: Look("bad", "exclamation-triangle", "The last try did not succeed."),
    TargetState.WELL: Look("good", "check-circle", "The last try succeeded."),
    TargetState.UNPROVEN: Look("unknown", "question-mark-circle", "Nothing has been sent yet: send a test."),
    TargetState.OFF: Look("off", "minus-circle", "Nothing is sent to it."),
}
