"""What can be said of licences and their seats beside LicenseState."""

from __future__ import annotations

from django.db.models import TextChoices

from workers.choices import LicenseState, Look

# A CML in these states is, as far as it knows itself, an instance in a smart account. An expired authorization does not remove it there.
HOLDS_SEAT = frozenset(
    {
        LicenseState.REGISTERED.value,
        LicenseState.OUT_OF_COMPLIANCE.value,
        LicenseState.EXPIRED.value,
        LicenseState.IN_PROGRESS.value,
    }
)

# The same in CML's own words, which say more: an expired evaluation, for one, never took a seat.
REGISTRATION_HOLDS_SEAT = frozenset({"COMPLETED", "EXPIRED", "IN_PROGRESS"})


class SeatDoubt(TextChoices):
    """Why nobody can say whether a seat is free again."""

    UNCONFIRMED = "unconfirmed", "Cisco was not reached"
    ANSWER_LOST = "answer_lost", "The answer was lost"
    BUSY = "busy", "CML was busy"
    UNREACHABLE = "unreachable", "CML did not answer"
    REFUSED = "refused", "CML did not release it"
    STOPPED = "stopped", "Terminated while stopped"
    TERMINATED = "terminated", "Terminated without release"
    OUTSIDE = "outside", "Terminated outside the portal"
    LOST = "lost", "Lost while registered"

    @property
    def look(self) -> Look:
        return Look("warn", "question-mark-circle", _HINTS[self])

    @property
    def sentence(self) -> str:
        """What happened, for the page."""
        return _HINTS[self]


_HINTS = {
    SeatDoubt.UNCONFIRMED: "CML removed its registration, but could not tell Cisco’s server (202).",
    SeatDoubt.ANSWER_LOST: "CML was asked to deregister; its answer never arrived, so nobody knows whether Cisco was told.",
    SeatDoubt.BUSY: "CML was busy with its licence (409), and the worker was terminated all the same.",
    SeatDoubt.UNREACHABLE: "CML did not answer, and the worker was terminated all the same.",
    SeatDoubt.REFUSED: "CML did not release the licence, and the worker was terminated all the same.",
    SeatDoubt.STOPPED: "The worker was terminated while it was stopped: its CML could not be asked.",
    SeatDoubt.TERMINATED: "The worker was terminated while its CML was registered.",
    SeatDoubt.OUTSIDE: "Somebody terminated the instance outside the portal while its CML was registered.",
    SeatDoubt.LOST: "EC2 no longer knows the instance, and its CML was registered.",
}


class RenewWhat(TextChoices):
    """What a renewal is of."""

    REGISTRATION = "registration", "Registration"
    AUTHORIZATION = "authorization", "Authorization"
