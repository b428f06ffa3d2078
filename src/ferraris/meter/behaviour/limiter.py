"""The limiter: scripts that are run when a value stays above its threshold, or below it again.

While an emergency profile is active, its threshold takes the place of the normal one. How the two
durations and the emergency profile work rests on [memory].
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import (
    RANGES,
    Data,
    Tag,
    array,
    boolean,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import Living
from ferraris.meter.behaviour.configured import Configured
from ferraris.meter.behaviour.monitored import Band, leaves, tag_of, value_of
from ferraris.meter.behaviour.scripts import run_script
from ferraris.meter.behaviour.states import LIMITER, Crossing, LimiterPhase
from ferraris.meter.happenings import Happening
from ferraris.model import event_control
from ferraris.model.references import AttributeIdentity, ExecutedScript
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["LEAST_REST_S", "Limiter"]

LEAST_REST_S = 60
"""How long a value is under its threshold at least before that counts, so that no switch flutters
whatever a client has written."""

_MOST_GROUPS = 32
_NOT_SCHEDULED = b"\xff" * 12
_NO_SCRIPT = ExecutedScript(Obis(bytes(6)), 0)


@dataclass(slots=True)
class LimiterState:
    """The phase, and the UTC second since which its timer runs where it has one."""

    phase: LimiterPhase = LimiterPhase.WITHIN
    since: int = 0


class Limiter(Configured, Living):
    """Limiter; `over` and `under` are scripts by table and number.

    The thresholds have the kind of the monitored value; until somebody writes one the highest
    value of that kind is never exceeded.
    """

    declares = event_control.Limiter

    def __init__(
        self,
        name: str,
        monitored: tuple[int, str, int],
        *,
        over: tuple[str, int] | None = None,
        under: tuple[str, int] | None = None,
        over_s: int = 60,
        under_s: int = 60,
        tag: Tag = Tag.DOUBLE_LONG_UNSIGNED,
        groups: Iterable[int] = (),
    ) -> None:
        class_id, observed, attribute = monitored
        never = (int(tag), RANGES[tag][1])
        fixed = {
            2: structure(
                long_unsigned(class_id), octet_string(Obis.parse(observed)), integer(attribute)
            ),
            4: never,
            5: never,
            6: double_long_unsigned(over_s),
            7: double_long_unsigned(under_s),
            8: structure(long_unsigned(0), octet_string(_NOT_SCHEDULED), double_long_unsigned(0)),
            9: array(*(long_unsigned(each) for each in groups)),
            11: structure(_script(over), _script(under)),
        }
        super().__init__(name, fixed)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 3 and 10: the threshold in force, and whether the emergency profile is."""
        if attribute == 3:
            return self._threshold(meter, now)
        return axdr.encode(boolean(self.is_emergency(meter, now)))

    def check(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> None:
        """A value that is there and simple, thresholds of its kind, groups that find room."""
        if attribute == 2 and tag_of(meter, value, now) is None:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        if attribute in (4, 5) and value[0] != tag_of(meter, self._monitored(meter, now), now):
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if attribute == 9 and len(value) > _MOST_GROUPS:
            raise AccessRefused(DataAccessResult.OTHER_REASON)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Write a setting; another threshold in force is an event."""
        before = self._threshold(meter, now)
        super().set(meter, attribute, data, now)
        if attribute == 2:  # thresholds of another kind mean nothing any more
            tag = tag_of(meter, self._monitored(meter, now), now)
            for index in (4, 5):
                if tag is not None and self.get(meter, index, None, now)[0] != tag:
                    never = axdr.encode((tag, RANGES[tag][1]))
                    meter.change().write(self.key, index, never)
        if self._threshold(meter, now) != before:
            meter.note(Happening.LIMITER_CHANGED, now)

    def is_emergency(self, meter: SimulatedMeter, now: int) -> bool:
        """Whether the emergency profile is active."""
        span = self._emergency(meter, now)
        return span is not None and span[0] <= now < span[1]

    # -- what happens in time ---------------------------------------------------------------

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """An end of the emergency profile, a timer, or a threshold that is crossed."""
        coming = [edge for edge in self._emergency(meter, after) or () if edge > after]
        state = self._state(meter)
        ends = self._timer_ends(meter, state, after)
        if ends is not None:
            coming.append(max(ends, after + 1))
        threshold = axdr.decode(self._threshold(meter, after))
        if state.phase is not LimiterPhase.WITHIN or threshold[1] < RANGES[threshold[0]][1]:
            band = _band(state.phase, threshold[1])
            soonest = min(coming, default=None)
            crossed = leaves(meter, self._monitored(meter, after), band, after, soonest)
            if crossed is not None:
                coming.append(crossed)
        return min(coming, default=None)

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Follow the value and the timers; one action at most in a second."""
        if at in (self._emergency(meter, at) or ()):
            meter.note(Happening.LIMITER_CHANGED, at)
        value = value_of(meter, self._monitored(meter, at), at)
        if value is None:
            return
        threshold = axdr.decode(self._threshold(meter, at))[1]
        for crossing in _crossings(value, threshold):
            self._move(meter, crossing, at)
        ends = self._timer_ends(meter, self._state(meter), at)
        if ends is not None and ends <= at:
            self._move(meter, Crossing.LONG_ENOUGH, at)
            self._act(meter, at)

    def power_down(self, meter: SimulatedMeter, at: int) -> None:
        """Timers are forgotten."""
        state = self._state(meter)
        if state.phase in (LimiterPhase.EXCEEDING, LimiterPhase.RETURNING):
            back = {
                LimiterPhase.EXCEEDING: Crossing.NOT_ABOVE,
                LimiterPhase.RETURNING: Crossing.NOT_BELOW,
            }
            self._move(meter, back[state.phase], at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """An emergency profile may have begun or ended in between."""
        if self.is_emergency(meter, since) != self.is_emergency(meter, at):
            meter.note(Happening.LIMITER_CHANGED, at)

    def clock_set(self, meter: SimulatedMeter, before: int, at: int) -> None:
        """The clock may have leapt over the begin or the end of an emergency profile."""
        span = self._emergency(meter, at)
        if span is None:
            return
        begin, end = (meter.clock(at).local(edge) for edge in span)
        if (begin <= before < end) != (begin <= meter.local(at) < end):
            meter.note(Happening.LIMITER_CHANGED, at)

    def _move(self, meter: SimulatedMeter, crossing: Crossing, at: int) -> None:
        after = LIMITER.get((self._state(meter).phase, crossing))
        if after is not None:
            state = meter.change().part(LimiterState, self.key)
            state.phase, state.since = after, at

    def _act(self, meter: SimulatedMeter, at: int) -> None:
        actions = self.setting(meter, self.declares.actions, at)
        if self._state(meter).phase is LimiterPhase.OVER:
            meter.note(Happening.LIMITER_EXCEEDED, at)
            script = actions.over_threshold
        else:
            meter.note(Happening.LIMITER_OK, at)
            script = actions.under_threshold
        run_script(meter, bytes(script.script_logical_name), script.script_selector, at)

    def _state(self, meter: SimulatedMeter) -> LimiterState:
        return meter.state.found(LimiterState, self.key) or _AT_REST

    def _timer_ends(self, meter: SimulatedMeter, state: LimiterState, now: int) -> int | None:
        if state.phase is LimiterPhase.EXCEEDING:
            duration = self.setting(meter, self.declares.min_over_threshold_duration, now)
            return state.since + duration
        if state.phase is LimiterPhase.RETURNING:
            duration = self.setting(meter, self.declares.min_under_threshold_duration, now)
            return state.since + max(duration, LEAST_REST_S)
        return None

    # -- settings ---------------------------------------------------------------------------

    def _monitored(self, meter: SimulatedMeter, now: int) -> AttributeIdentity:
        return self.setting(meter, self.declares.monitored_value, now)

    def _threshold(self, meter: SimulatedMeter, now: int) -> bytes:
        return self.get(meter, 5 if self.is_emergency(meter, now) else 4, None, now)

    def _emergency(self, meter: SimulatedMeter, now: int) -> tuple[int, int] | None:
        """Begin and end of the emergency profile, UTC seconds; None when its group is not ours."""
        profile = self.setting(meter, self.declares.emergency_profile, now)
        groups = self.setting(meter, self.declares.emergency_profile_group_id_list, now)
        activation: DateTime = profile.activation_time
        if profile.profile_id not in groups or not profile.duration:
            return None
        begin = meter.zone.instant(bytes(activation))
        if begin is None:
            return None
        law = meter.clock(now)
        return law.utc(begin), law.utc(begin + profile.duration)


_AT_REST = LimiterState()


def _script(script: tuple[str, int] | None) -> Data:
    table, selector = (bytes(6), 0) if script is None else (bytes(Obis.parse(script[0])), script[1])
    return structure(octet_string(table), long_unsigned(selector))


def _band(phase: LimiterPhase, threshold: int) -> Band:
    """The values that leave a phase as it is."""
    return {
        LimiterPhase.WITHIN: Band(high=threshold),
        LimiterPhase.EXCEEDING: Band(low=threshold + 1),
        LimiterPhase.OVER: Band(low=threshold),
        LimiterPhase.RETURNING: Band(high=threshold - 1),
    }[phase]


def _crossings(value: int, threshold: int) -> tuple[Crossing, ...]:
    """What a value does; what ends one phase comes before what begins the next."""
    if value > threshold:
        return Crossing.NOT_BELOW, Crossing.ABOVE
    if value < threshold:
        return Crossing.NOT_ABOVE, Crossing.BELOW
    return Crossing.NOT_BELOW, Crossing.NOT_ABOVE
