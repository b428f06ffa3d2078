"""How meters of a companion specification tell what happens to them: its codes, log by log.

Only what the tables of events of that specification name stands here; what is not named is not
logged. Which happening a code tells is read from its words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ferraris.meter.happenings import (
    FRAUD_LOG,
    IDIS_LIKE,
    MBUS_LOG,
    STANDARD_LOG,
    Coded,
    Happening,
)
from ferraris.model import events
from ferraris.model.companion import CompanionObject

__all__ = ["DUTCH", "INDIAN", "SPANISH", "codes_of"]

_H = Happening
_SAME_CODES = frozenset((STANDARD_LOG, FRAUD_LOG, MBUS_LOG))
_DIFFERENT = frozenset((_H.KEYS_CHANGED, _H.WRONG_KEY, _H.REPLAY))

DUTCH: Mapping[Happening, Coded] = {
    happening: coded
    for happening, coded in IDIS_LIKE.items()
    if coded.log in _SAME_CODES and happening not in _DIFFERENT
} | {_H.CONFIGURATION_CHANGED: IDIS_LIKE[_H.CONFIGURATION_CHANGED]._replace(log=FRAUD_LOG)}
"""Codes that Dutch meters share with the generic ones; fraud codes 48 to 50 differ [facts-g]."""

INDIAN: Mapping[Happening, Coded] = {
    _H.MISSING_VOLTAGE_L1: Coded(0, 1),
    _H.MISSING_VOLTAGE_L2: Coded(0, 3),
    _H.MISSING_VOLTAGE_L3: Coded(0, 5),
    **dict.fromkeys((_H.OVERVOLTAGE_L1, _H.OVERVOLTAGE_L2, _H.OVERVOLTAGE_L3), Coded(0, 7)),
    **dict.fromkeys((_H.UNDERVOLTAGE_L1, _H.UNDERVOLTAGE_L2, _H.UNDERVOLTAGE_L3), Coded(0, 9)),
    _H.ASYMMETRY: Coded(0, 11),
    _H.SYMMETRY: Coded(0, 12),
    _H.PHASE_SEQUENCE: Coded(0, 21),
    _H.PHASE_SEQUENCE_RIGHT: Coded(0, 22),
    _H.POWER_DOWN: Coded(2, 101),
    _H.POWER_UP: Coded(2, 102),
    _H.CLOCK_NEW_TIME: Coded(3, 151),
    _H.TARIFF_PROGRAMMED: Coded(3, 155),
    _H.FIRMWARE_ACTIVATED: Coded(3, 157),
    _H.LIMITER_CHANGED: Coded(3, 158),
    _H.KEYS_CHANGED: Coded(3, 164),
    _H.MAGNETIC_FIELD: Coded(4, 201),
    _H.MAGNETIC_FIELD_GONE: Coded(4, 202),
    _H.MISSING_NEUTRAL: Coded(4, 207),
    _H.LIMITER_EXCEEDED: Coded(4, 215),
    _H.LIMITER_OK: Coded(4, 216),
    _H.METER_COVER_OPENED: Coded(5, 251),
    **dict.fromkeys(
        (_H.MANUAL_DISCONNECTION, _H.REMOTE_DISCONNECTION, _H.LOCAL_DISCONNECTION), Coded(6, 301)
    ),
    **dict.fromkeys(
        (_H.MANUAL_CONNECTION, _H.REMOTE_CONNECTION, _H.LOCAL_CONNECTION), Coded(6, 302)
    ),
}
"""IS 15959 [india-events]."""

SPANISH: Mapping[Happening, Coded] = {
    _H.POWER_UP: Coded(0, 2),
    _H.POWER_DOWN: Coded(0, 3),
    _H.MISSING_VOLTAGE_L1: Coded(0, 4),
    _H.MISSING_VOLTAGE_L2: Coded(0, 5),
    _H.MISSING_VOLTAGE_L3: Coded(0, 6),
    _H.MISSING_NEUTRAL: Coded(0, 7),
    _H.BATTERY_LOW: Coded(0, 8),
    _H.PROGRAM_MEMORY_ERROR: Coded(0, 12),
    _H.RAM_ERROR: Coded(0, 13),
    _H.NV_MEMORY_ERROR: Coded(0, 14),
    _H.WATCHDOG_ERROR: Coded(0, 15),
    _H.MEASUREMENT_ERROR: Coded(0, 16),
    _H.CONFIGURATION_CHANGED: Coded(0, 30),
    _H.BATTERY_REPLACED: Coded(0, 35),
    _H.METER_COVER_OPENED: Coded(1, 1),
    _H.METER_COVER_CLOSED: Coded(1, 2),
    _H.MAGNETIC_FIELD: Coded(1, 3),
    _H.MAGNETIC_FIELD_GONE: Coded(1, 4),
    _H.FAILED_LOGINS: Coded(1, 6),
    _H.TERMINAL_COVER_OPENED: Coded(1, 7),
    _H.TERMINAL_COVER_CLOSED: Coded(1, 8),
    _H.UNDERVOLTAGE_L1: Coded(5, 2),
    _H.UNDERVOLTAGE_L2: Coded(5, 3),
    _H.UNDERVOLTAGE_L3: Coded(5, 4),
    _H.OVERVOLTAGE_L1: Coded(5, 6),
    _H.OVERVOLTAGE_L2: Coded(5, 7),
    _H.OVERVOLTAGE_L3: Coded(5, 8),
}
"""T5 [prime-events]."""

_FAMILIES: Mapping[str, Mapping[Happening, Coded]] = {
    "dsmr": DUTCH,
    "smr": DUTCH,
    "idis": IDIS_LIKE,
    "is-15959": INDIAN,
    "t5": SPANISH,
}


def codes_of(rows: Sequence[CompanionObject]) -> dict[Happening, Coded]:
    """The numbers of what happens, where they are known for the logs of these objects."""
    families = {row.events.partition("/")[0] for row in rows if row.events}
    codes: dict[Happening, Coded] = {}
    for family in families:
        numbers = {log.number for log in events.logs(family)} if family in _FAMILIES else set()
        for happening, coded in _FAMILIES.get(family, {}).items():
            if coded.log in numbers and events.name(family, coded.log, coded.code) is not None:
                codes[happening] = coded
    return codes
