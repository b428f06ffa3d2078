"""Reading meters by plan: gaps become sessions, sessions become blocks."""

from __future__ import annotations

from ferraris.headend.collect.collector import (
    Collector,
    Limits,
    Progress,
    Summary,
    last_complete_day,
)
from ferraris.headend.collect.meter_face import MeterFace, OpenMeter
from ferraris.headend.collect.policy import Failure, RetryPolicy, failure_of

__all__ = [
    "Collector",
    "Failure",
    "Limits",
    "MeterFace",
    "OpenMeter",
    "Progress",
    "RetryPolicy",
    "Summary",
    "failure_of",
    "last_complete_day",
]
