"""What can happen to a meter, by name, and the log, code and alarm by which a template tells it.

Behaviours and scenarios name what happened; only a template knows its companion specification's
number for it, since the same code means different things in different specifications.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import NamedTuple

__all__ = [
    "COMMUNICATION_LOG",
    "CONTROL_LOG",
    "FRAUD_LOG",
    "IDIS_LIKE",
    "MBUS_LOG",
    "QUALITY_LOG",
    "STANDARD_LOG",
    "Coded",
    "Happening",
]

STANDARD_LOG, FRAUD_LOG, CONTROL_LOG, MBUS_LOG, QUALITY_LOG, COMMUNICATION_LOG = range(6)
"""Logs of the generic table; number e of 0-0:99.98.e and of the event code 0-0:96.11.e."""


@unique
class Happening(StrEnum):
    """Something that a meter notices and may log."""

    LOG_CLEARED = "event log cleared"
    POWER_DOWN = "power down"
    POWER_UP = "power up"
    DST_CHANGED = "daylight saving changed"
    CLOCK_OLD_TIME = "clock adjusted, old time"
    CLOCK_NEW_TIME = "clock adjusted, new time"
    CLOCK_INVALID = "clock invalid"
    REPLACE_BATTERY = "replace battery"
    BATTERY_LOW = "battery voltage low"
    BATTERY_REPLACED = "battery replaced"
    TARIFF_ACTIVATED = "passive tariff activated"
    ERRORS_CLEARED = "error register cleared"
    ALARMS_CLEARED = "alarm register cleared"
    ALARMS_2_CLEARED = "alarm register 2 cleared"
    PROGRAM_MEMORY_ERROR = "program memory error"
    RAM_ERROR = "RAM error"
    NV_MEMORY_ERROR = "non-volatile memory error"
    WATCHDOG_ERROR = "watchdog error"
    MEASUREMENT_ERROR = "measurement system error"
    FIRMWARE_READY = "firmware ready for activation"
    FIRMWARE_ACTIVATED = "firmware activated"
    TARIFF_PROGRAMMED = "passive tariff programmed"
    CONFIGURATION_CHANGED = "configuration changed"

    TERMINAL_COVER_OPENED = "terminal cover opened"
    TERMINAL_COVER_CLOSED = "terminal cover closed"
    MAGNETIC_FIELD = "strong magnetic field"
    MAGNETIC_FIELD_GONE = "no magnetic field any more"
    METER_COVER_OPENED = "meter cover opened"
    METER_COVER_CLOSED = "meter cover closed"
    FAILED_LOGINS = "failed logins"
    KEYS_CHANGED = "global keys changed"
    WRONG_KEY = "decryption or authentication failed"
    REPLAY = "replay attack"

    READY_FOR_CONNECTION = "ready for manual reconnection"
    MANUAL_DISCONNECTION = "manual disconnection"
    MANUAL_CONNECTION = "manual connection"
    REMOTE_DISCONNECTION = "remote disconnection"
    REMOTE_CONNECTION = "remote connection"
    LOCAL_DISCONNECTION = "local disconnection"
    LOCAL_CONNECTION = "local reconnection"
    LIMITER_EXCEEDED = "limiter threshold exceeded"
    LIMITER_OK = "limiter threshold kept again"
    LIMITER_CHANGED = "limiter threshold changed"
    SWITCH_FAILED = "disconnect or reconnect failed"
    MONITOR_1_EXCEEDED = "monitor 1 exceeded"
    MONITOR_1_OK = "monitor 1 ok"
    MONITOR_2_EXCEEDED = "monitor 2 exceeded"
    MONITOR_2_OK = "monitor 2 ok"
    MONITOR_3_EXCEEDED = "monitor 3 exceeded"
    MONITOR_3_OK = "monitor 3 ok"

    UNDERVOLTAGE_L1 = "undervoltage L1"
    UNDERVOLTAGE_L2 = "undervoltage L2"
    UNDERVOLTAGE_L3 = "undervoltage L3"
    OVERVOLTAGE_L1 = "overvoltage L1"
    OVERVOLTAGE_L2 = "overvoltage L2"
    OVERVOLTAGE_L3 = "overvoltage L3"
    MISSING_VOLTAGE_L1 = "missing voltage L1"
    MISSING_VOLTAGE_L2 = "missing voltage L2"
    MISSING_VOLTAGE_L3 = "missing voltage L3"
    NORMAL_VOLTAGE_L1 = "voltage normal L1"
    NORMAL_VOLTAGE_L2 = "voltage normal L2"
    NORMAL_VOLTAGE_L3 = "voltage normal L3"
    PHASE_SEQUENCE = "phase sequence reversed"
    PHASE_SEQUENCE_RIGHT = "phase sequence right again"
    MISSING_NEUTRAL = "missing neutral"
    ASYMMETRY = "phase asymmetry"
    SYMMETRY = "phases symmetrical again"
    CURRENT_REVERSAL = "current reversal"
    BAD_VOLTAGE_L1 = "bad voltage quality L1"
    BAD_VOLTAGE_L2 = "bad voltage quality L2"
    BAD_VOLTAGE_L3 = "bad voltage quality L3"
    LAST_GASP = "last gasp"

    PORT_LOCKED = "communication port locked"
    PORT_UNLOCKED = "communication port unlocked"
    NO_CONNECTION = "no connection for too long"

    MBUS_COMMUNICATION_ERROR = "M-Bus communication error"
    MBUS_COMMUNICATION_OK = "M-Bus communication ok"
    MBUS_REPLACE_BATTERY = "M-Bus replace battery"
    MBUS_FRAUD = "M-Bus fraud attempt"
    MBUS_CLOCK_ADJUSTED = "M-Bus clock adjusted"
    MBUS_NEW_DEVICE = "M-Bus new device"
    MBUS_PERMANENT_ERROR = "M-Bus permanent error"


class Coded(NamedTuple):
    """How a companion specification tells a happening.

    `alarm` is the bit that it sets in the alarm registers, counted on from the first into the
    second (32 and up); `error` one of the error register; None for none.
    """

    log: int
    code: int
    alarm: int | None = None
    error: int | None = None


_H = Happening
_CLOCK_ALARM, _BATTERY_ALARM, _POWER_UP_ALARM, _CONFIGURATION_ALARM = 0, 1, 2, 4
_FRAUD_ALARM = 13
_MBUS_ERROR_ALARM, _MBUS_FRAUD_ALARM, _MBUS_NEW_ALARM = 16, 20, 24

IDIS_LIKE: Mapping[Happening, Coded] = MappingProxyType(
    {
        # Standard and fraud codes and the alarm bits are those two public sources agree on
        # [facts-g]; codes of the disconnector, quality and communication logs rest on [memory].
        _H.LOG_CLEARED: Coded(STANDARD_LOG, 255),  # in whichever log it was
        _H.POWER_DOWN: Coded(STANDARD_LOG, 1),
        _H.POWER_UP: Coded(STANDARD_LOG, 2, _POWER_UP_ALARM),
        _H.DST_CHANGED: Coded(STANDARD_LOG, 3),
        _H.CLOCK_OLD_TIME: Coded(STANDARD_LOG, 4),
        _H.CLOCK_NEW_TIME: Coded(STANDARD_LOG, 5),
        _H.CLOCK_INVALID: Coded(STANDARD_LOG, 6, _CLOCK_ALARM, 0),
        _H.REPLACE_BATTERY: Coded(STANDARD_LOG, 7, _BATTERY_ALARM, 1),
        _H.BATTERY_LOW: Coded(STANDARD_LOG, 8),
        _H.TARIFF_ACTIVATED: Coded(STANDARD_LOG, 9),
        _H.ERRORS_CLEARED: Coded(STANDARD_LOG, 10),
        _H.ALARMS_CLEARED: Coded(STANDARD_LOG, 11),
        _H.ALARMS_2_CLEARED: Coded(STANDARD_LOG, 24),
        _H.PROGRAM_MEMORY_ERROR: Coded(STANDARD_LOG, 12, 8, 8),
        _H.RAM_ERROR: Coded(STANDARD_LOG, 13, 9, 9),
        _H.NV_MEMORY_ERROR: Coded(STANDARD_LOG, 14, 10, 10),
        _H.WATCHDOG_ERROR: Coded(STANDARD_LOG, 15, 12, 12),
        _H.MEASUREMENT_ERROR: Coded(STANDARD_LOG, 16, 11, 11),
        _H.FIRMWARE_READY: Coded(STANDARD_LOG, 17),
        _H.FIRMWARE_ACTIVATED: Coded(STANDARD_LOG, 18),
        _H.TARIFF_PROGRAMMED: Coded(STANDARD_LOG, 19),
        _H.CONFIGURATION_CHANGED: Coded(STANDARD_LOG, 47, _CONFIGURATION_ALARM),
        _H.TERMINAL_COVER_OPENED: Coded(FRAUD_LOG, 40, _FRAUD_ALARM),
        _H.TERMINAL_COVER_CLOSED: Coded(FRAUD_LOG, 41),
        _H.MAGNETIC_FIELD: Coded(FRAUD_LOG, 42, _FRAUD_ALARM),
        _H.MAGNETIC_FIELD_GONE: Coded(FRAUD_LOG, 43),
        _H.METER_COVER_OPENED: Coded(FRAUD_LOG, 44, _FRAUD_ALARM),
        _H.METER_COVER_CLOSED: Coded(FRAUD_LOG, 45),
        _H.FAILED_LOGINS: Coded(FRAUD_LOG, 46, _FRAUD_ALARM),
        _H.KEYS_CHANGED: Coded(FRAUD_LOG, 48),
        _H.WRONG_KEY: Coded(FRAUD_LOG, 49, _FRAUD_ALARM),
        _H.REPLAY: Coded(FRAUD_LOG, 50, _FRAUD_ALARM),
        _H.READY_FOR_CONNECTION: Coded(CONTROL_LOG, 59),
        _H.MANUAL_DISCONNECTION: Coded(CONTROL_LOG, 60),
        _H.MANUAL_CONNECTION: Coded(CONTROL_LOG, 61),
        _H.REMOTE_DISCONNECTION: Coded(CONTROL_LOG, 62),
        _H.REMOTE_CONNECTION: Coded(CONTROL_LOG, 63),
        _H.LOCAL_DISCONNECTION: Coded(CONTROL_LOG, 64),
        _H.LIMITER_EXCEEDED: Coded(CONTROL_LOG, 65),
        _H.LIMITER_OK: Coded(CONTROL_LOG, 66),
        _H.LIMITER_CHANGED: Coded(CONTROL_LOG, 67),
        _H.SWITCH_FAILED: Coded(CONTROL_LOG, 68),
        _H.LOCAL_CONNECTION: Coded(CONTROL_LOG, 69),
        _H.MONITOR_1_EXCEEDED: Coded(CONTROL_LOG, 70),
        _H.MONITOR_1_OK: Coded(CONTROL_LOG, 71),
        _H.MONITOR_2_EXCEEDED: Coded(CONTROL_LOG, 72),
        _H.MONITOR_2_OK: Coded(CONTROL_LOG, 73),
        _H.MONITOR_3_EXCEEDED: Coded(CONTROL_LOG, 74),
        _H.MONITOR_3_OK: Coded(CONTROL_LOG, 75),
        _H.UNDERVOLTAGE_L1: Coded(QUALITY_LOG, 76),
        _H.UNDERVOLTAGE_L2: Coded(QUALITY_LOG, 77),
        _H.UNDERVOLTAGE_L3: Coded(QUALITY_LOG, 78),
        _H.OVERVOLTAGE_L1: Coded(QUALITY_LOG, 79),
        _H.OVERVOLTAGE_L2: Coded(QUALITY_LOG, 80),
        _H.OVERVOLTAGE_L3: Coded(QUALITY_LOG, 81),
        _H.MISSING_VOLTAGE_L1: Coded(QUALITY_LOG, 82, 28),
        _H.MISSING_VOLTAGE_L2: Coded(QUALITY_LOG, 83, 29),
        _H.MISSING_VOLTAGE_L3: Coded(QUALITY_LOG, 84, 30),
        _H.NORMAL_VOLTAGE_L1: Coded(QUALITY_LOG, 85),
        _H.NORMAL_VOLTAGE_L2: Coded(QUALITY_LOG, 86),
        _H.NORMAL_VOLTAGE_L3: Coded(QUALITY_LOG, 87),
        _H.PHASE_SEQUENCE: Coded(QUALITY_LOG, 88),
        _H.MISSING_NEUTRAL: Coded(QUALITY_LOG, 89),
        _H.ASYMMETRY: Coded(QUALITY_LOG, 90),
        _H.CURRENT_REVERSAL: Coded(QUALITY_LOG, 91),
        _H.BAD_VOLTAGE_L1: Coded(QUALITY_LOG, 92),
        _H.BAD_VOLTAGE_L2: Coded(QUALITY_LOG, 93),
        _H.BAD_VOLTAGE_L3: Coded(QUALITY_LOG, 94),
        _H.LAST_GASP: Coded(QUALITY_LOG, 232),  # a maker's own: 230 to 249 [facts-g]
        _H.NO_CONNECTION: Coded(COMMUNICATION_LOG, 140),
        _H.PORT_LOCKED: Coded(COMMUNICATION_LOG, 230),
        _H.PORT_UNLOCKED: Coded(COMMUNICATION_LOG, 231),
        _H.MBUS_COMMUNICATION_ERROR: Coded(MBUS_LOG, 100, _MBUS_ERROR_ALARM),
        _H.MBUS_COMMUNICATION_OK: Coded(MBUS_LOG, 101),
        _H.MBUS_REPLACE_BATTERY: Coded(MBUS_LOG, 102),
        _H.MBUS_FRAUD: Coded(MBUS_LOG, 103, _MBUS_FRAUD_ALARM),
        _H.MBUS_CLOCK_ADJUSTED: Coded(MBUS_LOG, 104),
        _H.MBUS_NEW_DEVICE: Coded(MBUS_LOG, 105, _MBUS_NEW_ALARM),
        _H.MBUS_PERMANENT_ERROR: Coded(MBUS_LOG, 106),
    }
)
"""Codes of the templates that follow no national specification; not the text of any."""
