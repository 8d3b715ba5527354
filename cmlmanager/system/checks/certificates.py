"""Certificates of CML servers that the portal was told to trust: one that runs out makes its worker refuse to be read."""

from __future__ import annotations

from datetime import timedelta

from cmlmanager.system import health
from workers import certificates as stored
from workers.choices import MachineState
from workers.models import Worker

SOON = timedelta(days=14)
_SHOWN = 10
_GONE = (MachineState.TERMINATED, MachineState.LOST, MachineState.FAILED)


@health.register(name="certificates", label="CML certificates", group=health.Group.OUTSIDE, every=3600)
def certificates(context: health.Context) -> health.Said:
    """The trusted ones, as they were read when they were trusted: asks no server."""
    ending = []
    known = 0
    rows = (
        Worker.objects.exclude(machine_state__in=_GONE)
        .exclude(tls_trusted={})
        .values_list("name", "instance_id", "tls_trusted")
    )
    for name, instance_id, entry in rows.iterator():
        certificate = stored.shown(entry)
        if certificate is None or certificate.not_after is None:
            continue
        known += 1
        if certificate.not_after < context.now + SOON:
            ending.append((certificate.not_after, name or instance_id))
    ending.sort()
    facts = {name: f"until {until:%d %b %Y, %H:%M} UTC" for until, name in ending[:_SHOWN]}
    if not ending:
        if not known:
            return health.off("No certificate of a CML server was trusted by hand.")
        return health.ok(f"All {known} trusted certificates are good for two weeks and more.")
    past = [name for until, name in ending if until < context.now]
    words = f"{len(ending)} of {known} trusted certificates {'ends' if len(ending) == 1 else 'end'} within two weeks"
    return health.warning(
        f"{words}{f', {len(past)} of them already' if past else ''}.",
        "Make CML a new certificate, then confirm it on the worker’s connection page.",
        facts=facts,
    )
