"""Scripts, and the schedules that run them: script table and single action schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, array, enum, long_unsigned, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, Living, decoded
from ferraris.meter.behaviour.clock import passed
from ferraris.meter.behaviour.function_control import is_off
from ferraris.meter.dates import ANY, ANY_YEAR, is_date, is_time
from ferraris.meter.recurrence import next_time
from ferraris.model.time_control import (
    ExecutionTime,
    Script,
    ScriptAction,
    ScriptTable,
    ServiceId,
    SingleActionSchedule,
    SingleActionType,
)
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Schedule", "Scripts", "execution_times", "run_script"]


_MOST_TIMES = 128
_KINDS = frozenset(SingleActionType)
_EXACT = (SingleActionType.SAME_TIME, SingleActionType.DIFFERENT_TIMES)
_SAME = (SingleActionType.SAME_TIME, SingleActionType.SAME_TIME_WITH_WILDCARDS)


class Scripts(Behaviour):
    """A script table; `scripts` follow from the template and are never written."""

    declares = ScriptTable

    def __init__(self, name: str, scripts: Sequence[Script]) -> None:
        super().__init__(name, {2: ScriptTable.scripts.type.dump(list(scripts))})
        self._scripts = {script.script_identifier: tuple(script.actions) for script in scripts}

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 executes the script with a number; its first refusal is the answer."""
        try:
            actions = self._scripts.get(decoded(data or b"")[1]) if method == 1 else None
            if actions is None:
                raise ActionRefused(ActionResult.OBJECT_UNAVAILABLE)
            for action in actions:
                _carry_out(meter, action, now)
        except AccessRefused as error:
            raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error
        return None


class Schedule(Living):
    """A single action schedule; without execution times nothing ever happens.

    Its type says what the times may be [facts-g]: one alone, or as many as there is room for; all
    at the same time of day, or not; with wildcards in their dates, or without any [memory].
    An execution that was missed while the power was off is made up for once [memory].
    """

    declares = SingleActionSchedule

    def __init__(self, name: str, table: str, selector: int, times: Data | None = None) -> None:
        executed = structure(octet_string(bytes(Obis.parse(table))), long_unsigned(selector))
        kind = SingleActionType.DIFFERENT_TIMES_WITH_WILDCARDS
        super().__init__(name, {2: executed, 3: enum(kind), 4: array() if times is None else times})

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next execution time by the meter's own clock."""
        coming = self._next(meter, passed(meter, after), after)
        return None if coming is None else max(after + 1, meter.clock(after).utc(coming))

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Run the script."""
        name, selector = (each[1] for each in axdr.decode(self.get(meter, 2, None, at))[1])
        run_script(meter, bytes(name), selector, at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """Run the script once if it was due in between."""
        self._make_up(meter, meter.clock(since).local(since), at)

    def clock_set(self, meter: SimulatedMeter, before: int, at: int) -> None:
        """Forward it is like an outage; back, the times come once more."""
        self._make_up(meter, before, at)

    def _make_up(self, meter: SimulatedMeter, own: int, at: int) -> None:
        missed = self._next(meter, own, at)
        if missed is not None and missed <= meter.local(at):
            self.happen(meter, at)

    def _next(self, meter: SimulatedMeter, own: int, now: int) -> int | None:
        """The first time after the clock shows `own`, by that clock."""
        entries = axdr.decode(self.get(meter, 4, None, now))[1]
        coming = [
            found
            for entry in entries
            if (found := next_time(meter.zone, bytes(entry[1][1][1]), bytes(entry[1][0][1]), own))
        ]
        return min(coming, default=None)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attributes 2 to 4; what comes next follows from the new ones, which have to agree."""
        wanted = {3: self.get(meter, 3, None, now), 4: self.get(meter, 4, None, now)}
        wanted[attribute] = data
        try:
            self.declares.attributes[attribute].type.load(decoded(data))
            kind = self.declares.type.type.load(decoded(wanted[3]))
            times = self.declares.execution_time.type.load(decoded(wanted[4]))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if kind not in _KINDS or not _may_be(kind, times):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        super().set(meter, attribute, data, now)


def _may_be(kind: int, times: Sequence[ExecutionTime]) -> bool:
    """Whether a schedule of a type may have these execution times."""
    most = 1 if kind == SingleActionType.ONE_WITH_WILDCARDS else _MOST_TIMES
    if len(times) > most:
        return False
    if not all(is_date(bytes(each.date)) and is_time(bytes(each.time)) for each in times):
        return False
    is_exact = all(
        int.from_bytes(bytes(each.date)[:2], "big") != ANY_YEAR
        and ANY not in bytes(each.date)[2:4] + bytes(each.time)[:3]
        for each in times
    )
    is_same = len({bytes(each.time)[:3] for each in times}) <= 1
    return (is_exact or kind not in _EXACT) and (is_same or kind not in _SAME)


def run_script(meter: SimulatedMeter, table: bytes, selector: int, now: int) -> bool:
    """Run a script by itself, as a monitor or a schedule does; tells whether all was done.

    Selector 0 means no action.
    """
    scripts = meter.fleet.template.behaviours.get((ScriptTable.class_id, table))
    if not selector or scripts is None or is_off(meter, scripts.key):
        return False
    try:
        scripts.act(meter, 1, axdr.encode(long_unsigned(selector)), now)
    except (AccessRefused, ActionRefused):
        return False
    return True


def execution_times(period_s: int) -> Data | None:
    """Times that come every `period_s` seconds; None where a day holds no whole number of them.

    Periods up to an hour divide a minute or are minutes that divide an hour, longer ones are hours
    that divide a day: nothing else can be said in wildcards.
    """
    times: list[tuple[int, int, int]] = []
    if period_s > 0 and 60 % period_s == 0:
        times = [(0xFF, 0xFF, second) for second in range(0, 60, period_s)]
    elif period_s > 0 and 3600 % period_s == 0 and period_s % 60 == 0:
        times = [(0xFF, minute, 0) for minute in range(0, 60, period_s // 60)]
    elif period_s > 0 and 86400 % period_s == 0 and period_s % 3600 == 0:
        times = [(hour, 0, 0) for hour in range(0, 24, period_s // 3600)]
    if not times:
        return None
    any_date = octet_string(b"\xff" * 5)
    return array(*(structure(octet_string(bytes((*time, 0xFF))), any_date) for time in times))


def _carry_out(meter: SimulatedMeter, action: ScriptAction, now: int) -> None:
    key = (action.class_id, bytes(action.logical_name))
    behaviour = meter.fleet.template.behaviours.get(key)
    if behaviour is None:
        raise ActionRefused(ActionResult.OBJECT_UNDEFINED)
    if is_off(meter, key):
        raise ActionRefused(ActionResult.OBJECT_UNAVAILABLE)
    parameter = None if action.parameter[0] == Tag.NULL_DATA else axdr.encode(action.parameter)
    if action.service_id == ServiceId.EXECUTE:
        behaviour.act_locally(meter, action.attribute_or_method, parameter, now)
    elif parameter is not None:
        behaviour.set(meter, action.attribute_or_method, parameter, now)
