"""What an error of sending an e-mail means."""

from __future__ import annotations

import smtplib
import ssl

from workers.clients.notify.outcome import Outcome, Verdict, shortened

# In this order: the narrower before the wider.
_MAY_PASS: tuple[tuple[type[Exception], str], ...] = (
    # Whoever mends the setting wants the waiting notices to go out.
    (
        smtplib.SMTPAuthenticationError,
        "The mail server does not accept the portal's account: check EMAIL_HOST_USER and its password.",
    ),
    (smtplib.SMTPNotSupportedError, "The mail server cannot do what EMAIL_USE_TLS or the account asks for."),
    (smtplib.SMTPServerDisconnected, "The mail server ended the connection."),
    (ssl.SSLError, "The mail server's certificate was not accepted, or it speaks no TLS."),
    (TimeoutError, "The mail server did not answer in time."),
)


def meaning_of(error: Exception) -> Outcome | None:
    """The outcome that smtplib's or the network's error stands for; None for what is neither."""
    for kind, sentence in _MAY_PASS:
        if isinstance(error, kind):
            return Outcome(verdict=Verdict.LATER, sentence=sentence, status=getattr(error, "smtp_code", None))
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _of_code(*_worst(error), refused="The mail server accepts none of the addresses.")
    if isinstance(error, smtplib.SMTPResponseException):
        return _of_code(error.smtp_code, error.smtp_error, refused="The mail server refuses the message.")
    if isinstance(error, OSError):
        sentence = "The mail server could not be reached: check EMAIL_HOST and EMAIL_PORT."
        return Outcome(verdict=Verdict.LATER, sentence=sentence)
    return None


def _of_code(code: int, answer: bytes | str, *, refused: str) -> Outcome:
    said = shortened(answer if isinstance(answer, bytes) else str(answer).encode())
    if 500 <= code < 600:
        return Outcome(verdict=Verdict.REFUSED, sentence=refused, status=code, answer=said)
    return Outcome(verdict=Verdict.LATER, sentence="The mail server asks to try again later.", status=code, answer=said)


def _worst(error: smtplib.SMTPRecipientsRefused) -> tuple[int, bytes]:
    # One that may be accepted later is a reason to try again.
    return min(error.recipients.values(), key=lambda said: said[0], default=(550, b""))
