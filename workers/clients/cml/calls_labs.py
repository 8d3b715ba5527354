"""Calls about labs."""

from __future__ import annotations

from workers.clients.cml.answers import LabTile
from workers.clients.cml.transport import Call, Transport


class LabCalls(Transport):
    """Labs: what there is."""

    def lab_tiles(self) -> tuple[LabTile, ...]:
        """Every lab that the account sees (an administrator: all), in one call. Cisco CML 2.9 API, GET /populate_lab_tiles.

        Raises CmlUnexpected, and never returns fewer labs, when the answer is not a set of tiles.
        """
        call = Call("GET", "/populate_lab_tiles")
        tiles = self._object(call, self._authorized(call)).get("lab_tiles")
        if not isinstance(tiles, dict):
            self._unexpected(call, "the answer holds no object 'lab_tiles'")
        return tuple(LabTile.read(lab_id, value) for lab_id, value in tiles.items())
