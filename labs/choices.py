"""Every state that a lab or a node can show, with its label, tone and icon. Tones and looks are those of workers.choices."""

from __future__ import annotations

from django.db.models import TextChoices

from workers.choices import Look


class LabState(TextChoices):
    """What CML says of a lab. Source: Cisco CML 2.9 API, /labs/{id}/state."""

    DEFINED = "DEFINED_ON_CORE", "Defined"
    STOPPED = "STOPPED", "Stopped"
    STARTED = "STARTED", "Running"


class Standing(TextChoices):
    """What the pages show of a lab: CML's state, as far as it can be believed now. Derived, never stored (see querysets)."""

    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"
    DEFINED = "defined", "Defined"
    OTHER = "other", "Other"
    AWAY = "away", "Worker off"
    GONE = "gone", "Gone"

    @property
    def look(self) -> Look:
        return _LOOKS[self]


_LOOKS = {
    Standing.RUNNING: Look("good", "play-circle", "The lab is started: its nodes run or are booting."),
    Standing.STOPPED: Look("off", "stop-circle", "The lab is stopped; its nodes keep their disks."),
    Standing.DEFINED: Look("off", "minus-circle", "The lab has never run or was wiped: it is a topology without any disks."),
    Standing.OTHER: Look("unknown", "question-mark-circle", "CML did not say, or uses a word that the portal does not know."),
    Standing.AWAY: Look("unknown", "moon", "The worker does not run: what is shown is what was last known."),
    Standing.GONE: Look("off", "x-circle", "The lab is no longer on the worker, or its worker is gone."),
}

OF_STATE = {
    LabState.STARTED.value: Standing.RUNNING,
    LabState.STOPPED.value: Standing.STOPPED,
    LabState.DEFINED.value: Standing.DEFINED,
}


class NodeState(TextChoices):
    """What CML says of a node. Source: Cisco CML 2.9 and 2.10 API, /labs/{id}/nodes."""

    DEFINED = "DEFINED_ON_CORE", "Defined"
    STOPPED = "STOPPED", "Stopped"
    QUEUED = "QUEUED", "Queued"
    STARTING = "STARTING", "Starting"
    STARTED = "STARTED", "Booting"
    BOOTED = "BOOTED", "Booted"
    DISCONNECTED = "DISCONNECTED", "Disconnected"
    OTHER = "", "Unknown"

    @classmethod
    def read(cls, word: str) -> NodeState:
        """The state of CML's `word`; OTHER for one that the portal does not know."""
        return cls(word) if word in cls.values else cls.OTHER

    @property
    def is_running(self) -> bool:
        """Whether the node takes memory and CPU of its host."""
        return self in {NodeState.STARTED, NodeState.STARTING, NodeState.BOOTED}

    @property
    def look(self) -> Look:
        return _NODE_LOOKS[self]


_NODE_LOOKS = {
    NodeState.DEFINED: Look("off", "minus-circle", "Never ran, or was wiped: it has no disk."),
    NodeState.STOPPED: Look("off", "stop-circle", "Stopped; its disk is kept."),
    NodeState.QUEUED: Look("busy", "clock", "Waiting for its turn to start."),
    NodeState.STARTING: Look("busy", "arrow-path", "Being started."),
    NodeState.STARTED: Look("busy", "arrow-path", "Started, and booting."),
    NodeState.BOOTED: Look("good", "check-circle", "Booted."),
    NodeState.DISCONNECTED: Look("bad", "signal-slash", "CML has lost the host that it ran on."),
    NodeState.OTHER: Look("unknown", "question-mark-circle", "CML did not say, or uses a word that the portal does not know."),
}


class LabVersionReason(TextChoices):
    """Why a version of a lab was kept."""

    ASKED = "asked", "Asked for"
    NIGHTLY = "nightly", "Nightly"
    BEFORE_STOP = "stop", "Before a stop"
    BEFORE_WIPE = "wipe", "Before a wipe"
    BEFORE_DELETE = "delete", "Before a deletion"
    BEFORE_TERMINATE = "terminate", "Before the worker was terminated"
    IMPORTED = "import", "As imported"
