"""Answers that are kept, so that a request which is sent twice is done once."""

from __future__ import annotations

from django.db import models


class KeptAnswer(models.Model):
    """A request with an idempotency key, and its answer once there is one.

    `status` is NULL while the request is being done; `claimed_at` says since when. The answer may hold what is shown only once, such as
    a new token: it is encrypted (workers.services.vault).
    """

    credential = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)  # SHA-256 of method, address and body
    claimed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    headers = models.JSONField(default=dict, blank=True)
    answer_encrypted = models.TextField(blank=True, default="", editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "key"], name="kept_answer_once")]
        indexes = [models.Index(fields=["expires_at"], name="kept_answer_expires")]

    def __str__(self) -> str:
        return f"{self.key} of {self.credential}"
