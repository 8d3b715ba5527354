"""The node and image definitions that every simulated server has, as far as labs and clients need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class NodeDefinition:
    """One kind of node. `ports` is a pattern of interface labels with {n} for the number, and {m} for the number within a card of four;
    `boots` is what it takes to boot on a real server, in seconds; `file` names its configuration, "" when it has none."""

    id: str
    label: str
    description: str
    nature: str = "router"
    ports: str = "GigabitEthernet{n}"
    first: int = 0
    most: int = 32
    loopback: bool = False
    cpus: int = 1
    ram: int = 512  # MB
    boots: float = 30.0
    images: tuple[str, ...] = ()
    file: str = ""
    extracts: bool = False
    licensed: bool = True
    prefix: str = "n"

    def port(self, slot: int) -> str:
        """The label of the interface in this slot."""
        number = slot + self.first
        return self.ports.format(n=number, card=number // 4, m=number % 4)


DEFINITIONS: dict[str, NodeDefinition] = {
    one.id: one
    for one in (
        NodeDefinition(
            id="cat8000v",
            label="CAT8000V",
            description="Catalyst 8000v",
            first=1,
            loopback=True,
            cpus=2,
            ram=4096,
            boots=95,
            images=("cat8000v-17-16-01a",),
            file="iosxe_config.txt",
            extracts=True,
            prefix="cat8000v-",
        ),
        NodeDefinition(
            id="iosxrv9000",
            label="IOS XRv 9000",
            description="IOS XRv 9000",
            ports="GigabitEthernet0/0/0/{n}",
            loopback=True,
            cpus=4,
            ram=20480,
            boots=240,
            images=("iosxrv9000-25-1-1",),
            file="iosxr_config.txt",
            extracts=True,
            prefix="xr9kv-",
        ),
        NodeDefinition(
            id="iosv",
            label="IOSv",
            description="IOSv",
            ports="GigabitEthernet0/{n}",
            most=16,
            loopback=True,
            ram=768,
            boots=55,
            images=("iosv-159-3-m10",),
            file="ios_config.txt",
            extracts=True,
            prefix="iosv-",
        ),
        NodeDefinition(
            id="iol-xe",
            label="IOL",
            description="IOL XE router",
            ports="Ethernet{card}/{m}",
            loopback=True,
            ram=768,
            boots=15,
            images=("iol-xe-17-16-01a",),
            file="ios_config.txt",
            extracts=True,
            prefix="iol-",
        ),
        NodeDefinition(
            id="ioll2-xe",
            label="IOL L2",
            description="IOL XE switch",
            nature="switch",
            ports="Ethernet{card}/{m}",
            ram=768,
            boots=15,
            images=("ioll2-xe-17-16-01a",),
            file="ios_config.txt",
            extracts=True,
            prefix="ioll2-",
        ),
        NodeDefinition(
            id="alpine",
            label="Alpine",
            description="Alpine Linux",
            nature="host",
            ports="eth{n}",
            most=4,
            boots=12,
            images=("alpine-base-3-21-3",),
            file="node.cfg",
            prefix="alpine-",
        ),
        NodeDefinition(
            id="ubuntu",
            label="Ubuntu",
            description="Ubuntu 24.04",
            nature="server",
            ports="ens{n}",
            first=2,
            most=4,
            ram=2048,
            boots=40,
            images=("ubuntu-24-04-20250503",),
            file="user-data",
            prefix="ubuntu-",
        ),
        NodeDefinition(
            id="external_connector",
            label="External Connector",
            description="External Connector",
            nature="external_connector",
            ports="port",
            most=1,
            cpus=0,
            ram=0,
            boots=0,
            file="default",
            licensed=False,
            prefix="ext-conn-",
        ),
        NodeDefinition(
            id="unmanaged_switch",
            label="Unmanaged Switch",
            description="Unmanaged Switch",
            nature="switch",
            ports="port{n}",
            cpus=0,
            ram=0,
            boots=0,
            licensed=False,
            prefix="unmanaged-switch-",
        ),
    )
}
IMAGES = {image: one.id for one in DEFINITIONS.values() for image in one.images}
_UNKNOWN = NodeDefinition(id="", label="", description="")


def definition(name: str) -> NodeDefinition:
    """The definition of this name; an ordinary one for names that are not known."""
    return DEFINITIONS.get(name, _UNKNOWN)


def default_configuration(name: str, label: str) -> str:
    """What a new node of this kind is configured with, "" when it takes no configuration."""
    known = definition(name)
    if known.id == "external_connector":
        return "NAT"
    if not known.file:
        return ""
    if known.nature in ("host", "server"):
        return f"hostname {label}\n# configure interfaces here\n"
    return f"hostname {label}\n!\nline con 0\n exec-timeout 0 0\n!\nend\n"


def image_definition(image: str) -> dict[str, Any]:
    """One image definition as `/image_definitions` lists it."""
    return {
        "id": image,
        "node_definition_id": IMAGES[image],
        "label": f"{definition(IMAGES[image]).label} {image.removeprefix(IMAGES[image]).strip('-')}",
        "description": "",
        "disk_image": f"{image}.qcow2",
        "read_only": True,
        "schema_version": "0.0.1",
    }


def simplified(one: NodeDefinition) -> dict[str, Any]:
    """One definition as `/simplified_node_definitions` lists it."""
    return {
        "id": one.id,
        "general": {"nature": one.nature, "description": one.description, "read_only": True},
        "device": {"interfaces": _interfaces(one)},
        "ui": {
            "visible": True,
            "description": one.description,
            "group": "Others" if one.nature in ("host", "server", "external_connector") else "Cisco",
            "icon": one.nature if one.nature != "external_connector" else "cloud",
            "label": one.label,
            "label_prefix": one.prefix,
            "has_configuration": bool(one.file),
            "has_config_extraction": one.extracts,
            "show_ram": one.ram > 0,
            "show_cpus": one.cpus > 0,
            "show_cpu_limit": True,
            "show_data_volume": False,
            "show_boot_disk_size": False,
        },
        "sim": {"ram": one.ram, "cpus": one.cpus, "cpu_limit": 100, "console": one.ram > 0, "simulate": True, "vnc": False},
        "image_definitions": list(one.images),
    }


def full(one: NodeDefinition) -> dict[str, Any]:
    """One definition as `/node_definitions` lists it."""
    driver = one.nature if one.nature != "external_connector" else "external_connector"
    return {
        "id": one.id,
        "general": {"nature": one.nature, "description": one.description, "read_only": True},
        "device": {"interfaces": _interfaces(one)},
        "ui": simplified(one)["ui"],
        "sim": {"linux_native": {"libvirt_domain_driver": "kvm", "driver": driver, "ram": one.ram, "cpus": one.cpus}},
        "boot": {"timeout": int(one.boots * 5) or 60, "completed": ["Press RETURN to get started!"], "uses_regex": False},
        "configuration": {"generator": {"driver": one.id if one.extracts else None}},
        "inherited": {"image": _inherits(one), "node": _inherits(one)},
        "pyats": {"os": "iosxe"} if one.extracts else {},
        "schema_version": "0.0.1",
    }


def _interfaces(one: NodeDefinition) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "serial_ports": 1 if one.ram else 0,
        "physical": [one.port(slot) for slot in range(one.most)],
        "has_loopback_zero": one.loopback,
        "default_count": min(4, one.most),
    }
    return answer | ({"loopback": ["Loopback0"]} if one.loopback else {})


def _inherits(one: NodeDefinition) -> dict[str, bool]:
    return dict.fromkeys(("ram", "cpus", "cpu_limit", "data_volume", "boot_disk_size"), one.ram > 0)
