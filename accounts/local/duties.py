"""What somebody with a local account must do before anything else."""

from __future__ import annotations

from django.conf import settings
from django.db.models import TextChoices

from accounts.local.factors import has_strong_factor
from accounts.models import User
from accounts.roles import Role


class Duty(TextChoices):
    """What is due; the value is the name of the address where it is done."""

    NEW_PASSWORD = "account_change_password", "Choose a new password."
    SECOND_FACTOR = "mfa_index", "Set up a second factor."


def needs_second_factor(user: User) -> bool:
    """Whether the setting asks this person for one: administrators, and whoever else may open the Django admin."""
    return settings.MFA_REQUIRED_FOR_ADMINS and (user.role == Role.ADMIN or user.is_staff)


def outstanding(user: User, backend: str | None) -> Duty | None:
    """The first duty of a person whose session was made by `backend`, or None. Keycloak's people have none: Keycloak sees to theirs."""
    if backend != settings.LOCAL_BACKEND:
        return None
    if user.must_change_password and user.has_usable_password():
        return Duty.NEW_PASSWORD
    if needs_second_factor(user) and not has_strong_factor(user):
        return Duty.SECOND_FACTOR
    return None
