"""The client of Cisco Modeling Labs servers: plain Python on `requests`, typed answers, one exception per kind of failure.

    pinned = TlsPolicy("pinned", fingerprint="…")
    client = client_for(base_url="https://198.51.100.7", credential=Credential("admin", "…"), tls=pinned)
    client.system_stats().cpu_percent

Every call has a connect, a read and a total time-out and a limit on the size of the answer, and raises CmlError only.
`calls` has them by subject, `answers` what they return, `transport` and `exchange` what they are made of.
`certificate_of` reads the certificate of a server that nobody trusts yet.
"""

from workers.clients.cml.answers.activity import DispatcherConnection, TelemetryEvent, TelemetrySetting
from workers.clients.cml.answers.health import ComputeHealth, SystemHealth
from workers.clients.cml.answers.labs import ImageDefinition, Lab, LabAutostart, LabGroup, LabImport, LabTile
from workers.clients.cml.answers.licensing import (
    Deregistration,
    Licensing,
    LicensingAttempts,
    LicensingFeature,
    LicensingTransport,
)
from workers.clients.cml.answers.notices import CmlNotice, MaintenanceMode
from workers.clients.cml.answers.people import CmlAccount, CmlUser
from workers.clients.cml.answers.system import ComputeHost, ComputeStats, SystemInformation, SystemStats, parse_version
from workers.clients.cml.answers.topology import (
    ElementStates,
    LabLink,
    LabNode,
    LinkStats,
    NodeStats,
    SimulationStats,
    Topology,
)
from workers.clients.cml.certificates import Certificate, certificate_of
from workers.clients.cml.client import CmlClient, client_for
from workers.clients.cml.errors import (
    CmlCertificateRefused,
    CmlConflict,
    CmlError,
    CmlNodesRunning,
    CmlNotFound,
    CmlNotReady,
    CmlRefused,
    CmlRejected,
    CmlUnexpected,
    CmlUnreachable,
)
from workers.clients.cml.tls import TlsPolicy
from workers.clients.cml.tokens import Credential

__all__ = [
    "Certificate",
    "CmlAccount",
    "CmlCertificateRefused",
    "CmlClient",
    "CmlConflict",
    "CmlError",
    "CmlNodesRunning",
    "CmlNotFound",
    "CmlNotReady",
    "CmlNotice",
    "CmlRefused",
    "CmlRejected",
    "CmlUnexpected",
    "CmlUnreachable",
    "CmlUser",
    "ComputeHealth",
    "ComputeHost",
    "ComputeStats",
    "Credential",
    "Deregistration",
    "DispatcherConnection",
    "ElementStates",
    "ImageDefinition",
    "Lab",
    "LabAutostart",
    "LabGroup",
    "LabImport",
    "LabLink",
    "LabNode",
    "LabTile",
    "Licensing",
    "LicensingAttempts",
    "LicensingFeature",
    "LicensingTransport",
    "LinkStats",
    "MaintenanceMode",
    "NodeStats",
    "SimulationStats",
    "SystemHealth",
    "SystemInformation",
    "SystemStats",
    "TelemetryEvent",
    "TelemetrySetting",
    "TlsPolicy",
    "Topology",
    "certificate_of",
    "client_for",
    "parse_version",
]
