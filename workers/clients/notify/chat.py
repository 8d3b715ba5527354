"""Slack, Teams and Webex by apprise, which knows their formats. It logs addresses: its logger speaks to this module alone."""

from __future__ import annotations

import contextvars
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from workers.clients.notify.outcome import Outcome, Verdict, of_status, shortened

Product = Literal["slack", "teams", "webex"]
BOT_TOKEN = re.compile(r"(?:xoxe\.)?xox[abp]-[A-Za-z0-9-]{8,250}")
CHANNEL = re.compile(r"#?[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
CONNECT_SECONDS, READ_SECONDS = 4.0, 8.0
THROTTLED_SECONDS = 60.0  # apprise does not tell a Retry-After
NAMES: dict[Product, str] = {"slack": "Slack", "teams": "Teams", "webex": "Webex"}
# Only hosts of the product itself, so that an address cannot point into the portal's own network. Microsoft's clouds, public and
# sovereign: "IP address configuration" of Power Automate.
_HOSTS: dict[Product, tuple[str, ...]] = {
    "slack": ("hooks.slack.com", "hooks.slack-gov.com"),
    "teams": (
        ".logic.azure.com",
        ".logic.azure.us",
        ".logic.azure.cn",
        ".api.powerplatform.com",
        ".powerplatform.microsoft.us",
        ".appsplatform.us",
        ".powerplatform.partner.microsoftonline.cn",
    ),
    "webex": ("webexapis.com", "api.ciscospark.com"),
}
# Other parameters are apprise's own and could make it read files or skip the check of the certificate.
_PARAMETERS: dict[Product, frozenset[str]] = {
    "slack": frozenset(),
    "teams": frozenset({"api-version", "sp", "sv", "sig"}),
    "webex": frozenset(),
}
_EXAMPLES: dict[Product, str] = {
    "slack": "Paste the address of an incoming webhook (https://hooks.slack.com/services/…) or a bot token (xoxb-…).",
    "teams": "Paste the whole address that Workflows shows: https://….logic.azure.com/… or https://….api.powerplatform.com/….",
    "webex": "Paste the address of an incoming webhook: https://webexapis.com/v1/webhooks/incoming/….",
}


class NotAChatAddress(Exception):
    """The text is no address of the product; the sentence says what is."""


@dataclass(frozen=True, kw_only=True)
class ChatAddress:
    """Where a message goes. `text` is the secret: the web address as the product shows it, without other parameters, or a bot token."""

    product: Product
    text: str
    channel: str = ""  # of a bot

    def __repr__(self) -> str:
        return f"ChatAddress({self.product})"

    @property
    def host(self) -> str:
        """What may be shown of it."""
        return "slack.com" if BOT_TOKEN.fullmatch(self.text) else str(urlsplit(self.text).hostname)

    def secrets(self) -> set[str]:
        """What must not turn up anywhere."""
        parts = urlsplit(self.text)
        return {self.text, *parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))}


def address_of(product: Product, text: str, *, channel: str = "") -> ChatAddress:
    """The address in `text`, as people copy it. Raises NotAChatAddress."""
    text = text.strip()
    if product == "slack" and BOT_TOKEN.fullmatch(text):
        if not CHANNEL.fullmatch(channel):
            raise NotAChatAddress("A bot needs the channel: its name, such as #operations, or its id.")
        address = ChatAddress(product=product, text=text, channel=channel)
    else:
        address = ChatAddress(product=product, text=_plain_url(product, text))
    if _plugin(address) is None:
        raise NotAChatAddress(_EXAMPLES[product])
    return address


def _plain_url(product: Product, text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise NotAChatAddress(_EXAMPLES[product]) from None
    host = (parts.hostname or "").lower()
    known = any(host == one or (one.startswith(".") and host.endswith(one)) for one in _HOSTS[product])
    if parts.scheme != "https" or not known or port not in {None, 443} or "@" in parts.netloc or len(text) > 2_000:
        raise NotAChatAddress(_EXAMPLES[product])
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] in _PARAMETERS[product]])
    return parts._replace(query=query, fragment="", netloc=host).geturl()


