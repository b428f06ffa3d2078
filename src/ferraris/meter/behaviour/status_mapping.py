"""Status mapping: what lasts in the meter as bits of a word, and what each bit means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ferraris.data.kinds import Tag, array, long_unsigned, structure, unsigned
from ferraris.meter.behaviour.alarms import lasts
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.happenings import Happening
from ferraris.model import packed_data
from ferraris.model.time_control import ControlState

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["STATUS_WORD", "StatusMapping"]

STATUS_WORD: tuple[Happening | ControlState, ...] = (
    ControlState.DISCONNECTED,
    ControlState.READY_FOR_RECONNECTION,
    Happening.TERMINAL_COVER_OPENED,
    Happening.METER_COVER_OPENED,
    Happening.MAGNETIC_FIELD,
    Happening.LIMITER_EXCEEDED,
    Happening.MONITOR_1_EXCEEDED,
    Happening.PORT_LOCKED,
    Happening.CLOCK_INVALID,
    Happening.REPLACE_BATTERY,
    Happening.UNDERVOLTAGE_L1,
    Happening.UNDERVOLTAGE_L2,
    Happening.UNDERVOLTAGE_L3,
    Happening.OVERVOLTAGE_L1,
    Happening.OVERVOLTAGE_L2,
    Happening.OVERVOLTAGE_L3,
    Happening.MISSING_VOLTAGE_L1,
    Happening.MISSING_VOLTAGE_L2,
    Happening.MISSING_VOLTAGE_L3,
    Happening.PHASE_SEQUENCE,
    Happening.ASYMMETRY,
)
"""Entries of our reference table, from 0; a maker's own, since no public one is known."""


class StatusMapping(Behaviour):
    """32 bits, of which each one in use stands for an entry of the reference table.

    `entries` are those entries by their number, bit 0 first; all of them unless said otherwise.
    """

    declares = packed_data.StatusMapping
    REFERENCE_TABLE = 128
    """Its number; makers have those from 128 on [memory]."""

    def __init__(self, name: str, entries: Sequence[int] = tuple(range(len(STATUS_WORD)))) -> None:
        mapping = array(*(long_unsigned(entry) for entry in entries))
        super().__init__(name, {3: structure(unsigned(self.REFERENCE_TABLE), mapping)})
        self._entries = tuple(STATUS_WORD[entry] for entry in entries)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        word = sum(1 << bit for bit, each in enumerate(self._entries) if _holds(meter, each))
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, word)


def _holds(meter: SimulatedMeter, what: Happening | ControlState) -> bool:
    if isinstance(what, ControlState):
        return meter.connection == what
    return lasts(meter, what)
