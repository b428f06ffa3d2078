"""Which behaviour brings which object of a companion specification to life: one table.

Each line is a class, a pattern of names with `*` for any number in a group, and a maker. The first
line that fits and makes something is taken; an object that none fits holds fixed values. A new
behaviour is one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from ferraris.client.security import DEFAULT_SYSTEM_TITLE
from ferraris.core.errors import UsageError
from ferraris.data import axdr
from ferraris.data.kinds import RANGES, Tag, integer, octet_string
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.alarms import (
    ALARM_SCRIPT,
    AlarmDescriptor,
    AlarmFilter,
    AlarmRegister,
    ErrorRegister,
)
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.clock import Clock, ShiftLimit
from ferraris.meter.behaviour.demand import Demand, MaximumDemand
from ferraris.meter.behaviour.derived import DerivedLog, DerivedProfile, Snapshot, grid_of
from ferraris.meter.behaviour.disconnector import Disconnector, DisconnectorV1
from ferraris.meter.behaviour.event_log import EventCode, EventCounter
from ferraris.meter.behaviour.firmware import FirmwareSignature, FirmwareVersion
from ferraris.meter.behaviour.identity import (
    ConsumerMessage,
    DeviceNumber,
    EngineObject,
    FixedData,
    InvocationCounter,
    LogicalDeviceName,
)
from ferraris.meter.behaviour.image_transfer import ImageTransfer
from ferraris.meter.behaviour.limiter import Limiter
from ferraris.meter.behaviour.mbus_client import MBusClient
from ferraris.meter.behaviour.parameter_monitor import ParameterMonitor, ParameterMonitorV1
from ferraris.meter.behaviour.periodic import ProfileStatus
from ferraris.meter.behaviour.power_failures import (
    FailureData,
    FailureDuration,
    Failures,
    FailureThreshold,
)
from ferraris.meter.behaviour.push_setup import PushList, PushListV1, PushListV2
from ferraris.meter.behaviour.register_activation import ActiveRate, tariff_scripts
from ferraris.meter.behaviour.scripts import Schedule, Scripts
from ferraris.meter.behaviour.security_setup import SecuritySetup, SecuritySetupV1
from ferraris.meter.behaviour.shown import Shown, ShownData, ShownExtended, Told
from ferraris.meter.behaviour.tariffication import ActivityCalendar, SpecialDays
from ferraris.meter.behaviour.timetable import Timetable
from ferraris.meter.consumption import Consumption
from ferraris.meter.measures import Measure, measure_of
from ferraris.meter.templates import hosting
from ferraris.meter.templates.updating import FIRST_FIRMWARE, IMAGE_TRANSFER
from ferraris.model import events, registry
from ferraris.model.companion import CompanionObject, Profile
from ferraris.model.time_control import Script, ScriptAction, ServiceId

__all__ = ["Setting", "inner_scripts", "make"]

_CUBIC_METRE = 13
_PUSH_SCRIPTS = "0-0:10.0.108*255"
_ENTRIES = 100
_LOG = 98  # D of event logs, whose E is that of the code 0-0:96.11.e [facts-g]


class Setting(NamedTuple):
    """What all objects of one template have in common.

    `rows` are those of the specification by class and name, `management` is the address of the
    client that has the keys, `clients` are the M-Bus channels by number.
    """

    consumption: Consumption
    three_phase: bool
    suite: int
    management: int
    rows: Mapping[tuple[int, Obis], CompanionObject]
    clients: Mapping[int, MBusClient] = {}


Maker = Callable[[CompanionObject, Setting], Behaviour | None]


def make(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """What brings an object to life, None for nothing."""
    for class_id, pattern, maker in _MAKERS:
        if class_id == row.class_id and _fits(pattern, row.logical_name):
            made = maker(row, setting)
            if made is not None:
                return made
    return None


@lru_cache(maxsize=256)
def _groups(pattern: str) -> tuple[int | None, ...]:
    for mark in "-:.":
        pattern = pattern.replace(mark, " ")
    return tuple(None if group == "*" else int(group) for group in pattern.split())


def _fits(pattern: str, name: Obis) -> bool:
    return all(group in (None, own) for group, own in zip(_groups(pattern), name, strict=False))


# -- data -------------------------------------------------------------------------------------


def _kind(row: CompanionObject, usual: Tag) -> int:
    """The kind that a specification asks of attribute 2."""
    shapes = row.shapes.get(2, ())
    return shapes[0].tag if shapes else int(usual)


def _named(make: Callable[[str], Behaviour], usual: Tag | None = None) -> Maker:
    """A behaviour that needs its name alone, where its kind is the one asked for."""

    def maker(row: CompanionObject, setting: Setting) -> Behaviour | None:
        if usual is not None and _kind(row, usual) != usual:
            return None
        return make(row.pattern)

    return maker


def _of_all(make: Callable[[str, Setting], Behaviour]) -> Maker:
    """A behaviour that needs its name, and to know what else there is."""
    return lambda row, setting: make(row.pattern, setting)


def _octets(text: str) -> Maker:
    def maker(row: CompanionObject, setting: Setting) -> Behaviour | None:
        if _kind(row, Tag.OCTET_STRING) != Tag.OCTET_STRING:
            return None
        return FixedData(row.pattern, octet_string(text.encode("ascii")))

    return maker


def _failures(tells: Failures) -> Maker:
    return _named(lambda name: FailureData(name, tells), Tag.LONG_UNSIGNED)


def _counter(row: CompanionObject, setting: Setting) -> Behaviour:
    return InvocationCounter(row.pattern, setting.management)


def _unix_time(row: CompanionObject, setting: Setting) -> Behaviour:
    return Told(row.pattern, lambda meter, now: encoded(Tag.DOUBLE_LONG_UNSIGNED, meter.local(now)))


def _event_code(row: CompanionObject, setting: Setting) -> Behaviour | None:
    log = setting.rows.get((7, row.logical_name.with_groups(c=99, d=_LOG)))
    if log is None:
        return None  # a counter under a name that elsewhere is that of a code
    return EventCode(row.pattern, row.logical_name.e, _code_kind(row, log))


def _code_kind(row: CompanionObject | None, log: CompanionObject) -> int:
    """The kind of a log's codes: the one asked for, else the shortest that holds its family's."""
    if row is not None and row.shapes.get(2):
        return _kind(row, Tag.UNSIGNED)
    family = log.events.partition("/")[0]
    known = events.events(family) if family in events.families() else ()
    wide = any(each.code > RANGES[Tag.UNSIGNED][1] for each in known)
    return int(Tag.LONG_UNSIGNED if wide else Tag.UNSIGNED)


def _event_counter(row: CompanionObject, setting: Setting) -> Behaviour | None:
    log = row.logical_name.e
    if (7, row.logical_name.with_groups(c=99, d=_LOG)) not in setting.rows:
        return None
    counter, kind = EventCounter(row.pattern, log), _kind(row, Tag.DOUBLE_LONG_UNSIGNED)
    if kind == Tag.DOUBLE_LONG_UNSIGNED:
        return counter
    most = RANGES.get(kind, (0, 0))[1]
    return Told(
        row.pattern,
        lambda meter, now: encoded(kind, min(most, axdr.decode(counter.value(meter, 2, now))[1])),
    )


# -- registers --------------------------------------------------------------------------------


def _measured(row: CompanionObject, setting: Setting) -> Behaviour | None:
    measure = measure_of(row.logical_name, three_phase=setting.three_phase)
    return None if measure is None else _shown(row, measure)


def _shown(row: CompanionObject, measure: Measure) -> Behaviour | None:
    kind = _kind(row, Tag.DOUBLE_LONG_UNSIGNED if measure.scaler == 0 else Tag.LONG_UNSIGNED)
    if not row.shapes.get(2) and measure.unit == _CUBIC_METRE:
        kind = int(Tag.DOUBLE_LONG_UNSIGNED)
    if kind not in RANGES or (row.units and measure.unit not in row.units):
        return None
    scaler = row.scalers[0] if row.scalers else measure.scaler
    made = {1: ShownData, 3: Shown, 4: ShownExtended}[row.class_id]
    return made(row.pattern, measure, kind, scaler)


# -- profiles ---------------------------------------------------------------------------------


def _profile(row: CompanionObject, setting: Setting) -> Behaviour | None:
    profile = _settled(row)
    columns = profile.columns
    if columns is None:
        columns = tuple(each._replace(attribute=each.attribute or 2) for each in profile.selectable)
        columns = tuple(each for each in columns if each.class_id in (1, 3, 4, 8))
    if not columns or profile.period_s is None or grid_of(profile.period_s) is None:
        return None
    entries = profile.entries or _ENTRIES
    if entries == 1:
        return Snapshot(row.pattern, columns)
    return DerivedProfile(row.pattern, columns, profile.period_s, entries, profile.selectable)


def _log(row: CompanionObject, setting: Setting) -> Behaviour | None:
    profile = _settled(row)
    name = row.logical_name
    if not profile.columns:
        return None
    kind = _code_kind(setting.rows.get((1, Obis.of(0, 0, 96, 11, name.e))), row)
    return DerivedLog(row.pattern, name.e, profile.columns, kind, profile.entries or _ENTRIES)


def _settled(row: CompanionObject) -> Profile:
    """What is demanded, and where that leaves something open what is usual."""
    fixed, usual = row.profile, row.usual
    return Profile(
        usual.columns if fixed.columns is None else fixed.columns,
        fixed.selectable,
        usual.period_s if fixed.period_s is None else fixed.period_s,
        usual.entries if fixed.entries is None else fixed.entries,
    )


# -- time, scripts, switches, pushes ----------------------------------------------------------


def _clock(row: CompanionObject, setting: Setting) -> Behaviour:
    return Clock(row.pattern, setting.consumption.zone)


def _calendar(row: CompanionObject, setting: Setting) -> Behaviour:
    return ActivityCalendar(row.pattern, setting.consumption.tariff)


def _tariff_scripts(row: CompanionObject, setting: Setting) -> Behaviour:
    return Scripts(row.pattern, tariff_scripts(setting.consumption.tariff.rates))


def _push_scripts(name: str, setting: Setting) -> Behaviour:
    """One script for each push set-up; the alarm's has the number that alarms run."""
    setups = [setup for class_id, setup in setting.rows if class_id == PushList.declares.class_id]
    numbers = [number for number in range(1, len(setups) + 2) if number != ALARM_SCRIPT]
    scripts = []
    for setup in setups:
        number = ALARM_SCRIPT if setup.b == _ALARM_CHANNEL else numbers.pop(0)
        action = ScriptAction(ServiceId.EXECUTE, PushList.declares.class_id, setup, 1, integer(0))
        scripts.append(Script(number, [action]))
    return Scripts(name, scripts)


