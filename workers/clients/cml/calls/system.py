"""Calls about the server itself."""

from __future__ import annotations

from workers.clients.cml.answers.health import SystemHealth
from workers.clients.cml.answers.system import ComputeHost, SystemInformation, SystemStats
from workers.clients.cml.transport import Call, Transport


class SystemCalls(Transport):
    """What the server is and how it does."""

    def system_information(self) -> SystemInformation:
        """Version and readiness, without a login. Cisco CML 2.9 API, GET /system_information."""
        call = Call("GET", "/system_information")
        return SystemInformation.read(self._object(call, self._anonymous(call)))

    def system_stats(self) -> SystemStats:
        """CPU, memory, disk and node counts. Cisco CML 2.9 API, GET /system_stats."""
        return SystemStats.read(self._get_object("/system_stats"))

    def system_health(self) -> SystemHealth:
        """CML's own checks and whether it is licensed. Cisco CML 2.9 API, GET /system_health."""
        return SystemHealth.read(self._get_object("/system_health"))

    def compute_hosts(self) -> tuple[ComputeHost, ...]:
        """The hosts of the cluster, the controller among them. Cisco CML 2.9 API, GET /system/compute_hosts."""
        return tuple(ComputeHost.read(value) for value in self._get_array("/system/compute_hosts"))
