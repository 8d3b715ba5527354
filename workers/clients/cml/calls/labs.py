"""Calls about labs. What starts, stops or wipes is accepted at once and done later: the states tell how far CML is."""

from __future__ import annotations

import json

from workers.clients.cml.addresses import identifier, query
from workers.clients.cml.answers.labs import ImageDefinition, Lab, LabImport, LabTile
from workers.clients.cml.answers.topology import ElementStates, LabNode, SimulationStats, Topology
from workers.clients.cml.reading import mapping, text
from workers.clients.cml.transport import Body, Call, Transport


def _lab(lab_id: str, rest: str = "") -> str:
    """The path of one lab."""
    return f"/labs/{identifier(lab_id, kind='lab')}{rest}"


class LabCalls(Transport):
    """Labs: what there is."""

    def lab_ids(self) -> tuple[str, ...]:
        """The ids of every lab that the account sees, an administrator all. Cisco CML 2.9 API, GET /labs?show_all=true.

        Raises CmlUnexpected, and never returns fewer labs, when the answer is not a list of ids.
        """
        call = Call("GET", "/labs" + query(show_all=True))
        found = self._array(call, self._authorized(call))
        if not all(isinstance(lab_id, str) and lab_id for lab_id in found):
            self._unexpected(call, "not every entry of the answer is an id")
        return tuple(map(text, found))

    def lab(self, lab_id: str) -> Lab:
        """One lab without its topology. Cisco CML 2.9 API, GET /labs/{lab_id}."""
        return Lab.read(lab_id, self._get_object(_lab(lab_id)))

    def lab_tiles(self) -> tuple[LabTile, ...]:
        """Every lab that the account sees (an administrator: all), in one call. Cisco CML 2.9 API, GET /populate_lab_tiles.

        Raises CmlUnexpected, and never returns fewer labs, when the answer is not a set of tiles.
        """
        call = Call("GET", "/populate_lab_tiles")
        tiles = self._object(call, self._authorized(call)).get("lab_tiles")
        if not isinstance(tiles, dict):
            self._unexpected(call, "the answer holds no object 'lab_tiles'")
        return tuple(LabTile.read(lab_id, value) for lab_id, value in tiles.items())

    def lab_state(self, lab_id: str) -> str:
        """DEFINED_ON_CORE, STOPPED or STARTED. Cisco CML 2.9 API, GET /labs/{lab_id}/state."""
        call = Call("GET", _lab(lab_id, "/state"))
        state = self._json(call, self._authorized(call))
        if not isinstance(state, str) or not state:
            self._unexpected(call, "the answer is not a state")
        return text(state)

    def lab_element_states(self, lab_id: str) -> ElementStates:
        """The state of every node, link and interface of a lab. Cisco CML 2.9 API, GET /labs/{lab_id}/lab_element_state."""
        return ElementStates.read(self._get_object(_lab(lab_id, "/lab_element_state")))

    def check_if_converged(self, lab_id: str) -> bool:
        """Whether all nodes of a lab have come to rest. Cisco CML 2.9 API, GET /labs/{lab_id}/check_if_converged."""
        call = Call("GET", _lab(lab_id, "/check_if_converged"))
        converged = self._json(call, self._authorized(call))
        if not isinstance(converged, bool):
            self._unexpected(call, "the answer is neither true nor false")
        return converged

    def nodes(self, lab_id: str) -> tuple[LabNode, ...]:
        """The nodes of a lab. Cisco CML 2.9 API, GET /labs/{lab_id}/nodes?data=true."""
        asked = query(data=True, operational=False, exclude_configurations=True)
        return tuple(LabNode.read(value) for value in self._get_array(_lab(lab_id, "/nodes") + asked))

    def all_nodes(self) -> tuple[LabNode, ...]:
        """The nodes of every lab that the account sees. Cisco CML 2.9 API, GET /nodes."""
        asked = query(operational=False, exclude_configurations=True)
        return tuple(LabNode.read(value) for value in self._get_array("/nodes" + asked))

    def topology(self, lab_id: str) -> Topology:
        """The nodes and links of a lab, without configurations and states. Cisco CML 2.9 API, GET /labs/{lab_id}/topology."""
        answer = self._get_object(_lab(lab_id, "/topology") + query(exclude_configurations=True))
        return Topology.read(answer) or Topology(nodes=(), links=())

    def simulation_stats(self, lab_id: str) -> SimulationStats:
        """What a lab's nodes and links do. Cisco CML 2.9 API, GET /labs/{lab_id}/simulation_stats."""
        return SimulationStats.read(self._get_object(_lab(lab_id, "/simulation_stats")))

    def node_definitions(self) -> tuple[str, ...]:
        """The ids of the kinds of nodes that the server knows. Cisco CML 2.9 API, GET /simplified_node_definitions."""
        found = (text(mapping(value).get("id")) for value in self._get_array("/simplified_node_definitions"))
        return tuple(filter(None, found))

    def image_definitions(self) -> tuple[ImageDefinition, ...]:
        """The disk images that the server has. Cisco CML 2.9 API, GET /image_definitions."""
        found = map(ImageDefinition.read, self._get_array("/image_definitions"))
        return tuple(image for image in found if image.image_id)


