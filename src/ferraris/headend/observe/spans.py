"""A span of OpenTelemetry for each session; needs the `telemetry` extra."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import Status, StatusCode

from ferraris.headend.observe.observer import SessionSeen

__all__ = ["SessionSpans", "provider_of"]

_NANO = 1_000_000_000


class SessionSpans:
    """An `Observer` that makes a span of each session; the meter is an attribute of it."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("ferraris.headend")

    def session(self, seen: SessionSeen) -> None:
        """Begin and end a span with the times of the session."""
        span = self._tracer.start_span(
            f"session {seen.occasion}",
            start_time=int(seen.started_s * _NANO),
            attributes={
                "ferraris.meter": seen.meter,
                "ferraris.outcome": seen.outcome,
                "ferraris.intervals": seen.intervals,
                "ferraris.registers": seen.registers,
            },
        )
        if seen.outcome != "done":
            span.set_status(Status(StatusCode.ERROR, seen.message))
        span.end(int(seen.ended_s * _NANO))

    def request(self, operation: str, status: int, duration_s: float) -> None:
        """No span: the reverse proxy in front has them."""

    def pushed(self, kind: str, outcome: str, count: int) -> None:
        """No span: there can be thousands a second."""


def provider_of(target: str) -> TracerProvider:
    """A provider that sends spans to `target`: an OTLP address over HTTP, or "log" for stdout."""
    log = target == "log"
    exporter = ConsoleSpanExporter() if log else OTLPSpanExporter(endpoint=target)
    provider = TracerProvider(resource=Resource.create({"service.name": "ferraris-headend"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
