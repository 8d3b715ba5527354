"""What people type on the system page."""

from __future__ import annotations

from django import forms


class PauseForm(forms.Form):
    """Why a job rests."""

    reason = forms.CharField(
        max_length=200,
        label="Why",
        help_text="Those who find it paused read this; it is in the audit, too.",
        error_messages={"required": "Say why, for those who find the job paused."},
    )
