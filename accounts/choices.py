"""What can happen to a person's account, and where local accounts are allowed."""

from __future__ import annotations

from django.db.models import TextChoices


class AccountEvent(TextChoices):
    """What accounts.signals.account_event says. The audit has an event kind of the same name: workers.choices, `person.<value>`."""

    SIGNED_IN = "signed_in", "Signed in"
    SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
    SIGNED_OUT = "signed_out", "Signed out"
    SESSIONS_ENDED = "sessions_ended", "Sessions ended"
    CREATED = "created", "Account created"
    DEACTIVATED = "deactivated", "Account deactivated"
    ACTIVATED = "activated", "Account activated"
    STAFF_CHANGED = "staff", "Staff changed"
    PERMISSIONS_CHANGED = "permissions", "Permissions changed"
    PASSWORD_CHANGED = "password_changed", "Password changed"
    PASSWORD_RESET = "password_reset", "Password reset"
    FACTOR_ADDED = "factor_added", "Second factor added"
    FACTOR_REMOVED = "factor_removed", "Second factor removed"
    TOKEN_CREATED = "token_created", "Token created"
    TOKEN_REVOKED = "token_revoked", "Token revoked"
    TOKEN_REFUSED = "token_refused", "Revoked token used"
    LOCKED = "locked", "Locked out"
    UNLOCKED = "unlocked", "Unlocked"
    BREAK_GLASS = "break_glass", "Break-glass account"


class LocalAccounts(TextChoices):
    """Who may sign in with an account of the portal's own: everybody who has one, the break-glass administrator alone, or nobody."""

    ON = "on", "On"
    BREAK_GLASS = "break-glass", "Break-glass only"
    OFF = "off", "Off"


class SignInMethod(TextChoices):
    """Where the person of a session proved who they are."""

    LOCAL = "local", "Account of the portal"
    KEYCLOAK = "keycloak", "Keycloak"
