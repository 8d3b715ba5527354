"""What came of one try to send, in the same words for every way out."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus

KEPT = 500  # characters of an answer
LONGEST_WAIT = 6 * 3600.0  # seconds of a Retry-After that are honoured


class Verdict(Enum):
    """What to do about it."""

    SENT = "sent"
    LATER = "later"  # may pass: try again
    REFUSED = "refused"  # the same message would be refused again
    GONE = "gone"  # nobody is there any more


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One try. `status` is HTTP's or SMTP's number, `answer` the beginning of what the other side said, `retry_after` in seconds.

    `sentence` says what went wrong and what to do; it holds no address and no secret. "" when the message was accepted.
    """

    verdict: Verdict
    sentence: str = ""
    status: int | None = None
    answer: str = ""
    retry_after: float | None = None


# 408, 425 and 429 say themselves that the same request may be repeated. Source: RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4.
_MAY_PASS = frozenset({408, 425, 429})


def of_status(status: int, *, host: str, answer: str = "", retry_after: float | None = None) -> Outcome:
    """What an HTTP status means for a delivery."""
    named = f"{status} {_phrase(status)}".strip()
    common = {"status": status, "answer": answer}
    if 200 <= status < 300:
        return Outcome(verdict=Verdict.SENT, **common)  # type: ignore[arg-type]
    if status == 410:
        sentence = f"{host} answers {named}: nobody wants these notices any more."
        return Outcome(verdict=Verdict.GONE, sentence=sentence, **common)  # type: ignore[arg-type]
    if 300 <= status < 400:
        sentence = f"{host} answers {named}, a redirect, which is not followed: enter the address that it leads to."
        return Outcome(verdict=Verdict.REFUSED, sentence=sentence, **common)  # type: ignore[arg-type]
    if status >= 500 or status in _MAY_PASS:
        wait = retry_after if status in {429, 503} else None
        sentence = f"{host} answers {named}."
        return Outcome(verdict=Verdict.LATER, sentence=sentence, retry_after=wait, **common)  # type: ignore[arg-type]
    hint = " Check the address, and whether its token is still valid." if status in {401, 403, 404} else ""
    return Outcome(verdict=Verdict.REFUSED, sentence=f"{host} refuses the message: {named}.{hint}", **common)  # type: ignore[arg-type]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def waiting_time(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, a number or a date, from 1 second to six hours; None when it says nothing usable."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(LONGEST_WAIT, max(1.0, float(text)))
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(LONGEST_WAIT, max(1.0, (moment - (now or datetime.now(UTC))).total_seconds()))


def shortened(body: bytes, secrets: Iterable[str] = ()) -> str:
    """The beginning of an answer as one line of printable text, without what must not be kept."""
    text = body.decode("utf-8", "replace")
    for secret in sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True):
        text = text.replace(secret, "…")
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= KEPT else f"{text[: KEPT - 1]}…"
