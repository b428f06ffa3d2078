"""Arbitrator: several actors ask for different actions, and the weightiest is carried out.

Actors and actions are numbered from 1, as entries of arrays are. What an action weighs is the sum
over the actors whose most recent request holds it; of two that weigh the same the first is carried
out. All this rests on [memory].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferraris.data import axdr
from ferraris.data.kinds import (
    BitString,
    Tag,
    array,
    bit_string,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import encoded
from ferraris.meter.behaviour.configured import Configured, parameter_of
from ferraris.meter.behaviour.scripts import run_script
from ferraris.model import event_control
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Arbitrator"]


@dataclass(slots=True)
class Requests:
    """What each actor asked for last, as zeros and ones, and the action that came of it."""

    latest: tuple[str, ...] = ()
    outcome: int = 0


class Arbitrator(Configured):
    """Arbitrator of `actions`, scripts by table and number.

    `permissions` has a text of zeros and ones for each actor, `weightings` a row of weights; both
    have one place for each action.
    """

    declares = event_control.Arbitrator

    def __init__(
        self,
        name: str,
        actions: Sequence[tuple[str, int]],
        permissions: Sequence[str],
        weightings: Sequence[Sequence[int]],
    ) -> None:
        scripts = (
            structure(octet_string(Obis.parse(table)), long_unsigned(selector))
            for table, selector in actions
        )
        rows = (array(*(long_unsigned(weight) for weight in row)) for row in weightings)
        fixed = {
            2: array(*scripts),
            3: array(*(bit_string(row) for row in permissions)),
            4: array(*rows),
        }
        super().__init__(name, fixed)
        self._shape = (len(actions), len(permissions))

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 5 and 6."""
        requests = meter.state.found(Requests, self.key)
        if attribute == 6:
            return encoded(Tag.UNSIGNED, 0 if requests is None else requests.outcome)
        return axdr.encode(array(*(bit_string(row) for row in self._latest(meter))))

    def check(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> None:
        """Tables keep their numbers of actors and actions."""
        actions, actors = self._shape
        sizes = {
            2: lambda: len(value) == actions,
            3: lambda: len(value) == actors and all(row.length == actions for row in value),
            4: lambda: len(value) == actors and all(len(row) == actions for row in value),
        }
        if not sizes[attribute]():
            raise AccessRefused(DataAccessResult.OTHER_REASON)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 asks for actions in the name of an actor, method 2 forgets all requests."""
        if method == 1:
            request = parameter_of(self.declares.request_action, data)
            self.request(meter, request.actor, _bits(request.actions), now)
        elif method == 2:
            meter.change().part(Requests, self.key).latest = ()
            meter.change().part(Requests, self.key).outcome = 0
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        return None

    def request(self, meter: SimulatedMeter, actor: int, wanted: str, now: int) -> None:
        """An actor asks for actions at UTC second `now`; raises `ActionRefused`.

        What it may not ask for is left out; when nothing is left, that is refused.
        """
        actions, actors = self._shape
        if not 1 <= actor <= actors or len(wanted) != actions:
            raise ActionRefused(ActionResult.OTHER_REASON)
        permitted = _bits(self.setting(meter, self.declares.permissions_table, now)[actor - 1])
        granted = "".join(min(pair) for pair in zip(wanted, permitted, strict=True))
        if "1" in wanted and "1" not in granted:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        latest = list(self._latest(meter))
        latest[actor - 1] = granted
        requests = meter.change().part(Requests, self.key)
        requests.latest = tuple(latest)
        requests.outcome = self._weightiest(meter, latest, now)
        if requests.outcome:
            script = self.setting(meter, self.declares.actions, now)[requests.outcome - 1]
            run_script(meter, bytes(script.script_logical_name), script.script_selector, now)

    def _weightiest(self, meter: SimulatedMeter, latest: Sequence[str], now: int) -> int:
        """Number of the action that weighs most, 0 when none weighs anything."""
        table = self.setting(meter, self.declares.weightings_table, now)
        sums = [
            sum(
                row[action]
                for row, asked in zip(table, latest, strict=True)
                if asked[action] == "1"
            )
            for action in range(self._shape[0])
        ]
        heaviest = max(sums, default=0)
        return sums.index(heaviest) + 1 if heaviest else 0

    def _latest(self, meter: SimulatedMeter) -> tuple[str, ...]:
        requests = meter.state.found(Requests, self.key)
        nothing = ("0" * self._shape[0],) * self._shape[1]
        return nothing if requests is None or not requests.latest else requests.latest


def _bits(value: BitString) -> str:
    return "".join("1" if value.bit(place) else "0" for place in range(value.length))
