"""Objects of power quality, for meters that watch three phases."""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.meter.behaviour.event_log import EventCode, EventCounter
from ferraris.meter.behaviour.last_gasp import LastGasp
from ferraris.meter.behaviour.quality import (
    DipCount,
    Kind,
    Limit,
    QualityLog,
    SpellCount,
    SpellDuration,
    SpellVoltage,
    TimeLimit,
)
from ferraris.meter.behaviour.registers import Instantaneous
from ferraris.meter.behaviour.voltage_values import (
    Angle,
    AverageVoltage,
    Harmonic,
    Unbalance,
    VoltageProfile,
)
from ferraris.meter.happenings import QUALITY_LOG
from ferraris.meter.template import Placed
from ferraris.meter.voltage import HARMONICS, PHASES

__all__ = ["last_gasp", "quality"]

_DEPTHS, _DURATIONS = range(5), range(2, 6)
"""Classes of dips that last whole seconds, as those of simulated meters do."""


def quality(readers: frozenset[int], writers: frozenset[int]) -> Iterator[Placed]:
    """Voltages, what was beyond a limit, and the log that watches."""
    code = EventCode(f"0-0:96.11.{QUALITY_LOG}*255", QUALITY_LOG)
    yield Placed(code, readers)
    yield Placed(EventCounter(f"0-0:96.15.{QUALITY_LOG}*255", QUALITY_LOG), readers)
    log = QualityLog(f"0-0:99.98.{QUALITY_LOG}*255", code)
    yield Placed(log, readers, methods={1: writers})
    for kind in Kind:
        yield Placed(Limit(kind), readers, {2: writers})
        yield Placed(TimeLimit(kind), readers, {2: writers})
        for phase in PHASES:
            for noticed in (SpellCount, SpellDuration, SpellVoltage):
                yield Placed(noticed(kind, phase), readers)
    yield Placed(DipCount(), readers)
    for depth in _DEPTHS:
        for duration in _DURATIONS:
            yield Placed(DipCount(depth, duration), readers)
    yield from _values(readers, writers)


def _values(readers: frozenset[int], writers: frozenset[int]) -> Iterator[Placed]:
    for phase in (2, 3):
        voltage = Instantaneous(f"1-0:{12 + 20 * phase}.7.0*255")
        yield Placed(voltage, readers)
        yield Placed(Angle(phase), readers)
    for phase in PHASES:
        yield Placed(AverageVoltage(phase), readers)
        for order in (*HARMONICS, Harmonic.THD):
            yield Placed(Harmonic(phase, order), readers)
    yield Placed(Unbalance(), readers)
    yield Placed(VoltageProfile(), readers, methods={1: writers})


def last_gasp(readers: frozenset[int], writers: frozenset[int]) -> Iterator[Placed]:
    """The push set-up of a meter that loses its power."""
    setup = LastGasp("0-5:25.9.0*255", _LAST_WORDS)
    writes = dict.fromkeys((index for index in setup.fixed if index != 2), writers)
    yield Placed(setup, readers, writes, dict.fromkeys(setup.declares.methods, writers))


_LAST_WORDS = (
    (1, "0-0:42.0.0*255", 2),
    (8, "0-0:1.0.0*255", 2),
    (1, f"0-0:96.11.{QUALITY_LOG}*255", 2),
)
"""Who it was, when, and the code of the last event."""
