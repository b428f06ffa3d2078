"""Metrics for Prometheus: counted where things happen, labelled by kinds and never by meters.

A label by meter would make ten million series of one; what is asked of a single meter is in the
store.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ferraris.headend.observe.observer import SessionSeen

__all__ = ["Metrics"]

_SESSION_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class Metrics:
    """An `Observer` that counts; `gauges` are set by whoever looks at the store now and then."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sessions = Counter(
            "ferraris_sessions",
            "Sessions with meters that are over",
            ("occasion", "outcome"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "ferraris_session_seconds",
            "How long sessions took",
            ("occasion",),
            buckets=_SESSION_S,
            registry=self.registry,
        )
        self._values = Counter(
            "ferraris_values",
            "Values that were new to the store",
            ("kind",),
            registry=self.registry,
        )
        self._requests = Counter(
            "ferraris_requests",
            "Requests answered",
            ("operation", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "ferraris_request_seconds",
            "How long answers took",
            ("operation",),
            buckets=_REQUEST_S,
            registry=self.registry,
        )
        self._pushes = Counter(
            "ferraris_pushes",
            "Messages that meters sent by themselves",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._stock = Gauge(
            "ferraris_stock", "How many there are now, by kind", ("kind",), registry=self.registry
        )

    def session(self, seen: SessionSeen) -> None:
        """Count a session."""
        self._sessions.labels(seen.occasion, seen.outcome).inc()
        self._durations.labels(seen.occasion).observe(max(0.0, seen.ended_s - seen.started_s))
        self._values.labels("interval").inc(seen.intervals)
        self._values.labels("register").inc(seen.registers)

    def request(self, operation: str, status: int, duration_s: float) -> None:
        """Count a request."""
        self._requests.labels(operation, str(status)).inc()
        self._latency.labels(operation).observe(duration_s)

    def pushed(self, kind: str, outcome: str, count: int) -> None:
        """Count messages of meters."""
        self._pushes.labels(kind, outcome).inc(count)

    def stock(self, numbers: Mapping[str, int]) -> None:
        """Set how many there are of each kind: meters by state, gaps, strangers, work of VEE."""
        for kind, count in numbers.items():
            self._stock.labels(kind).set(count)

    def text(self) -> bytes:
        """All metrics in the text form of Prometheus."""
        return generate_latest(self.registry)
