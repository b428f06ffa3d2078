"""Objects whose attributes clients set: their Python values, and what is checked on a write."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour, decoded
from ferraris.model.interface_class import Attribute, Method
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Configured", "Watching", "parameter_of"]

T = TypeVar("T")
P = TypeVar("P")


class Configured(Behaviour):
    """An object with settings, each of the type that its class declares."""

    def setting(self, meter: SimulatedMeter, attribute: Attribute[T], now: int) -> T:
        """The Python value of an attribute; never changed by whoever gets it."""
        value: T = _loaded(attribute, self.get(meter, attribute.index, None, now))
        return value

    def check(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> None:
        """Raise `AccessRefused` for a value of the right type that makes no sense here."""

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Write a setting after both its type and its sense were checked."""
        if attribute not in self.fixed:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        try:
            value = self.declares.attributes[attribute].type.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        self.check(meter, attribute, value, now)
        super().set(meter, attribute, data, now)


class Watching(Behaviour):
    """An object that hears of what clients write elsewhere in the meter."""

    def changed(
        self, meter: SimulatedMeter, written: tuple[int, bytes, int], data: bytes, now: int
    ) -> None:
        """A client has written `data` to an attribute, named by class, logical name and index."""
        raise NotImplementedError


def parameter_of(method: Method[P, Any], data: bytes | None) -> P:
    """What a method is invoked with; raises `ActionRefused` for anything else."""
    try:
        return method.type.load(axdr.decode(data or b""))
    except DecodeError as error:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error


@lru_cache(maxsize=4096)
def _loaded(attribute: Attribute[Any], data: bytes) -> Any:
    """Meters of a template mostly hold the same settings."""
    return attribute.type.load(axdr.decode(data))
