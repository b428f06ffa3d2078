"""Values of the moment in the kind, scaler and unit that a specification asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from ferraris.core.errors import UsageError
from ferraris.data.kinds import RANGES, Data, Tag, enum, integer, kind_name, structure
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.behaviour.behaviour import Behaviour, encoded
from ferraris.meter.behaviour.registers import stamp
from ferraris.meter.measures import Measure
from ferraris.model.data_storage import DataObject, ExtendedRegister, Register
from ferraris.model.interface_class import InterfaceClass
from ferraris.server.device import ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Shown", "ShownData", "ShownExtended", "Told"]


class Shown(Behaviour):
    """A register with a measured value; `scaler` and `kind` are how it is shown.

    A value that the kind has no room for is shown as the nearest one that it has. `every_s` are the
    seconds between two values of an extended register.
    """

    declares: ClassVar[type[InterfaceClass]] = Register

    def __init__(
        self, name: str, measure: Measure, kind: int, scaler: int, *, every_s: int = 1
    ) -> None:
        if kind not in RANGES:
            raise UsageError(f"{name}: a number expected, {kind_name(kind)} is none")
        unit = structure(integer(scaler), enum(measure.unit))
        super().__init__(name, {3: unit} | self._more())
        self._measure = measure
        self._kind = kind
        self._shift = measure.scaler - scaler
        self._every_s = every_s

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        found = self._measure.at(meter, now // self._every_s * self._every_s)
        found = found * 10**self._shift if self._shift >= 0 else found // 10**-self._shift
        low, high = RANGES[self._kind]
        return encoded(self._kind, min(max(found, low), high))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """What is measured is never reset."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)

    def _more(self) -> dict[int, Data]:
        return {}


class ShownExtended(Shown):
    """The same with a status of nothing unusual, and the time of the value."""

    declares = ExtendedRegister

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 5."""
        if attribute != 5:
            return super().value(meter, attribute, now)
        taken = now // self._every_s * self._every_s
        return stamp(meter.zone.stamp(meter.local(taken)))

    def _more(self) -> dict[int, Data]:
        return {4: (int(Tag.UNSIGNED), 0)}


class ShownData(Shown):
    """The number alone."""

    declares = DataObject

    @property
    def attributes(self) -> tuple[int, ...]:
        """There is no unit."""
        return (2,)


class Told(Behaviour):
    """Data that follows from the meter: `tell` gives its encoded value at UTC seconds."""

    declares = DataObject

    def __init__(self, name: str, tell: Callable[[SimulatedMeter, int], bytes]) -> None:
        super().__init__(name)
        self._tell = tell

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return self._tell(meter, now)
