"""How the head-end is watched: metrics, health, logs and spans; never a label by meter."""

from __future__ import annotations

from ferraris.headend.observe.health import Health
from ferraris.headend.observe.logs import configure_logs, logger
from ferraris.headend.observe.metrics import Metrics
from ferraris.headend.observe.observer import Observer, Observers, SessionSeen

__all__ = [
    "Health",
    "Metrics",
    "Observer",
    "Observers",
    "SessionSeen",
    "configure_logs",
    "logger",
]
