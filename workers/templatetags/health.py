"""CML's own checks of its hosts, in words: what fails first, with what that means and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template

register = template.Library()


@dataclass(frozen=True)
class _Check:
    """A check by CML's name: what it is called, what its failure means, and what to do then."""

    label: str
    meaning: str
    remedy: str
    true_is_bad: bool = False


# Source: Cisco CML 2.9 and 2.10 API, /system_health; meanings from CML's documentation of its services.
_CHECKS = {
    "kvm_vmx_enabled": _Check(
        "Hardware virtualisation",
        "The instance type cannot run virtual machines, so no node starts here.",
        "Use a metal instance type, or one with nested virtualisation switched on.",
    ),
    "enough_cpus": _Check("Enough CPUs", "There are fewer CPUs than CML needs.", "Use a larger instance type."),
    "lld_connected": _Check(
        "Low-level driver connected",
        "The host’s driver has no connection to the controller.",
        "Restart CML’s services on that host; for a compute of a cluster, look at the cluster’s network.",
    ),
    "lld_synced": _Check(
        "Low-level driver in step",
        "The host’s driver has not taken over the controller’s state yet.",
        "Wait a few minutes; restart CML’s services on that host if it stays so.",
    ),
    "libvirt": _Check(
        "Virtual machines (libvirt)", "Nodes that are virtual machines cannot start.", "Restart libvirtd in Cockpit, port 9090."
    ),
    "fabric": _Check("Network fabric", "Nodes start without working links.", "Restart CML’s services on that host."),
    "device_mux": _Check("Console multiplexer", "Consoles cannot be opened.", "Restart CML’s services on that host."),
    "refplat_images_available": _Check(
        "Reference platform images",
        "Nodes have nothing to start from.",
        "Copy the reference platform images to the machine again, or mount them.",
    ),
    "docker_shim": _Check(
        "Containers", "Nodes that are containers cannot start.", "Restart docker and CML’s services on that host."
    ),
    "core_connected": _Check(
        "Core service connected", "CML’s web server does not reach its core.", "Restart the controller’s services."
    ),
    "nodes_loaded": _Check("Node definitions loaded", "No node can be added.", "Restart the controller’s services."),
    "images_loaded": _Check("Image definitions loaded", "No image can be chosen.", "Restart the controller’s services."),
    "valid": _Check("Controller as a whole", "CML calls its controller not valid.", "See Diagnostics in CML."),
    "cpu_overload": _Check(
        "CPU not overloaded", "Nodes are slow, and new ones may be refused.", "Stop labs, or use a larger instance type.", True
    ),
    "memory_overload": _Check(
        "Memory not overloaded", "New nodes may be refused or killed.", "Stop labs, or use a larger instance type.", True
    ),
    "disk_overload": _Check(
        "Disk not overloaded", "Nodes may freeze when it is full.", "Wipe stopped labs, or enlarge the root volume.", True
    ),
    "airhandler": _Check("Air handler", "Parts of CML’s interface do not work.", "Restart the controller’s services."),
    "dispatcher": _Check("Console dispatcher", "Consoles cannot be opened.", "Restart the controller’s services."),
    "ipsnooper": _Check("Address snooper", "Nodes’ addresses are not found.", "Restart the controller’s services."),
    "pcapdemux": _Check("Packet capture", "Packets cannot be captured.", "Restart the controller’s services."),
}
_LOOKS = {"bad": ("x-circle", "Fails"), "unknown": ("question-mark-circle", "Unknown"), "good": ("check-circle", "Passes")}


@register.filter
def in_words(checks: object) -> list[dict[str, str]]:
    """CML's checks as rows of a table, what fails first: label, tone, icon, word, and for failing ones meaning and remedy.

    Names that are not known keep CML's own words.
    """
    rows = [_row(str(name), value) for name, value in (checks.items() if isinstance(checks, dict) else ())]
    return sorted(rows, key=lambda row: tuple(_LOOKS).index(row["tone"]))


def _row(name: str, value: Any) -> dict[str, str]:
    check = _CHECKS.get(name) or _Check(name.replace("_", " ").capitalize(), "", "See Diagnostics in CML.")
    tone = "unknown" if not isinstance(value, bool) else "good" if value is not check.true_is_bad else "bad"
    icon, word = _LOOKS[tone]
    told = {"meaning": check.meaning, "remedy": check.remedy} if tone == "bad" else {"meaning": "", "remedy": ""}
    return {"label": check.label, "tone": tone, "icon": icon, "word": word, **told}


# Source: Cisco CML 2.9 API, /system/compute_hosts: AdmissionState.
_ADMISSION = {
    "UNREGISTERED": "not known to the controller yet",
    "REGISTERED": "registered, but not connected",
    "ONLINE": "connected, but not admitted to run nodes",
    "READY": "ready to run nodes",
}


@register.filter
def admission(state: object) -> str:
    """How far a compute host is admitted, in words; CML's own word when it is a new one, "" for none."""
    return _ADMISSION.get(str(state).upper(), str(state).lower()) if state else ""


@register.filter
def sum_up(rows: list[dict[str, str]]) -> dict[str, str]:
    """One line for all rows: tone and words."""
    failing = [row["label"] for row in rows if row["tone"] == "bad"]
    if failing:
        more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
        return {"tone": "bad", "words": f"Fails: {failing[0]}{more}"}
    if any(row["tone"] == "unknown" for row in rows) or not rows:
        return {"tone": "unknown", "words": "Not all checks are known"}
    return {"tone": "good", "words": f"All {len(rows)} checks pass" if len(rows) > 1 else "Its check passes"}
