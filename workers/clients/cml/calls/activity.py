"""Calls that tell whether anybody works on the server. They need an administrator's account."""

from __future__ import annotations

from datetime import datetime

from workers.clients.cml.answers.activity import DispatcherConnection, TelemetryEvent, TelemetrySetting
from workers.clients.cml.errors import CmlNotFound, CmlRejected
from workers.clients.cml.telemetry import EventSieve
from workers.clients.cml.transport import Call, Transport


class ActivityCalls(Transport):
    """Telemetry and open consoles."""

    def telemetry(self) -> TelemetrySetting:
        """Whether events are recorded. Cisco CML 2.9 API, GET /telemetry."""
        return TelemetrySetting.read(self._get_object("/telemetry"))

    def set_telemetry(self, opt_in: bool) -> TelemetrySetting:
        """Let CML record events, or stop it. Cisco CML 2.9 API, PUT /telemetry.

        CML 2.10 calls the two states "accepted" and "declined": the setting is read first, to speak as the server does.
        """
        spoken = isinstance(self._get_object("/telemetry").get("opt_in"), str)
        wanted = ("accepted" if opt_in else "declined") if spoken else opt_in
        return TelemetrySetting.read(self._write("PUT", "/telemetry", {"opt_in": wanted}))

    def telemetry_events(self, newer_than: datetime | None = None) -> tuple[TelemetryEvent, ...]:
        """What CML recorded after this moment (aware), the oldest first. Cisco CML 2.9 API, GET /telemetry/events.

        CML always sends all that it ever recorded: this is read as a stream, and the newest `EventSieve.MOST` events are kept.
        Entries that are no events are skipped. While telemetry is off, nothing is recorded.
        """
        call = Call("GET", "/telemetry/events", long=True)
        sieve = EventSieve(newer_than=newer_than)
        self._authorized(call, sink=sieve.feed)
        if not sieve.complete:
            self._unexpected(call, "the answer is not a whole JSON array")
        return sieve.events()

    def dispatcher_connections(self) -> tuple[DispatcherConnection, ...] | None:
        """Consoles that are or were open. None before 2.10, which does not tell. Cisco CML 2.10 API, GET /diagnostics/dispatcher."""
        try:
            found = self._get_array("/diagnostics/dispatcher")
        except (CmlNotFound, CmlRejected):  # 2.9 calls the unknown category invalid
            return None
        return tuple(DispatcherConnection.read(value) for value in found)
