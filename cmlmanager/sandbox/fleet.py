"""The demo fleet: what the simulated AWS and the simulated CML servers are seeded with, once, on the first start.

Plain data. `aws` makes instances of it, `cml` makes a server with labs of it, `seed` makes the portal's own rows of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ACCOUNT_ID = "123456789012"
IMAGE_NAME = "cisco-cml2.9.1-build7-golden"
REGIONS = ("us-east-1", "us-west-2", "eu-central-1")
# What the form for a new worker offers (settings.PROVISIONING).
TEMPLATES: list[dict[str, object]] = [
    {
        "name": "Course on bare metal",
        "region": "us-east-1",
        "description": "48 vCPUs and 192 GiB: two hundred small nodes, or a full SD-WAN.",
        "instance_type": "m5zn.metal",
        "image": "cisco-cml2.9*-golden",
        "root_volume_gib": 128,
        "tags": {"Team": "training"},
    },
    {
        "name": "Small, nested virtualisation",
        "region": "eu-central-1",
        "description": "8 vCPUs and 32 GiB: one person's labs, up in minutes.",
        "instance_type": "m8i.2xlarge",
        "image": "cisco-cml2.9*-golden",
        "root_volume_gib": 64,
        "nested_virtualization": True,
        "tags": {"Team": "training"},
    },
]


@dataclass(frozen=True, kw_only=True)
class DemoLab:
    """One lab on a simulated CML server. `nodes` counts its nodes; all of them run when `running` is true."""

    title: str
    owner: str
    nodes: int
    running: bool = False
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class DemoWorker:
    """One EC2 instance of the demo fleet.

    `state` is the EC2 state it shows after the first start; a transitional one settles after `settles_after` seconds.
    `cpus`, `memory_gib`, `disk_gib` size the simulated CML server; `base_load` is its CPU percentage with no node running.
    `fault` names a fault that the CML server shows from the start: "" (none), "degraded" (health not valid),
    "refused" (its password is not the portal's), "unlicensed", "evaluation", "expiring" (its authorization, within days),
    "out_of_compliance", "no_kvm" (no hardware virtualisation) or "silent" (running, but nothing answers on its address).
    `computes` are its compute hosts, which share its hardware. `smart_account` and `virtual_account` hold its licence at Cisco.
    """

    name: str
    region: str
    instance_type: str
    state: str = "running"
    settles_after: int = 0
    launched_hours_ago: float = 24
    version: str = "2.9.1+build.7"
    cpus: int = 48
    memory_gib: int = 192
    disk_gib: int = 256
    base_load: float = 3
    fault: str = ""
    computes: int = 1
    smart_account: str = "Example Networks Academy"
    virtual_account: str = "CML Training"
    tags: dict[str, str] = field(default_factory=dict)
    labs: tuple[DemoLab, ...] = ()


def _labs(course: str, owner: str, *specs: tuple[str, int, bool]) -> tuple[DemoLab, ...]:
    """Labs of one course: (title, number of nodes, running)."""
    return tuple(
        DemoLab(title=f"{course}: {title}", owner=owner, nodes=nodes, running=running, description=f"Part of {course}.")
        for title, nodes, running in specs
    )


FLEET: tuple[DemoWorker, ...] = (
    DemoWorker(
        name="ccnp-encor-01",
        region="us-east-1",
        instance_type="m5zn.metal",
        launched_hours_ago=31,
        tags={"Team": "training", "Course": "ENCOR", "Owner": "ana"},
        labs=_labs(
            "ENCOR",
            "ana",
            ("OSPF multi-area", 9, True),
            ("BGP path selection", 12, True),
            ("EtherChannel", 6, True),
            ("VRRP and HSRP", 7, True),
            ("QoS marking", 5, False),
            ("IP SLA", 4, False),
            ("GRE over IPsec", 8, True),
            ("NetFlow collector", 5, False),
        ),
    ),
    DemoWorker(
        name="ccnp-encor-02",
        region="us-east-1",
        instance_type="m5zn.metal",
        launched_hours_ago=30,
        base_load=5,
        tags={"Team": "training", "Course": "ENCOR", "Owner": "ana"},
        labs=_labs(
            "ENCOR",
            "luis",
            ("OSPF multi-area", 9, True),
            ("BGP path selection", 12, True),
            ("SD-Access fabric", 24, True),
            ("Wireless controller", 18, True),
            ("LISP", 11, True),
            ("VXLAN EVPN", 16, True),
            ("Multicast PIM", 10, True),
        ),
    ),
    DemoWorker(
        name="ccna-evening",
        region="us-east-1",
        instance_type="c5.24xlarge",
        cpus=96,
        launched_hours_ago=6,
        fault="expiring",
        tags={"Team": "training", "Course": "CCNA", "Owner": "mei"},
        labs=_labs(
            "CCNA",
            "mei",
            ("First switch", 3, True),
            ("VLANs and trunks", 5, True),
            ("Static routing", 4, True),
            ("Single-area OSPF", 6, False),
            ("NAT and ACLs", 5, False),
            ("DHCP relay", 4, False),
            ("IPv6 basics", 4, False),
            ("Final exam", 14, False),
        ),
    ),
    DemoWorker(
        name="devnet-sandbox",
        region="us-east-1",
        instance_type="m8i.8xlarge",
        cpus=32,
        memory_gib=128,
        version="2.10.0+build.5",
        launched_hours_ago=120,
        fault="evaluation",
        tags={"Team": "devnet", "Owner": "tomas"},
        labs=_labs(
            "DevNet",
            "tomas",
            ("NETCONF playground", 6, True),
            ("pyATS regression", 10, False),
            ("gNMI telemetry", 8, True),
            ("Ansible golden config", 12, False),
            ("Terraform IOS XE", 5, False),
        ),
    ),
    DemoWorker(
        name="sp-core-research",
        region="us-east-1",
        instance_type="m5zn.metal",
        launched_hours_ago=400,
        base_load=8,
        fault="degraded",
        virtual_account="CML Research",
        tags={"Team": "research", "Owner": "ingrid"},
        labs=_labs(
            "SP core",
            "ingrid",
            ("Segment routing", 20, True),
            ("SRv6 TE", 22, True),
            ("MPLS L3VPN", 18, True),
            ("EVPN-VPWS", 14, False),
            ("Inter-AS option C", 16, False),
        ),
    ),
    DemoWorker(
        name="ccie-bootcamp-a",
        region="us-west-2",
        instance_type="m5zn.metal",
        launched_hours_ago=11,
        base_load=6,
        tags={"Team": "training", "Course": "CCIE", "Owner": "omar"},
        labs=_labs(
            "CCIE EI",
            "omar",
            ("Design module 1", 28, True),
            ("Deploy module 1", 34, True),
            ("Troubleshooting 1", 30, True),
            ("Troubleshooting 2", 30, False),
            ("Mock exam", 38, False),
        ),
    ),
    DemoWorker(
        name="ccie-bootcamp-b",
        region="us-west-2",
        instance_type="m5zn.metal",
        launched_hours_ago=11,
        fault="out_of_compliance",
        tags={"Team": "training", "Course": "CCIE", "Owner": "omar"},
        labs=_labs(
            "CCIE EI",
            "omar",
            ("Design module 1", 28, True),
            ("Deploy module 1", 34, False),
            ("Troubleshooting 1", 30, False),
            ("Mock exam", 38, False),
        ),
    ),
    DemoWorker(
        name="tac-repro",
        region="us-west-2",
        instance_type="c5.12xlarge",
        memory_gib=96,
        version="2.8.1+build.14",
        launched_hours_ago=2,
        fault="unlicensed",
        tags={"Team": "support", "Owner": "yuki"},
        labs=_labs("TAC", "yuki", ("Case 697001", 4, False), ("Case 697114", 5, False), ("Case 698020", 3, False)),
    ),
    DemoWorker(
        name="ccnp-enarsi-01",
        region="us-west-2",
        instance_type="m5zn.metal",
        state="stopped",
        launched_hours_ago=240,
        tags={"Team": "training", "Course": "ENARSI", "Owner": "ana"},
        labs=_labs(
            "ENARSI",
            "ana",
            ("EIGRP named mode", 8, False),
            ("DMVPN phase 3", 10, False),
            ("Route redistribution", 9, False),
            ("MPLS basics", 8, False),
        ),
    ),
    DemoWorker(
        name="ccnp-enarsi-02",
        region="us-west-2",
        instance_type="m5zn.metal",
        state="stopping",
        settles_after=600,
        launched_hours_ago=9,
        tags={"Team": "training", "Course": "ENARSI", "Owner": "luis"},
        labs=_labs("ENARSI", "luis", ("EIGRP named mode", 8, False), ("DMVPN phase 3", 10, False)),
    ),
    DemoWorker(
        name="emea-partner-demo",
        region="eu-central-1",
        instance_type="m5zn.metal",
        launched_hours_ago=52,
        base_load=4,
        computes=2,
        smart_account="Example Networks EMEA",
        virtual_account="Partner demos",
        tags={"Team": "sales", "Owner": "jean"},
        labs=_labs(
            "Demo",
            "jean",
            ("SD-WAN overlay", 26, True),
            ("Firewall migration", 15, True),
            ("ThousandEyes agents", 9, False),
            ("Catalyst to Meraki", 11, False),
        ),
    ),
    DemoWorker(
        name="emea-ccna-spring",
        region="eu-central-1",
        instance_type="m8i.8xlarge",
        cpus=32,
        memory_gib=128,
        state="pending",
        settles_after=600,
        launched_hours_ago=0,
        tags={"Team": "training", "Course": "CCNA", "Owner": "sofia"},
    ),
    DemoWorker(
        name="emea-research",
        region="eu-central-1",
        instance_type="c5.18xlarge",
        cpus=72,
        memory_gib=144,
        launched_hours_ago=75,
        fault="refused",
        tags={"Team": "research", "Owner": "ingrid"},
        labs=_labs("Research", "ingrid", ("BIER", 9, True), ("QUIC middleboxes", 7, False), ("Post-quantum IKEv2", 6, True)),
    ),
    DemoWorker(
        name="emea-hackathon",
        region="eu-central-1",
        instance_type="c5.12xlarge",
        memory_gib=96,
        launched_hours_ago=20,
        fault="silent",
        tags={"Team": "devnet", "Owner": "tomas"},
        labs=_labs("Hackathon", "tomas", ("Team red", 6, True), ("Team blue", 6, True)),
    ),
    DemoWorker(
        name="emea-trial",
        region="eu-central-1",
        instance_type="c5.4xlarge",
        cpus=16,
        memory_gib=32,
        disk_gib=128,
        launched_hours_ago=4,
        fault="no_kvm",
        smart_account="Example Networks EMEA",
        virtual_account="Partner demos",
        tags={"Team": "sales", "Owner": "jean"},
        labs=_labs("Trial", "jean", ("Two routers", 3, False), ("Campus in a box", 9, False)),
    ),
    DemoWorker(
        name="ccna-winter-old",
        region="eu-central-1",
        instance_type="c5.12xlarge",
        memory_gib=96,
        state="shutting-down",
        settles_after=600,
        launched_hours_ago=700,
        tags={"Team": "training", "Course": "CCNA", "Owner": "sofia"},
    ),
    DemoWorker(
        name="ccna-autumn-old",
        region="us-east-1",
        instance_type="c5.12xlarge",
        memory_gib=96,
        state="terminated",
        launched_hours_ago=900,
        tags={"Team": "training", "Course": "CCNA", "Owner": "mei"},
    ),
)
