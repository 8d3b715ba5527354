"""Processes of the portal that say that they live."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

from cmlmanager.system.choices import ProcessKind
from workers.models.constraints import known

# It is heard of every ten seconds: after three missed times, and what the database may make a writer wait, it is taken for gone.
ALIVE = timedelta(seconds=45)
FORGOTTEN = timedelta(hours=1)  # after which nobody misses it any more


class Process(models.Model):
    """A Celery worker or a beat. It writes `seen_at` every few seconds and takes its row away when it ends in order.

    `facts` of a worker: {"concurrency": int, "running": [{"task", "since"}], "done": int}; of a beat: {"ticked_at": ISO time or null}.
    """

    name = models.CharField(max_length=128, primary_key=True)  # celery@host, beat@host:pid
    kind = models.CharField(max_length=8, choices=ProcessKind)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    facts = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "processes"
        constraints = [known("kind", ProcessKind)]

    def __str__(self) -> str:
        return self.name