class LabWrites(Transport):
    """Labs: what changes them."""

    def start_lab(self, lab_id: str) -> None:
        """Start all nodes. Cisco CML 2.9 API, PUT /labs/{lab_id}/start.

        Raises CmlRejected when the licence or the hardware does not allow it.
        """
        self._authorized(Call("PUT", _lab(lab_id, "/start")))

    def stop_lab(self, lab_id: str) -> None:
        """Stop all nodes; their disks stay. Cisco CML 2.9 API, PUT /labs/{lab_id}/stop."""
        self._authorized(Call("PUT", _lab(lab_id, "/stop")))

    def wipe_lab(self, lab_id: str) -> None:
        """Throw away the disks of a stopped lab's nodes. Cisco CML 2.9 API, PUT /labs/{lab_id}/wipe."""
        self._authorized(Call("PUT", _lab(lab_id, "/wipe")))

    def delete_lab(self, lab_id: str) -> None:
        """Remove a lab that is stopped and wiped. Cisco CML 2.9 API, DELETE /labs/{lab_id}."""
        self._authorized(Call("DELETE", _lab(lab_id)))

    def rename_lab(self, lab_id: str, title: str) -> None:
        """Give a lab another title (1-64 characters). Cisco CML 2.9 API, PATCH /labs/{lab_id}."""
        self._authorized(Call("PATCH", _lab(lab_id), Body.of_json({"title": title})))

    def extract_configuration(self, lab_id: str, node_id: str) -> None:
        """Have CML read a running node's configuration into the lab, so that a download has it.

        Cisco CML 2.9 API, PUT /labs/{lab_id}/nodes/{node_id}/extract_configuration. It types on the node's console, which takes
        up to minutes.
        """
        node = f"/nodes/{identifier(node_id, kind='node')}/extract_configuration"
        self._authorized(Call("PUT", _lab(lab_id, node), long=True))

    def download_lab(self, lab_id: str) -> str:
        """A lab as YAML, byte for byte as CML writes it. Cisco CML 2.9 API, GET /labs/{lab_id}/download.

        It is not parsed here. Raises CmlUnexpected for what is empty or cannot be a lab: a backup must not be an error page.
        """
        call = Call("GET", _lab(lab_id, "/download"), long=True, large=True)
        body = self._authorized(call).body
        try:
            found = body.decode("utf-8")
        except UnicodeDecodeError:
            found = ""
        if found.lstrip()[:1] == '"':  # the vendor's description says a JSON string; servers answer the text itself
            found = _unquoted(found)
        if not found.strip() or found.lstrip()[:1] == "<" or ":" not in found:
            self._unexpected(call, "the answer is not a lab's YAML")
        return found

    def import_lab(self, topology: str, *, title: str = "") -> LabImport:
        """Make a new lab of a download. Cisco CML 2.9 API, POST /import?title=.

        `title` (1-64 characters) replaces the one in `topology`. Raises CmlRejected when CML cannot read it, for one because it
        is of a newer version. Never repeated by itself: an answer that did not arrive (`maybe_done`) may have left a lab.
        """
        path = "/import" + (query(title=title) if title else "")
        # Without a content type, as Cisco's own client sends it: CML tells YAML and JSON apart by looking.
        call = Call("POST", path, Body(topology.encode("utf-8", "replace"), content_type=""), long=True)
        made = LabImport.read(self._object(call, self._authorized(call)))
        if not made.lab_id:
            self._unexpected(call, "the answer holds no id")
        return made


def _unquoted(found: str) -> str:
    """The string that a JSON text holds, or the text itself."""
    try:
        value = json.loads(found)
    except (ValueError, RecursionError):
        return found
    return value if isinstance(value, str) else found
