"""One look at the labs of one CML server. Runs in a thread and touches no database."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from labs.services.tiles import is_odd
from workers.clients import cml
from workers.models import Worker
from workers.services.connection import UnableToConnect, client_of

logger = logging.getLogger(__name__)

DETAILS_IN_PARALLEL = 4  # calls to one server
# After these another call to the same server would only wait, or knock again.
_HOPELESS = (cml.CmlUnreachable, cml.CmlNotReady, cml.CmlRefused)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one look brought. `tiles` is None when the labs could not be read.

    `gone` are the known labs that CML proved not to have any more; `problem` is a sentence for the operator, "" when all is well.
    """

    tiles: tuple[cml.Lab, ...] | None = None
    gone: frozenset[str] = frozenset()
    problem: str = ""


def read(worker: Worker, known: Collection[str]) -> Reading:
    """Ask `worker`'s CML for its labs, of which `known` (CML's ids) were there the last time. Never raises."""
    if not worker.endpoint:
        return Reading(problem="EC2 has given the machine no address yet.")
    try:
        client = client_of(worker)
        if not client.username:
            return Reading(problem="The portal has no account on this CML: an administrator can set one under Edit connection.")
        return _read(client, known)
    except UnableToConnect as error:
        return Reading(problem=str(error))
    except cml.CmlError as error:
        return Reading(problem=error.sentence)
    except Exception:
        # A defect of ours or an answer nobody foresaw must not stop the rest of the fleet.
        logger.exception("Reading the labs of %s failed", worker)
        return Reading(problem="The portal could not understand what this CML says of its labs; the log has the details.")


def _read(client: cml.CmlClient, known: Collection[str]) -> Reading:
    ids: frozenset[str] | None = None
    tiles: tuple[cml.Lab, ...]
    try:
        tiles = client.lab_tiles()
    except _HOPELESS:
        raise
    except cml.CmlError:
        # Meant for CML's own pages, so a version may do without it, or fail over a single lab of many.
        ids = frozenset(client.lab_ids())
        tiles = _one_by_one(client, sorted(ids))
    missing = frozenset(known) - {tile.lab_id for tile in tiles}
    if missing:
        return _proven(client, tiles, missing, ids)
    return Reading(tiles=tiles, problem=_half_told(tiles))


def _proven(client: cml.CmlClient, tiles: tuple[cml.Lab, ...], missing: frozenset[str], ids: frozenset[str] | None) -> Reading:
    """The reading with those of `missing` that are truly gone: a list that CML keeps apart from its tiles does not have them either,
    and the account is one that sees every lab."""
    try:
        listed = frozenset(client.lab_ids()) if ids is None else ids
        sees_all = client.account().is_admin
    except cml.CmlError as error:
        count = f"{len(missing)} lab{'' if len(missing) == 1 else 's'}"
        return Reading(
            tiles=tiles, problem=f"CML no longer shows {count}, and could not be asked whether they are gone. {error.sentence}"
        )
    if not sees_all:
        sentence = f"CML’s account {client.username} is no administrator and may not see every lab: those that it no longer sees are kept."
        return Reading(tiles=tiles, problem=sentence)
    return Reading(tiles=tiles, gone=missing - listed, problem=_half_told(tiles))


def _half_told(tiles: tuple[cml.Lab, ...]) -> str:
    count = sum(map(is_odd, tiles))
    if not count:
        return ""
    return f"CML did not say everything about {count} of {len(tiles)} labs: what was known of them is kept."


def _one_by_one(client: cml.CmlClient, ids: list[str]) -> tuple[cml.Lab, ...]:
    """Each lab by a call of its own, a few at a time. One that cannot be read is there all the same, without its details."""

    def details(lab_id: str) -> cml.Lab:
        try:
            return client.lab(lab_id)
        except cml.CmlError:
            return cml.Lab.read(lab_id, None)

    with ThreadPoolExecutor(max_workers=DETAILS_IN_PARALLEL, thread_name_prefix="lab") as pool:
        return tuple(pool.map(details, ids))
