"""Logs and traces. Traces are off unless the standard OTEL_* variables name an exporter's endpoint."""

from __future__ import annotations

import os
from typing import Any


def logging_configuration(*, json: bool, level: str) -> dict[str, Any]:
    """A `logging.config.dictConfig` dictionary: one handler on standard error, lines for people or JSON for collectors."""
    formatter = {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "at", "levelname": "level", "name": "logger"},
        },
        "text": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s", "datefmt": "%H:%M:%S"},
    }["json" if json else "text"]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"default": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "default"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handler is replaced by ours, so that an error is logged once.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # Several lines a second that say that ticks ticked; what a job did, and every failure, is told elsewhere and louder.
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            # These log request headers or bodies below WARNING.
            "botocore": {"level": "WARNING"},
            # A role that cannot be assumed is told by whoever wanted to call AWS, in a sentence and not as a stack.
            "botocore.credentials": {"level": "ERROR"},
            "urllib3": {"level": "WARNING"},
            "requests": {"level": "WARNING"},
        },
    }


def start_tracing() -> bool:
    """Instrument Django when an OTLP endpoint is configured; returns whether it did. Called once a process, from the ASGI module."""
    if not any(os.environ.get(name) for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return False
    # Imported here: the SDK costs start-up time that an installation without a collector need not pay.
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "cmlmanager")})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument()
    return True
