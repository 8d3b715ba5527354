"""Labs."""

from __future__ import annotations

import uuid
from urllib.parse import quote

from django.db import models
from django.db.models import Q
from django.urls import reverse

from labs.choices import OF_STATE, LabState, Standing
from labs.querysets import LabQuerySet
from workers.choices import MachineState
from workers.models import Worker
from workers.querysets import GONE


class Lab(models.Model):
    """One CML lab on one worker, as last read. Text that CML did not give is "", figures are NULL; times are aware UTC.

    `topology` is {"nodes": [{id, label, x, y, node_definition, image_definition, state, cpus, ram}], "links": [{id, node_a, node_b, state}]};
    x and y are pixels on CML's canvas, ram is in bytes, what is not known is "" or null.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    worker_name = models.CharField(max_length=255, blank=True, default="")  # outlives the row
    cml_id = models.CharField(max_length=64)

    title = models.CharField(max_length=255, blank=True, default="")
    description = models.TextField(blank=True, default="")
    notes = models.TextField(blank=True, default="")
    state = models.CharField(
        max_length=16, choices=LabState, blank=True, default=""
    )  # "": a word that the portal does not know
    state_text = models.CharField(max_length=64, blank=True, default="")  # CML's own word
    state_since = models.DateTimeField()  # as far as the portal has seen
    owner_id = models.CharField(max_length=64, blank=True, default="")  # an account of that CML
    owner_username = models.CharField(max_length=64, blank=True, default="")
    owner_fullname = models.CharField(max_length=128, blank=True, default="")
    node_count = models.PositiveIntegerField(null=True, blank=True)
    nodes_running = models.PositiveIntegerField(null=True, blank=True)
    link_count = models.PositiveIntegerField(null=True, blank=True)
    cml_created_at = models.DateTimeField(null=True, blank=True)
    cml_modified_at = models.DateTimeField(null=True, blank=True)
    associations = models.JSONField(default=list, blank=True)  # whom it is shared with: [{group_id, name, permission}]
    topology = models.JSONField(default=dict, blank=True)
    # "\niosv\nalpine\n": which node definitions it uses, for search.
    node_definitions = models.TextField(blank=True, default="", editable=False)

    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()  # of a lab that is there: when it last changed; the worker knows when it was read
    gone_at = models.DateTimeField(null=True, blank=True)  # NULL while it is there
    digest = models.CharField(
        max_length=64, blank=True, default="", editable=False
    )  # of what CML told: the same writes nothing

    objects = LabQuerySet.as_manager()

    class Meta:
        permissions = [("operate_lab", "Can start, stop, wipe, import, download, back up and restore")]
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "cml_id"], condition=Q(worker__isnull=False), name="lab_unique_on_worker"
            ),
            models.CheckConstraint(condition=Q(state__in=["", *LabState.values]), name="lab_state_known"),
        ]
        indexes = [
            models.Index(fields=["title", "id"], name="lab_by_title"),  # the labs page's default order
            models.Index(fields=["owner_username"], name="lab_by_owner"),  # its filter
        ]

    def __str__(self) -> str:
        return self.title or self.cml_id

    def get_absolute_url(self) -> str:
        return reverse("lab", args=[self.id])

    @property
    def row_id(self) -> str:
        """The id of this lab's row in any table, its channel, and the name of the event that replaces the row."""
        return f"lab.{self.id}"

    @property
    def slot(self) -> str:
        """What keeps two operations on this lab apart (Operation.slot)."""
        return f"lab.{self.id.hex}"

    @property
    def is_gone(self) -> bool:
        """Whether it is no longer on a worker that exists; the same as querysets.IS_GONE."""
        return self.gone_at is not None or self.worker is None or self.worker.machine_state in GONE

    @property
    def standing(self) -> Standing:
        """What the pages show; the same as querysets.STANDING."""
        if self.is_gone:
            return Standing.GONE
        if self.worker is None or self.worker.machine_state != MachineState.RUNNING:
            return Standing.AWAY
        return OF_STATE.get(self.state, Standing.OTHER)

    @property
    def state_word(self) -> str:
        """CML's state in our word, or in CML's own when it is not known to us; "" when CML did not say."""
        return str(LabState(self.state).label) if self.state else self.state_text

    @property
    def owner(self) -> str:
        """Whose it is, in a word; "" when CML did not say."""
        return self.owner_username or self.owner_id

    @property
    def cml_url(self) -> str:
        """Where CML's own page of it is; "" when the worker has no address."""
        endpoint = self.worker.endpoint if self.worker else ""
        return f"{endpoint}/lab/{quote(self.cml_id, safe='')}" if endpoint else ""
