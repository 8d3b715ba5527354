"""Why somebody is on the sign-in page instead of where they wanted to be, in a sentence each."""

from __future__ import annotations

from django.conf import settings
from django.db.models import TextChoices


class Problem(TextChoices):
    """The value is in the address of the sign-in page; the label is what the page says."""

    STATE = "state", "This sign-in took too long, or was begun in another browser. Try again."
    DENIED = (
        "denied",
        "You did not sign in with {provider}: the sign-in was cancelled, or your account there may not use this portal.",
    )
    REFUSED = "refused", "{provider} refused the sign-in. Try again; if it happens again, tell {contact}."
    SLOW = "slow", "{provider} took too long to answer. Try again in a minute."
    AWAY = "away", "{provider} cannot be reached at the moment. Try again in a minute."
    TOKEN = (
        "token",
        "{provider}'s answer could not be verified, so you were not signed in. Try again; if it happens again, tell {contact}.",
    )
    CLAIMS = (
        "claims",
        "{provider} says too little about you: this portal needs a username and an e-mail address. Tell {contact}.",
    )
    UNVERIFIED = "unverified", "Your e-mail address is not verified at {provider}. Verify it there, then sign in again."
    KNOWN_EMAIL = (
        "known-email",
        "Another account here has your e-mail address already, so no new one was made. Ask {contact} to link yours.",
    )
    INACTIVE = "inactive", "Your account in this portal is switched off. Ask {contact} to switch it on again."
    ENDED = "ended", "{provider} has ended your session. Sign in again."
    LEFT_OPEN = (
        "left-open",
        "You are signed out here, but {provider} could not be reached: your session there may still be open.",
    )

    @property
    def sentence(self) -> str:
        """For the page."""
        return self.label.format(provider=settings.OIDC_NAME, contact=settings.SUPPORT_CONTACT)


def sentence(value: object) -> str:
    """The sentence of a problem by its value, or "" when there is none."""
    return Problem(value).sentence if value in Problem.values else ""
