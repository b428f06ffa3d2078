"""Interface classes for time, tariffs and control: clock, calendars, scripts, disconnector."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    Boolean,
    DateTimeType,
    DateType,
    Enum,
    Integer,
    LogicalName,
    Long,
    LongUnsigned,
    OctetString,
    Structure,
    TimeType,
    Unsigned,
)
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, dynamic, static
from ferraris.model.references import ExecutedScript, ExecutedScriptType

__all__ = [
    "ActivityCalendar",
    "Clock",
    "ClockBase",
    "ControlMode",
    "ControlModeV1",
    "ControlState",
    "DayProfile",
    "DayProfileAction",
    "DisconnectControl",
    "DisconnectControlV1",
    "ExecutedScript",
    "ExecutionTime",
    "PresetTime",
    "Script",
    "ScriptAction",
    "ScriptTable",
    "Season",
    "ServiceId",
    "SingleActionSchedule",
    "SingleActionType",
    "SpecialDay",
    "SpecialDaysTable",
    "WeekProfile",
]


class ClockBase(IntEnum):
    """Where a clock takes its pace from [facts-g]."""

    NONE = 0
    CRYSTAL = 1
    MAINS_50_HZ = 2
    MAINS_60_HZ = 3
    GPS = 4
    RADIO = 5


class PresetTime(NamedTuple):
    """A time to be set at a trigger that must come between start and end."""

    preset_time: DateTime
    validity_interval_start: DateTime
    validity_interval_end: DateTime


class Clock(
    InterfaceClass,
    class_id=8,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x60,
):
    """Clock: local date and time with its daylight-saving rules.

    `time_zone` is in minutes to add to local standard time to get UTC; `daylight_savings_deviation`
    in minutes; `shift_time` in seconds, -900..900.
    """

    time = Attribute(2, DateTimeType, dynamic)
    time_zone = Attribute(3, Long, static)
    status = Attribute(4, Unsigned, dynamic)
    daylight_savings_begin = Attribute(5, DateTimeType, static)
    daylight_savings_end = Attribute(6, DateTimeType, static)
    daylight_savings_deviation = Attribute(7, Integer, static)
    daylight_savings_enabled = Attribute(8, Boolean, static)
    clock_base = Attribute(9, Enum(ClockBase), static)
    adjust_to_quarter = Method(1, Integer)
    adjust_to_measuring_period = Method(2, Integer)
    adjust_to_minute = Method(3, Integer)
    adjust_to_preset_time = Method(4, Integer)
    preset_adjusting_time = Method(
        5, Structure(PresetTime, DateTimeType, DateTimeType, DateTimeType)
    )
    shift_time = Method(6, Long)


class ServiceId(IntEnum):
    """What an action of a script does with its object [facts-g]."""

    WRITE = 1
    EXECUTE = 2


class ScriptAction(NamedTuple):
    """Write the attribute, or execute the method, with this number; `parameter` is its data."""

    service_id: ServiceId | int
    class_id: int
    logical_name: Obis
    attribute_or_method: int
    parameter: Data


class Script(NamedTuple):
    """Actions that are carried out together, in their order."""

    script_identifier: int
    actions: list[ScriptAction]


class ScriptTable(
    InterfaceClass,
    class_id=9,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x20,
):
    """Script table: what happens when the meter, or a client, executes a script by its number."""

    scripts = Attribute(
        2,
        ArrayOf(
            Structure(
                Script,
                LongUnsigned,
                ArrayOf(
                    Structure(
                        ScriptAction, Enum(ServiceId), LongUnsigned, LogicalName, Integer, AnyData
                    )
                ),
            )
        ),
        static,
    )
    execute = Method(1, LongUnsigned)


class SpecialDay(NamedTuple):
    """A date, wildcards allowed, that follows another day profile than its weekday."""

    special_day_index: int
    special_day_date: Date
    day_id: int


_SPECIAL_DAY = Structure(SpecialDay, LongUnsigned, DateType, Unsigned)


class SpecialDaysTable(
    InterfaceClass,
    class_id=11,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x10,
):
    """Special days table: dates with a day profile of their own."""

    entries = Attribute(2, ArrayOf(_SPECIAL_DAY), static)
    insert = Method(1, _SPECIAL_DAY)
    delete = Method(2, LongUnsigned)


class Season(NamedTuple):
    """From its start on, a season follows a week profile."""

    name: bytes
    start: DateTime
    week_name: bytes


class WeekProfile(NamedTuple):
    """The day profile of each weekday."""

    name: bytes
    monday: int
    tuesday: int
    wednesday: int
    thursday: int
    friday: int
    saturday: int
    sunday: int


class DayProfileAction(NamedTuple):
    """At this time of day a script of a script table is run."""

    start_time: Time
    script_logical_name: Obis
    script_selector: int


class DayProfile(NamedTuple):
    """The switching times of one kind of day."""

    day_id: int
    actions: list[DayProfileAction]


# A season start carries wildcards and some meters send it as date-time, others as octets.
_SEASONS = ArrayOf(Structure(Season, OctetString, DateTimeType, OctetString))
_WEEKS = ArrayOf(
    Structure(
        WeekProfile,
        OctetString,
        Unsigned,
        Unsigned,
        Unsigned,
        Unsigned,
        Unsigned,
        Unsigned,
        Unsigned,
    )
)
_DAYS = ArrayOf(
    Structure(
        DayProfile,
        Unsigned,
        ArrayOf(Structure(DayProfileAction, TimeType, LogicalName, LongUnsigned)),
    )
)


class ActivityCalendar(
    InterfaceClass,
    class_id=20,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x50,
):
    """Activity calendar: seasons, weeks and days of the tariff, one set active, one waiting."""

    calendar_name_active = Attribute(2, OctetString, static)
    season_profile_active = Attribute(3, _SEASONS, static)
    week_profile_table_active = Attribute(4, _WEEKS, static)
    day_profile_table_active = Attribute(5, _DAYS, static)
    calendar_name_passive = Attribute(6, OctetString, static)
    season_profile_passive = Attribute(7, _SEASONS, static)
    week_profile_table_passive = Attribute(8, _WEEKS, static)
    day_profile_table_passive = Attribute(9, _DAYS, static)
    activate_passive_calendar_time = Attribute(10, DateTimeType, static)
    activate_passive_calendar = Method(1, Integer)


class SingleActionType(IntEnum):
    """One execution time or many, at one time of day or several, wildcards or not [facts-g]."""

    ONE_WITH_WILDCARDS = 1
    SAME_TIME = 2
    SAME_TIME_WITH_WILDCARDS = 3
    DIFFERENT_TIMES = 4
    DIFFERENT_TIMES_WITH_WILDCARDS = 5


class ExecutionTime(NamedTuple):
    """When: a time of day, and the dates on which it counts."""

    time: Time
    date: Date


class SingleActionSchedule(
    InterfaceClass,
    class_id=22,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
):
    """Single action schedule: one script, and when it is run."""

    executed_script = Attribute(2, ExecutedScriptType, static)
    type = Attribute(3, Enum(SingleActionType), static)
    execution_time = Attribute(4, ArrayOf(Structure(ExecutionTime, TimeType, DateType)), static)


class ControlState(IntEnum):
    """State of a disconnector [facts-g]."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


