"""Register monitor: scripts that are run when a value crosses a threshold, up or down.

The value that is seen first only tells on which side of each threshold it is [memory].
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferraris.data import axdr
from ferraris.data.kinds import Data, array, integer, long_unsigned, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import Living
from ferraris.meter.behaviour.configured import Configured
from ferraris.meter.behaviour.monitored import Band, leaves, tag_of, value_of
from ferraris.meter.behaviour.scripts import run_script
from ferraris.meter.happenings import Happening
from ferraris.model import event_control
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["RegisterMonitor"]

_MOST_THRESHOLDS = 8
_EXCEEDED = (
    Happening.MONITOR_1_EXCEEDED,
    Happening.MONITOR_2_EXCEEDED,
    Happening.MONITOR_3_EXCEEDED,
)
_OK = (Happening.MONITOR_1_OK, Happening.MONITOR_2_OK, Happening.MONITOR_3_OK)
_NO_SCRIPT = structure(octet_string(bytes(6)), long_unsigned(0))


@dataclass(slots=True)
class MonitorState:
    """For each threshold whether the value is above; None before it was looked at."""

    above: tuple[bool, ...] | None = None


class RegisterMonitor(Configured, Living):
    """Register monitor; `number` 1 to 3 is that of its events, None for none.

    A threshold without a pair of actions, or with selector 0, runs nothing.
    """

    declares = event_control.RegisterMonitor

    def __init__(
        self,
        name: str,
        monitored: tuple[int, str, int],
        thresholds: Iterable[Data] = (),
        actions: Iterable[tuple[Data, Data]] = (),
        number: int | None = None,
    ) -> None:
        class_id, observed, attribute = monitored
        fixed = {
            2: array(*thresholds),
            3: structure(
                long_unsigned(class_id), octet_string(Obis.parse(observed)), integer(attribute)
            ),
            4: array(*(structure(up, down) for up, down in actions)),
        }
        super().__init__(name, fixed)
        self._number = number

    def check(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> None:
        """A value that is there and simple, thresholds of its kind, and not too many of them."""
        if attribute == 3:
            if tag_of(meter, value, now) is None:
                raise AccessRefused(DataAccessResult.OTHER_REASON)
            return
        if len(value) > _MOST_THRESHOLDS:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        if attribute == 2:
            monitored = self.setting(meter, self.declares.monitored_value, now)
            tag = tag_of(meter, monitored, now)
            if any(threshold[0] != tag for threshold in value):
                raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Write a setting; other thresholds or another value are looked at anew."""
        super().set(meter, attribute, data, now)
        if attribute == 3:  # thresholds of another kind mean nothing any more
            tag = tag_of(meter, self.setting(meter, self.declares.monitored_value, now), now)
            if any(each[0] != tag for each in self.setting(meter, self.declares.thresholds, now)):
                meter.change().write(self.key, 2, axdr.encode(array()))
        if attribute in (2, 3) and meter.state.found(MonitorState, self.key) is not None:
            meter.change().part(MonitorState, self.key).above = None

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """When the value crosses the nearest threshold."""
        thresholds = self._thresholds(meter, after)
        if not thresholds:
            return None
        state = meter.state.found(MonitorState, self.key)
        if state is None or state.above is None:
            return after + 1
        band = Band()
        for threshold, above in zip(thresholds, state.above, strict=True):
            if above:
                band = Band(max(band.low, threshold + 1), band.high)
            else:
                band = Band(band.low, min(band.high, threshold))
        return leaves(meter, self.setting(meter, self.declares.monitored_value, after), band, after)

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Run the actions of every threshold that was crossed, in their order."""
        what = self.setting(meter, self.declares.monitored_value, at)
        value = value_of(meter, what, at)
        if value is None:
            return
        above = tuple(value > threshold for threshold in self._thresholds(meter, at))
        state = meter.change().part(MonitorState, self.key)
        before, state.above = state.above, above
        if before is None:
            return
        self._tell(meter, any(before), any(above), at)
        actions = self.setting(meter, self.declares.actions, at)
        for (up, down), was, now in zip(actions, before, above, strict=False):
            if was != now:
                script = up if now else down
                run_script(meter, bytes(script.script_logical_name), script.script_selector, at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """What was seen before is forgotten; the next value is a first one again."""
        if meter.state.found(MonitorState, self.key) is not None:
            meter.change().part(MonitorState, self.key).above = None

    def _tell(self, meter: SimulatedMeter, before: bool, after: bool, at: int) -> None:
        if self._number is not None and before != after:
            meter.note((_EXCEEDED if after else _OK)[self._number - 1], at)

    def _thresholds(self, meter: SimulatedMeter, now: int) -> list[int]:
        return [int(value) for _, value in self.setting(meter, self.declares.thresholds, now)]
