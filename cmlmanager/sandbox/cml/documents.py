"""Labs as documents: the topology that `/topology` gives, the YAML that `/download` gives and `/import` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from cmlmanager.sandbox.cml.bodies import Choice, Fields, Items, Kind, Nullable, Place, Text, Whole, anything, flag
from cmlmanager.sandbox.cml.definitions import DEFINITIONS, IMAGES
from cmlmanager.sandbox.cml.describing import configuration_answer, link_answer
from cmlmanager.sandbox.cml.elements import Interface, Lab, Link, Node, cml_time, new_id
from cmlmanager.sandbox.cml.errors import ApiError, invalid
from cmlmanager.sandbox.cml.state import CmlState

# The newest topology schema that each version of CML writes; it reads that and the older ones.
_SCHEMAS = (
    ((2, 0), "0.0.3"),
    ((2, 1), "0.0.4"),
    ((2, 3), "0.0.5"),
    ((2, 4), "0.1.0"),
    ((2, 5), "0.2.0"),
    ((2, 6), "0.2.1"),
    ((2, 7), "0.2.2"),
    ((2, 8), "0.3.0"),
    ((2, 10), "0.3.1"),
)
EXTRAS = ("boot_disk_size", "cpu_limit", "data_volume", "hide_links", "parameters", "priority", "pyats", "pinned_compute_id")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_ID = Text(least=1, most=64)
_PLACE = Whole(least=-15000, most=15000)
_FILE = Fields({"name": Text(least=1, most=64), "content": Nullable(Text(most=20 * 1024 * 1024))}, required=("name",))


def schemas(state: CmlState) -> list[str]:
    """The topology schemas that this server reads, oldest first; it writes the last."""
    return ["0.0.1", "0.0.2", *(schema for version, schema in _SCHEMAS if version <= state.minor)]


def configuration(value: Any, at: Place) -> list[dict[str, str]] | None:
    """A configuration: text, one named file, several, or null."""
    if value is None:
        return None
    if isinstance(value, str):
        return [{"name": "Main", "content": value}]
    files = Items(of=_FILE)(value, at) if isinstance(value, list) else [_FILE(value, at)]
    return [{"name": one["name"], "content": one.get("content") or ""} for one in files]


NODE_FIELDS: dict[str, Kind] = {
    "x": _PLACE,
    "y": _PLACE,
    "label": Text(least=1, most=128),
    "parameters": anything,
    "image_definition": Nullable(Text(most=250)),
    "ram": Nullable(Whole(least=0, most=1048576)),
    "cpus": Nullable(Whole(least=0, most=128)),
    "cpu_limit": Nullable(Whole(least=20, most=100)),
    "data_volume": Nullable(Whole(most=4096)),
    "boot_disk_size": Nullable(Whole(most=4096)),
    "hide_links": Nullable(flag),
    "tags": Items(of=Text(most=64)),
    "configuration": configuration,
    "priority": Nullable(Whole(most=10000)),
    "pyats": anything,
}
_INTERFACE = Fields(
    {
        "id": _ID,
        "type": Choice(("physical", "loopback")),
        "node": _ID,
        "label": Text(least=1, most=128),
        "slot": Nullable(Whole(most=128)),
        "mac_address": Nullable(Text(most=32)),
    },
    required=("id", "type"),
)
_NODE = Fields(
    {**NODE_FIELDS, "id": _ID, "node_definition": Text(least=1, most=250), "interfaces": Items(of=_INTERFACE)},
    required=("x", "y", "label", "node_definition", "id"),
)
_LINK = Fields(
    {**dict.fromkeys(("id", "i1", "i2", "n1", "n2"), _ID), "label": Nullable(Text(most=128)), "conditioning": anything},
    required=("id", "i1", "i2", "n1", "n2"),
)


def topology_answer(state: CmlState, lab: Lab, *, configurations: bool) -> dict[str, Any]:
    """A lab as `/topology` gives it, with the ids of its elements."""
    by_id = {node.id: node for node in lab.nodes}
    return {
        "lab": {**_lab_part(state, lab), "owner": lab.owner},
        "nodes": [
            {**_node_part(state, node, configurations=configurations), "id": node.id, "interfaces": _ports(node)}
            for node in lab.nodes
        ],
        "links": [{**link_answer(lab, link, by_id), "conditioning": link.conditioning} for link in lab.links],
        "annotations": lab.annotations,
        "smart_annotations": lab.smart_annotations,
    }


def yaml_document(state: CmlState, lab: Lab) -> str:
    """A lab as `/download` gives it: the same text as long as nothing in the lab changes."""
    names = {node.id: f"n{n}" for n, node in enumerate(lab.nodes)}
    ports = {one.id: f"i{n}" for node in lab.nodes for n, one in enumerate(node.interfaces)}
    document = {
        "annotations": lab.annotations,
        "smart_annotations": lab.smart_annotations,
        "nodes": [
            {
                **_node_part(state, node, configurations=True),
                "id": names[node.id],
                "interfaces": [{**port, "id": ports[port["id"]]} for port in _ports(node)],
            }
            for node in lab.nodes
        ],
        "links": [
            {
                "id": f"l{n}",
                "n1": names[link.node_a],
                "n2": names[link.node_b],
                "i1": ports[link.interface_a],
                "i2": ports[link.interface_b],
                "conditioning": link.conditioning,
                "label": link.label,
            }
            for n, link in enumerate(lab.links)
        ],
        "lab": _lab_part(state, lab),
    }
    text: str = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120)
    return text


def _lab_part(state: CmlState, lab: Lab) -> dict[str, Any]:
    known = {"description": lab.description, "notes": lab.notes, "title": lab.title, "version": schemas(state)[-1]}
    return {**known, "autostart": lab.autostart, "node_staging": lab.node_staging} if state.is_210 else known


def _node_part(state: CmlState, node: Node, *, configurations: bool) -> dict[str, Any]:
    kept = {
        "boot_disk_size": None,
        "cpu_limit": None,
        "data_volume": None,
        "hide_links": False,
        "parameters": {},
        **node.extras,
    }
    part = {
        "label": node.label,
        "node_definition": node.node_definition,
        "image_definition": node.image_definition,
        "x": node.x,
        "y": node.y,
        "cpus": node.cpus or None,
        "ram": node.ram or None,
        "tags": node.tags,
        **kept,
    }
    return {**part, "configuration": configuration_answer(state, node)} if configurations else part


def _ports(node: Node) -> list[dict[str, Any]]:
    return [
        {"id": one.id, "label": one.label, "type": one.type, "mac_address": one.mac_address}
        | ({"slot": one.slot} if one.slot is not None else {})
        for one in node.interfaces
    ]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A lab read from a document, and what is odd about it."""

    lab: Lab
    warnings: list[str]