_ALARM_CHANNEL = 4  # of push set-ups [memory]


def _switch_scripts(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """Script 1 opens the supply switch, script 2 closes it, both as the meter itself does."""
    switch = next((name for class_id, name in setting.rows if class_id == _SWITCH), None)
    if switch is None:
        return None
    execute = ServiceId.EXECUTE
    scripts = [
        Script(method, [ScriptAction(execute, _SWITCH, switch, method, integer(0))])
        for method in (1, 2)
    ]
    return Scripts(row.pattern, scripts)


_SWITCH = Disconnector.declares.class_id


def _image_scripts(name: str, setting: Setting) -> Behaviour:
    """Script 1 activates the image."""
    transfer = Obis.parse(IMAGE_TRANSFER)
    class_id = ImageTransfer.declares.class_id
    action = ScriptAction(ServiceId.EXECUTE, class_id, transfer, 4, integer(0))
    return Scripts(name, [Script(1, [action])])


def inner_scripts(setting: Setting) -> Iterator[Behaviour]:
    """Script tables that no client sees.

    A specification may have a schedule whose script stands in none of its tables.
    """
    for number, what, made in (
        (2, (ImageTransfer.declares.class_id, IMAGE_TRANSFER), _image_scripts),
        (4, (PushList.declares.class_id, "0-0:25.9.0*255"), _push_scripts),
    ):
        schedule, table = Obis.of(0, 0, 15, 0, number), Obis.of(0, 0, 10, 0, _TABLES[number])
        class_id, name = what
        there = (Schedule.declares.class_id, schedule), (class_id, Obis.parse(name))
        if (
            all(each in setting.rows for each in there)
            and (Scripts.declares.class_id, table) not in setting.rows
        ):
            yield made(str(table), setting)


def _push_schedule(row: CompanionObject, setting: Setting) -> Behaviour | None:
    return Schedule(row.pattern, _PUSH_SCRIPTS, 1)


def _schedule(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """A schedule without times; its script is that of the same purpose, if there is one."""
    table = _TABLES.get(row.logical_name.e, 0)
    return Schedule(row.pattern, f"0-0:10.0.{table}*255", 1)


_TABLES = {0: 1, 1: 106, 2: 107, 3: 103, 4: 108}
"""Script table of a single action, by E of both [facts-g]."""


def _push(row: CompanionObject, setting: Setting) -> Behaviour:
    sent = [(1, "0-0:42.0.0*255", 2), (8, "0-0:1.0.0*255", 2)]
    if row.logical_name.b == 1 and (9, Obis.parse(_PUSH_SCRIPTS)) not in setting.rows:
        # That of alarms in Dutch meters, which push without a script [gxf-profiles].
        sent += [(1, f"0-0:97.98.{number}*255", 2) for number in range(3)]
    registers = (name for class_id, name in setting.rows if class_id == 3 and name.d == 8)
    sent += [(3, str(name), index) for name in list(registers)[:2] for index in (2, 3)]
    known = [each for each in sent if (each[0], Obis.parse(each[1])) in setting.rows]
    made: type[PushList] = {0: PushList, 1: PushListV1, 2: PushListV2}[max(row.versions)]
    return made(row.pattern, known)


# -- access -----------------------------------------------------------------------------------


def _switch(row: CompanionObject, setting: Setting) -> Behaviour:
    made = Disconnector if 0 in row.versions else DisconnectorV1
    return made(row.pattern)


def _limiter(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """Limits the imported power, and opens the supply switch where there is a script for it."""
    power = setting.rows.get((3, Obis.parse(_POWER)))
    if power is None:
        return None
    is_there = (9, Obis.parse(_SWITCH_SCRIPTS)) in setting.rows
    over, under = ((_SWITCH_SCRIPTS, number) if is_there else None for number in (1, 2))
    tag = Tag(_kind(power, Tag.DOUBLE_LONG_UNSIGNED))
    return Limiter(row.pattern, (3, _POWER, 2), over=over, under=under, tag=tag)


_POWER, _SWITCH_SCRIPTS = "1-0:1.7.0*255", "0-0:10.0.106*255"


def _association(row: CompanionObject, setting: Setting) -> Behaviour:
    declared = [each for each in registry.versions(row.class_id) if each.version in row.versions]
    if not declared:
        raise UsageError(f"{row.pattern}: no version {row.versions} of the association is known")
    return EngineObject(row.pattern, declared[0], (7,), {2: (1, 2, 3, 4)})


def _engine(row: CompanionObject, setting: Setting) -> Behaviour | None:
    declared = registry.newest(row.class_id)
    return None if declared is None else EngineObject(row.pattern, declared)


def _security(row: CompanionObject, setting: Setting) -> Behaviour:
    newer = bool(setting.suite) or 0 not in row.versions
    made = SecuritySetupV1 if newer else SecuritySetup
    return made(row.pattern, setting.suite, DEFAULT_SYSTEM_TITLE)


def _monitor(row: CompanionObject, setting: Setting) -> Behaviour:
    """A parameter monitor without parameters, until a client gives it some."""
    return (ParameterMonitor if 0 in row.versions else ParameterMonitorV1)(row.pattern)


def _alarms(row: CompanionObject, setting: Setting) -> Behaviour | None:
    """Registers have E from 0 on, filters from 10, descriptors from 20 [facts-g]."""
    if _kind(row, Tag.DOUBLE_LONG_UNSIGNED) != Tag.DOUBLE_LONG_UNSIGNED:
        return None
    sort, number = divmod(row.logical_name.e, 10)
    if sort == 1:
        return AlarmFilter(row.pattern)
    made = {0: AlarmRegister, 2: AlarmDescriptor}.get(sort)
    return None if made is None else made(row.pattern, number)


_MAKERS: tuple[tuple[int, str, Maker], ...] = (
    (1, "0-0:42.0.0", _named(LogicalDeviceName, Tag.OCTET_STRING)),
    (1, "0-*:43.1.*", _counter),
    (1, "0-0:96.1.0", _named(DeviceNumber, Tag.OCTET_STRING)),
    (1, "0-0:96.1.1", _named(lambda name: DeviceNumber(name, "E"), Tag.OCTET_STRING)),
    (1, "0-0:96.1.*", _octets("FERRARIS")),
    (1, "0-*:96.1.*", hosting.mbus_equipment),
    (1, "1-0:0.2.0", _named(lambda name: FirmwareVersion(name, FIRST_FIRMWARE), Tag.OCTET_STRING)),
    (1, "1-0:0.2.8", _named(lambda name: FirmwareSignature(name, FIRST_FIRMWARE))),
    # Of two firmwares the one that measures is sealed.
    (1, "7-1:0.2.1", _named(lambda name: FirmwareVersion(name, FIRST_FIRMWARE), Tag.OCTET_STRING)),
    (1, "7-1:0.2.8", _named(lambda name: FirmwareSignature(name, FIRST_FIRMWARE))),
    (1, "*-*:0.2.*", _octets(FIRST_FIRMWARE)),
    (1, "0-0:1.1.0", _unix_time),
    (1, "0-0:96.14.0", _named(ActiveRate, Tag.UNSIGNED)),
    (1, "0-*:96.10.*", hosting.mbus_status),
    (1, "0-*:96.10.*", _named(ProfileStatus, Tag.UNSIGNED)),
    (1, "0-0:96.7.0", _failures(Failures.COUNT)),
    (1, "0-0:96.7.21", _failures(Failures.COUNT)),
    (1, "0-0:96.7.5", _failures(Failures.LONG_COUNT)),
    (1, "0-0:96.7.9", _failures(Failures.LONG_COUNT)),
    (1, "0-0:96.11.*", _event_code),
    (1, "0-*:96.11.4", hosting.valve_code),
    (1, "0-0:96.15.*", _event_counter),
    (1, "0-0:96.13.*", _named(ConsumerMessage, Tag.OCTET_STRING)),
    (1, "0-0:97.97.*", _named(ErrorRegister, Tag.DOUBLE_LONG_UNSIGNED)),
    (1, "0-0:97.98.*", _alarms),
    (3, "0-0:96.7.19", _named(FailureDuration)),
    (3, "0-0:96.7.20", _named(FailureThreshold)),
    (3, "1-0:0.9.11", _named(ShiftLimit)),
    (3, "1-*:*.*.*", _measured),
    (3, "7-*:*.*.*", _measured),
    (4, "1-0:1.6.0", _named(MaximumDemand)),
    (4, "0-*:24.2.1", hosting.mbus_value),
    (4, "0-*:24.2.2", hosting.mbus_value),
    (5, "1-0:1.4.0", _named(Demand)),
    (7, "0-0:99.98.*", _log),
    (7, "0-*:24.5.0", hosting.valve_log),
    (7, "*-*:*.*.*", _profile),
    (8, "0-0:1.0.0", _clock),
    (9, "0-0:10.0.100", _tariff_scripts),
    (9, "0-0:10.0.106", _switch_scripts),
    (9, "0-0:10.0.107", _of_all(_image_scripts)),
    (9, "0-0:10.0.108", _of_all(_push_scripts)),
    (9, "0-0:10.0.8", _of_all(_push_scripts)),
    (9, "0-*:*.*.*", _named(lambda name: Scripts(name, ()))),
    (10, "0-0:12.0.*", _named(Timetable)),
    (11, "0-0:11.0.*", _named(SpecialDays)),
    (15, "0-0:40.0.*", _association),
    (17, "0-0:41.0.0", _engine),
    (18, "0-0:44.0.0", _named(ImageTransfer)),
    (20, "0-0:13.0.*", _calendar),
    (22, "0-*:15.0.4", _push_schedule),
    (22, "0-*:15.*.*", _schedule),
    (40, "0-*:25.9.0", _push),
    (64, "0-0:43.0.*", _security),
    (65, "0-*:16.2.*", _monitor),
    (70, "0-*:24.4.0", hosting.valve),
    (70, "0-*:*.*.*", _switch),
    (71, "0-0:17.0.*", _limiter),
    (72, "0-*:24.1.0", hosting.client),
    (77, "0-*:24.9.0", hosting.diagnostic),
)
"""Class, names, what brings the object to life: in this order, the first that makes something."""