class ControlMode(IntEnum):
    """Which transitions of a disconnector are allowed, modes 0 to 6 [facts-g]."""

    ALWAYS_CONNECTED = 0
    MODE_1 = 1
    MODE_2 = 2
    MODE_3 = 3
    MODE_4 = 4
    MODE_5 = 5
    MODE_6 = 6


class ControlModeV1(IntEnum):
    """Which transitions of a disconnector are allowed, mode 7 included [facts-g]."""

    ALWAYS_CONNECTED = 0
    MODE_1 = 1
    MODE_2 = 2
    MODE_3 = 3
    MODE_4 = 4
    MODE_5 = 5
    MODE_6 = 6
    MODE_7 = 7


class DisconnectControl(
    InterfaceClass,
    class_id=70,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x20,
):
    """Disconnect control: the supply switch; `output_state` true means connected."""

    output_state = Attribute(2, Boolean, dynamic)
    control_state = Attribute(3, Enum(ControlState), dynamic)
    control_mode = Attribute(4, Enum(ControlMode), static)
    remote_disconnect = Method(1, Integer)
    remote_reconnect = Method(2, Integer)


class DisconnectControlV1(DisconnectControl, version=1, provenance="one-source", first_method=0x20):
    """Disconnect control: with mode 7."""

    control_mode: Attribute[ControlModeV1 | int] = Attribute(4, Enum(ControlModeV1), static)