def _plugin(address: ChatAddress) -> Any:
    """apprise's own object for the address; None when it does not understand it. Nothing is sent."""
    # Imported when first needed: apprise costs a tenth of a second that most processes need not pay.
    # Its classes are taken directly, because its own look-up would load all of its hundred services.
    from apprise import AppriseAsset
    from apprise.exception import AppriseImproperlyConfigured
    from apprise.plugins.slack import NotifySlack
    from apprise.plugins.webexteams import NotifyWebexTeams
    from apprise.plugins.workflows import NotifyWorkflows

    classes: dict[Product, Any] = {"slack": NotifySlack, "teams": NotifyWorkflows, "webex": NotifyWebexTeams}
    parts: dict[str, Any] | None
    if address.channel:
        parts = {"schema": "slack", "mode": "bot", "access_token": address.text, "targets": [address.channel]}
    else:
        parts = classes[address.product].parse_native_url(address.text)
    if not parts:
        return None
    parts |= {"include_image": False, "redirect": False, "cto": CONNECT_SECONDS, "rto": READ_SECONDS}
    if address.product == "webex":
        parts["mode"] = "webhook"
    if address.product != "teams":
        parts["format"] = "text"
    asset = AppriseAsset(app_id="CML Cloud Manager", async_mode=False, http_redirects=False)
    try:
        return classes[address.product](asset=asset, **parts)
    except (AppriseImproperlyConfigured, TypeError):
        return None


def send_to_chat(address: ChatAddress, *, title: str, body: str, severity: str) -> Outcome:
    """Send one message. `severity` is info, warning or critical and gives the colour. Never raises for what the other side does."""
    from apprise import NotifyFormat, NotifyType

    plugin = _plugin(address)
    if plugin is None:
        return Outcome(verdict=Verdict.REFUSED, sentence=_EXAMPLES[address.product])
    tone = {"warning": NotifyType.WARNING, "critical": NotifyType.FAILURE}.get(severity, NotifyType.INFO)
    if address.product == "teams":
        title, body = _literal(title), _without_tags(body)
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        sent = plugin.notify(title=title, body=body, notify_type=tone, body_format=NotifyFormat.TEXT)
    finally:
        _heard.reset(token)
    return Outcome(verdict=Verdict.SENT) if sent else _failure(address, heard)


def _failure(address: ChatAddress, heard: Iterable[str]) -> Outcome:
    name = NAMES[address.product]
    lines = list(heard)
    status = next((int(found[1]) for line in lines if (found := re.search(r"\berror=([0-9]{3})\b", line))), None)
    answer = next((line for line in lines if line.startswith(_DETAILS)), "").removeprefix(_DETAILS).strip()
    answer = shortened(answer.removeprefix("b").strip("'\"").encode(), address.secrets())
    if status is None:
        return Outcome(verdict=Verdict.LATER, sentence=f"{name} could not be reached.")
    if status == 200:
        # A bot's refusal comes with status 200 and a word in the answer.
        hint = "check the channel, and that the bot is a member of it" if address.channel else "its answer says why"
        sentence = f"{name} refuses the message: {hint}."
        return Outcome(verdict=Verdict.REFUSED, sentence=sentence, status=status, answer=answer)
    return of_status(status, host=name, answer=answer, retry_after=THROTTLED_SECONDS)


def _literal(text: str) -> str:
    # Cards read Markdown, too, in a title, where apprise leaves it as it is.
    return re.sub(r"([\\`*_\[\]()#])", r"\\\1", _without_tags(text))


def _without_tags(text: str) -> str:
    # What a lab is called must mention nobody: <at>…</at>.
    return text.replace("<", "‹").replace(">", "›")


# ── What apprise says ──────────────────────────────────────────────────────────────────────────────────────────────
_DETAILS = "Response Details:"
_heard: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("apprise_heard", default=None)


class _Listener(logging.Filter):
    """Keeps the lines that tell a status or an answer, for whoever sends in this thread, and lets none through: they hold addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        heard = _heard.get()
        if heard is not None:
            line = record.getMessage()
            if "error=" in line or line.startswith(_DETAILS):
                heard.append(line[:4_000])
        return False


def _silence() -> None:
    speaker = logging.getLogger("apprise")
    speaker.setLevel(logging.DEBUG)
    speaker.propagate = False
    speaker.addFilter(_Listener())


_silence()
