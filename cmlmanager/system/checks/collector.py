"""The OpenTelemetry collector: something listens where traces are sent."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from cmlmanager.system import health

TIMEOUT = 3.0  # seconds
VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PORTS = {"http": 80, "https": 443}


@health.register(name="collector", label="OpenTelemetry collector", group=health.Group.OUTSIDE, every=60, slow=True)
def collector(context: health.Context) -> health.Said:
    """A connection, and nothing sent."""
    endpoint = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), "")
    if not endpoint:
        return health.off("Traces are not sent anywhere: OTEL_EXPORTER_OTLP_ENDPOINT is not set.")
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    try:
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 4317)
    except ValueError:
        host, port = "", 0
    if not host:
        return health.failing("OTEL_EXPORTER_OTLP_ENDPOINT is no address.", "Use one such as http://collector:4318.")
    watch = health.Stopwatch()
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT):
            latency = watch.ms
    except OSError as error:
        why = error.strerror or type(error).__name__
        return health.failing(
            f"Nothing takes traces at {host}:{port} ({why}).",
            "Start the collector or mend OTEL_EXPORTER_OTLP_ENDPOINT. The portal works without it; traces are dropped.",
        )
    return health.ok(f"It takes connections at {host}:{port}.", latency_ms=latency)