def read_document(state: CmlState, text: bytes, *, owner: str, title: str | None) -> Imported:
    """The lab in a document. Raises ApiError 400 for one that is no YAML, breaks the schema, is newer than this server, or names
    node definitions that it does not have."""
    document = _checked(state, _loaded(text))
    part = document["lab"]
    lab = Lab(
        id=new_id(),
        title=title or part.get("title") or "Imported lab",
        description=part.get("description") or "",
        notes=part.get("notes") or "",
        owner=owner,
        created=cml_time(),
        modified=cml_time(),
        annotations=[{**one, "id": new_id()} for one in document.get("annotations") or []],
        smart_annotations=[{**one, "id": new_id()} for one in document.get("smart_annotations") or []],
    )
    ports: dict[tuple[str, str], tuple[Node, Interface]] = {}
    for position, raw in enumerate(document["nodes"]):
        node = _node(raw, ["body", "nodes", position])
        lab.nodes.append(node)
        for given, made in zip(raw.get("interfaces", []), node.interfaces, strict=True):
            ports[raw["id"], given["id"]] = (node, made)
    lab.links = [_link(raw, ports, ["body", "links", position]) for position, raw in enumerate(document["links"])]
    return Imported(lab=lab, warnings=_warnings(lab))


def _loaded(text: bytes) -> Any:
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ApiError(400, f"Cannot parse the topology as YAML: {' '.join(str(error).split())[:300]}") from None


