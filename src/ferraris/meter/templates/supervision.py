"""Objects of control and supervision: the switch and what moves it, logs, alarms, tamper."""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.data.kinds import integer
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.alarms import (
    AlarmDescriptor,
    AlarmFilter,
    AlarmRegister,
    ErrorRegister,
)
from ferraris.meter.behaviour.arbitrator import Arbitrator
from ferraris.meter.behaviour.array_management import ArrayManagement
from ferraris.meter.behaviour.disconnector import Disconnector
from ferraris.meter.behaviour.event_log import EventCode, EventCounter, EventLog
from ferraris.meter.behaviour.function_control import FunctionControl
from ferraris.meter.behaviour.limiter import Limiter
from ferraris.meter.behaviour.parameter_monitor import ParameterLog, ParameterMonitor
from ferraris.meter.behaviour.port_protection import PortProtection
from ferraris.meter.behaviour.register_monitor import RegisterMonitor
from ferraris.meter.behaviour.scripts import Schedule, Scripts
from ferraris.meter.behaviour.status_mapping import StatusMapping
from ferraris.meter.behaviour.tamper import Kind, TamperCounter, TamperDuration, TamperStamp
from ferraris.meter.happenings import (
    COMMUNICATION_LOG,
    CONTROL_LOG,
    FRAUD_LOG,
    MBUS_LOG,
    STANDARD_LOG,
)
from ferraris.meter.template import Placed
from ferraris.model.time_control import Script, ScriptAction, ServiceId

__all__ = ["SWITCH_SCRIPTS", "limits", "management", "supervision", "switching", "tamper"]

SWITCH_SCRIPTS = "0-0:10.0.106*255"
"""Script 1 opens the supply switch, script 2 closes it, both as the meter itself does."""

_LOG_ENTRIES = {CONTROL_LOG: 64}
"""Sizes of logs other than 255, as quoted on a vendor's public page [facts-g]."""


def switching(readers: frozenset[int], writers: frozenset[int]) -> Iterator[Placed]:
    """The supply switch, and the scripts that move it from within."""
    name = "0-0:96.3.10*255"
    methods = {1: writers, 2: writers}
    yield Placed(Disconnector(name), readers, {4: writers}, methods)
    execute = ServiceId.EXECUTE
    scripts = [
        Script(method, [ScriptAction(execute, 70, Obis.parse(name), method, integer(0))])
        for method in (1, 2)
    ]
    yield Placed(Scripts(SWITCH_SCRIPTS, scripts), readers, methods={1: writers})
    schedule = Schedule("0-0:15.0.1*255", SWITCH_SCRIPTS, 1)
    yield Placed(schedule, readers, dict.fromkeys((2, 3, 4), writers))


def supervision(readers: frozenset[int], writers: frozenset[int]) -> Iterator[Placed]:
    """Logs, errors and alarms; the log of power quality is that of `quality` where there is one."""
    logs = (STANDARD_LOG, FRAUD_LOG, CONTROL_LOG, MBUS_LOG, COMMUNICATION_LOG)
    for log in logs:
        code = EventCode(f"0-0:96.11.{log}*255", log)
        yield Placed(code, readers)
        entries = _LOG_ENTRIES.get(log, 255)
        yield Placed(EventLog(f"0-0:99.98.{log}*255", code, entries), readers, methods={1: writers})
        yield Placed(EventCounter(f"0-0:96.15.{log}*255", log), readers)
    writes = {2: writers}
    yield Placed(ErrorRegister("0-0:97.97.0*255"), readers, writes)
    for number in (0, 1):
        yield Placed(AlarmRegister(f"0-0:97.98.{number}*255", number), readers, writes)
        yield Placed(AlarmFilter(f"0-0:97.98.{10 + number}*255"), readers, writes)
        yield Placed(AlarmDescriptor(f"0-0:97.98.{20 + number}*255", number), readers, writes)


def limits(readers: frozenset[int], writers: frozenset[int]) -> Iterator[Placed]:
    """What opens the supply switch by itself, and who else may ask for that."""
    power = (3, "1-0:1.7.0*255", 2)
    limiter = Limiter(
        "0-0:17.0.0*255",
        power,
        over=(SWITCH_SCRIPTS, 1),
        under=(SWITCH_SCRIPTS, 2),
        groups=(1,),
    )
    writes = dict.fromkeys((index for index in limiter.fixed if index != 2), writers)
    yield Placed(limiter, readers, writes)
    monitor = RegisterMonitor("0-0:16.0.1*255", power, number=1)
    yield Placed(monitor, readers, dict.fromkeys(monitor.fixed, writers))
    arbitrator = Arbitrator(
        "0-0:96.3.20*255",
        [(SWITCH_SCRIPTS, 1), (SWITCH_SCRIPTS, 2)],
        ["11", "11", "10"],
        [[30, 20], [25, 15], [40, 0]],
    )
    methods = {1: writers, 2: writers}
    yield Placed(arbitrator, readers, {3: writers, 4: writers}, methods)


def management(readers: frozenset[int], writers: frozenset[int]) -> Iterator[Placed]:
    """Changed parameters, functions, long arrays, the port, and the state in one word."""
    two, three = (dict.fromkeys(range(1, 1 + count), writers) for count in (2, 3))
    monitor = ParameterMonitor("0-0:16.2.0*255", _WATCHED_PARAMETERS)
    yield Placed(monitor, readers, {4: writers}, two)
    log = ParameterLog("0-0:99.16.0*255", monitor)
    yield Placed(log, readers, methods={1: writers})
    functions = FunctionControl("0-0:44.1.0*255", _FUNCTIONS)
    yield Placed(functions, readers, methods=three)
    arrays = ArrayManagement("0-0:18.0.0*255", _ARRAYS)
    yield Placed(arrays, readers, methods=dict.fromkeys(arrays.declares.methods, writers))
    protection = PortProtection("0-0:44.2.0*255", "0-0:25.0.0*255")
    writes = dict.fromkeys((index for index in protection.fixed if index != 7), writers)
    yield Placed(protection, readers, writes, {1: writers})
    yield Placed(StatusMapping("0-0:96.10.2*255"), readers)


_WATCHED_PARAMETERS = ((71, "0-0:17.0.0*255", 4), (70, "0-0:96.3.10*255", 4))
"""What the parameter monitor watches from the start: the limit, and the mode of the switch."""

_FUNCTIONS = {
    b"disconnection": ((70, "0-0:96.3.10*255"), (22, "0-0:15.0.1*255")),
    b"limitation": ((71, "0-0:17.0.0*255"), (21, "0-0:16.0.1*255")),
    b"customer display": ((1, "0-0:96.13.0*255"), (1, "0-0:96.13.1*255")),
}
"""Functions that can be switched off."""

_ARRAYS = {
    1: (22, "0-0:15.0.1*255", 4),
    2: (65, "0-0:16.2.0*255", 4),
    3: (71, "0-0:17.0.0*255", 9),
    4: (40, "0-0:25.9.0*255", 2),
}
"""Arrays under the numbers that the array manager has for them."""


def tamper(readers: frozenset[int]) -> Iterator[Placed]:
    """Counters, stamps and durations of what is done to the meter."""
    for kind in Kind:
        yield Placed(TamperCounter(kind), readers)
        yield Placed(TamperStamp(kind), readers)
        yield Placed(TamperDuration(kind), readers)
        yield Placed(TamperDuration(kind, cumulative=True), readers)
