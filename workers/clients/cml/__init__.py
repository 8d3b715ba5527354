"""The client of Cisco Modeling Labs servers: plain Python on `requests`, typed answers, one exception per kind of failure.

    pinned = TlsPolicy("pinned", fingerprint="…")
    client = client_for(base_url="https://198.51.100.7", credential=Credential("admin", "…"), tls=pinned)
    client.system_stats().cpu_percent

Every call has a connect, a read and a total time-out and a limit on the size of the answer.
"""

from workers.clients.cml.answers import (
    ComputeHealth,
    ComputeStats,
    LabTile,
    SystemHealth,
    SystemInformation,
    SystemStats,
    parse_version,
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
from workers.clients.cml.licenses import Deregistration, Licensing, LicensingAttempts, LicensingFeature, LicensingTransport
from workers.clients.cml.tls import TlsPolicy, deadline
from workers.clients.cml.tokens import Credential

__all__ = [
    "Certificate",
    "CmlCertificateRefused",
    "CmlClient",
    "CmlConflict",
    "CmlError",
    "CmlNodesRunning",
    "CmlNotFound",
    "CmlNotReady",
    "CmlRefused",
    "CmlRejected",
    "CmlUnexpected",
    "CmlUnreachable",
    "ComputeHealth",
    "ComputeStats",
    "Credential",
    "Deregistration",
    "LabTile",
    "Licensing",
    "LicensingAttempts",
    "LicensingFeature",
    "LicensingTransport",
    "SystemHealth",
    "SystemInformation",
    "SystemStats",
    "TlsPolicy",
    "certificate_of",
    "client_for",
    "deadline",
    "parse_version",
]