def _checked(state: CmlState, document: Any) -> dict[str, Any]:
    if isinstance(document, dict) and isinstance(document.get("links"), list):  # as `/topology` gives them
        document["links"] = [_renamed(link) for link in document["links"]]
    lab: dict[str, Kind] = {
        "version": Choice(tuple(schemas(state))),
        "title": Text(most=64),
        "description": Text(most=4096),
        "notes": Text(most=32768),
        "owner": anything,
        "autostart": anything,
        "node_staging": anything,
    }
    if not state.is_210:
        del lab["autostart"], lab["node_staging"]
    read = Fields(
        {
            "lab": Fields(lab, required=("version",)),
            "nodes": Items(of=_NODE),
            "links": Items(of=_LINK),
            "annotations": Nullable(Items(of=_any_object)),
            "smart_annotations": Nullable(Items(of=_any_object)),
        },
        required=("nodes", "links", "lab"),
    )
    answer: dict[str, Any] = read(document, ["body"])
    return answer


def _any_object(value: Any, at: Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(at, "model_attributes_type", "Input should be a valid dictionary")
    return value


def _renamed(link: Any) -> Any:
    if not isinstance(link, dict) or "interface_a" not in link:
        return link
    names = {"interface_a": "i1", "interface_b": "i2", "node_a": "n1", "node_b": "n2"}
    dropped = ("lab_id", "state", "link_capture_key")
    return {names.get(name, name): value for name, value in link.items() if name not in dropped}


def _node(raw: dict[str, Any], at: Place) -> Node:
    kind = DEFINITIONS.get(raw["node_definition"])
    if kind is None:
        raise ApiError(400, f"Node definition not found: {raw['node_definition']}")
    node = Node(
        label=raw["label"],
        x=raw["x"],
        y=raw["y"],
        node_definition=kind.id,
        image_definition=raw.get("image_definition") or None,
        cpus=raw.get("cpus") or kind.cpus,
        ram=raw.get("ram") or kind.ram,
        configuration=raw.get("configuration"),
        tags=raw.get("tags", []),
        extras={name: raw[name] for name in EXTRAS if raw.get(name) is not None},
    )
    if len({one["id"] for one in raw.get("interfaces", [])}) != len(raw.get("interfaces", [])):
        raise invalid([*at, "interfaces"], "value_error", "Interface ids are not unique")
    for one in raw.get("interfaces", []):
        slot = one.get("slot")
        label = one.get("label") or (kind.port(slot) if slot is not None else "Loopback0")
        made = Interface(label=label, slot=slot, type=one["type"], mac_address=one.get("mac_address"))
        node.interfaces.append(made)
    return node


def _link(raw: dict[str, Any], ports: dict[tuple[str, str], tuple[Node, Interface]], at: Place) -> Link:
    ends = [ports.get((raw[node], raw[port])) for node, port in (("n1", "i1"), ("n2", "i2"))]
    if ends[0] is None or ends[1] is None:
        raise invalid(at, "value_error", f"Link {raw['id']} ends at an interface that is not in the topology")
    (a, one), (b, other) = ends[0], ends[1]
    label = raw.get("label") or f"{a.label}-{one.label}<->{b.label}-{other.label}"
    return Link(
        node_a=a.id,
        node_b=b.id,
        interface_a=one.id,
        interface_b=other.id,
        label=label,
        conditioning=raw.get("conditioning") or {},
    )


def _warnings(lab: Lab) -> list[str]:
    missing = sorted(
        {node.image_definition for node in lab.nodes if node.image_definition and node.image_definition not in IMAGES}
    )
    return [
        f"Image definition `{image}` was not found on this system. The nodes that use it cannot start." for image in missing
    ]
