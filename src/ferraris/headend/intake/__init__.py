"""What meters begin by themselves: pushes, and calls of meters that nobody could call."""

from __future__ import annotations

from ferraris.headend.intake.calls import CallCounts, CallIntake, CallSettings, Serve
from ferraris.headend.intake.counts import Counts, PushSettings
from ferraris.headend.intake.pushes import PushIntake
from ferraris.headend.intake.senders import Senders
from ferraris.headend.intake.writing import PushWriter

__all__ = [
    "CallCounts",
    "CallIntake",
    "CallSettings",
    "Counts",
    "PushIntake",
    "PushSettings",
    "PushWriter",
    "Senders",
    "Serve",
]
