"""Interface classes that act on time and events: schedule, monitors, arbitrator, limiter."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import BitString, Data
from ferraris.data.obis import Obis
from ferraris.data.types import (
    AnyData,
    ArrayOf,
    BitStringType,
    Boolean,
    DateTimeType,
    DateType,
    DoubleLongUnsigned,
    EnumCode,
    Integer,
    LogicalName,
    LongUnsigned,
    OctetString,
    Structure,
    TimeType,
    Unsigned,
)
from ferraris.model.interface_class import (
    Attribute,
    InterfaceClass,
    Method,
    dynamic,
    static,
)
from ferraris.model.references import (
    AttributeIdentityType,
    ExecutedScript,
    ExecutedScriptType,
)

__all__ = [
    "ActionRequest",
    "Arbitrator",
    "ChangedParameter",
    "EmergencyProfile",
    "EnableRanges",
    "EntryRange",
    "Limiter",
    "LimiterActions",
    "MonitorActions",
    "ParameterMonitor",
    "ParameterMonitorV1",
    "RegisterMonitor",
    "Schedule",
    "ScheduleEntry",
]


class ScheduleEntry(NamedTuple):
    """One entry of a schedule.

    `validity_window` is in minutes: how late the script may still be run after a power failure,
    0xFFFF meaning any time [memory].
    """

    entry_index: int
    enable: bool
    script_logical_name: Obis
    script_selector: int
    switch_time: Time
    validity_window: int
    exec_weekdays: BitString
    exec_specdays: BitString
    begin_date: Date
    end_date: Date


class EnableRanges(NamedTuple):
    """Entries A to disable and B to enable, by their first and last index; 0, 0 is none.

    Which of the two is disabled rests on memory.
    """

    first_index_a: int
    last_index_a: int
    first_index_b: int
    last_index_b: int


class EntryRange(NamedTuple):
    """Entries by their first and last index."""

    first_index: int
    last_index: int


_SCHEDULE_ENTRY = Structure(
    ScheduleEntry,
    LongUnsigned,
    Boolean,
    LogicalName,
    LongUnsigned,
    TimeType,
    LongUnsigned,
    BitStringType(7),
    BitStringType(),
    DateType,
    DateType,
)


class Schedule(
    InterfaceClass,
    class_id=10,
    version=0,
    source="bluebook-quoted",
    provenance="two-sources",
    first_method=0x20,
):
    """Schedule: scripts that are run at times of day, on weekdays and special days."""

    entries = Attribute(2, ArrayOf(_SCHEDULE_ENTRY), static)
    enable_disable = Method(
        1, Structure(EnableRanges, LongUnsigned, LongUnsigned, LongUnsigned, LongUnsigned)
    )
    insert = Method(2, _SCHEDULE_ENTRY)
    delete = Method(3, Structure(EntryRange, LongUnsigned, LongUnsigned))


class MonitorActions(NamedTuple):
    """What is run when a value crosses its threshold upwards, and downwards."""

    action_up: ExecutedScript
    action_down: ExecutedScript


class RegisterMonitor(
    InterfaceClass, class_id=21, version=0, source="bluebook-quoted", provenance="two-sources"
):
    """Register monitor: scripts that are run when a value crosses a threshold.

    A threshold has the type and the scaler of the monitored value; each has its pair of actions.
    """

    thresholds = Attribute(2, ArrayOf(AnyData), static)
    monitored_value = Attribute(3, AttributeIdentityType, static)
    actions = Attribute(
        4, ArrayOf(Structure(MonitorActions, ExecutedScriptType, ExecutedScriptType)), static
    )


class ChangedParameter(NamedTuple):
    """The attribute that was changed last, and its new value."""

    class_id: int
    logical_name: Obis
    attribute: int
    value: Data


class ParameterMonitor(
    InterfaceClass, class_id=65, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Parameter monitor: which of some attributes was changed last, to what and when."""

    changed_parameter = Attribute(
        2, Structure(ChangedParameter, LongUnsigned, LogicalName, Integer, AnyData), dynamic
    )
    capture_time = Attribute(3, DateTimeType, dynamic)
    parameter_list = Attribute(4, ArrayOf(AttributeIdentityType), static)
    add_parameter = Method(1, AttributeIdentityType)
    delete_parameter = Method(2, AttributeIdentityType)


class ParameterMonitorV1(
    ParameterMonitor, version=1, source="class-table", provenance="two-sources"
):
    """Parameter monitor: with a digest of all values, in the order of the list, and the values.

    Names and indices have two sources, the types one; what the numbers of the hash algorithms mean
    has none.
    """

    parameter_list_name = Attribute(5, OctetString, static)
    hash_algorithm_id = Attribute(6, EnumCode, static)
    parameter_value_digest = Attribute(7, OctetString, dynamic)
    parameter_values = Attribute(8, AnyData, dynamic)


class ActionRequest(NamedTuple):
    """What an actor asks for: one bit for each action."""

    actor: int
    actions: BitString


class Arbitrator(
    InterfaceClass, class_id=68, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Arbitrator: decides which action is carried out when several actors ask for different ones.

    Permissions and requests have one bit-string for each actor, with bit k for action k; weightings
    have one row for each actor.
    """

    actions = Attribute(2, ArrayOf(ExecutedScriptType), static)
    permissions_table = Attribute(3, ArrayOf(BitStringType()), static)
    weightings_table = Attribute(4, ArrayOf(ArrayOf(LongUnsigned)), static)
    most_recent_requests_table = Attribute(5, ArrayOf(BitStringType()), dynamic)
    last_outcome = Attribute(6, Unsigned, dynamic)
    request_action = Method(1, Structure(ActionRequest, Unsigned, BitStringType()))
    reset = Method(2, Integer)


class EmergencyProfile(NamedTuple):
    """Another threshold for a while: from `activation_time` on for `duration` seconds."""

    profile_id: int
    activation_time: DateTime
    duration: int


class LimiterActions(NamedTuple):
    """What is run when the value was over its threshold for long enough, and under it again."""

    over_threshold: ExecutedScript
    under_threshold: ExecutedScript


class Limiter(
    InterfaceClass, class_id=71, version=0, source="bluebook-quoted", provenance="one-source"
):
    """Limiter: scripts that are run when a value stays over a threshold, or under it again.

    Thresholds have the type and the scaler of the monitored value; durations are in seconds.
    """

    monitored_value = Attribute(2, AttributeIdentityType, static)
    threshold_active = Attribute(3, AnyData, dynamic)
    threshold_normal = Attribute(4, AnyData, static)
    threshold_emergency = Attribute(5, AnyData, static)
    min_over_threshold_duration = Attribute(6, DoubleLongUnsigned, static)
    min_under_threshold_duration = Attribute(7, DoubleLongUnsigned, static)
    emergency_profile = Attribute(
        8, Structure(EmergencyProfile, LongUnsigned, DateTimeType, DoubleLongUnsigned), static
    )
    emergency_profile_group_id_list = Attribute(9, ArrayOf(LongUnsigned), static)
    emergency_profile_active = Attribute(10, Boolean, dynamic)
    actions = Attribute(
        11, Structure(LimiterActions, ExecutedScriptType, ExecutedScriptType), static
    )
