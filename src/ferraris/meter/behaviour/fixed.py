"""Objects of any class, declared or not, whose values stay until a client writes others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ferraris.data.kinds import Data
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.server.device import AccessRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["FixedObject"]


class FixedObject(Behaviour):
    """The attributes of an object as a table; `refused` holds those that answer with a refusal.

    The class need not be declared, so the object is placed with its version.
    """

    def __init__(
        self,
        class_id: int,
        name: str,
        values: Mapping[int, Data],
        refused: Mapping[int, DataAccessResult] | None = None,
        selectors: Mapping[int, tuple[int, ...]] | None = None,
    ) -> None:
        self._class_id = class_id
        self._refused = dict(refused or {})
        self._selectors = dict(selectors or {})
        super().__init__(name, values)

    @property
    def class_id(self) -> int:
        """As placed."""
        return self._class_id

    @property
    def attributes(self) -> tuple[int, ...]:
        """Those of the table."""
        return tuple(sorted({*self.fixed, *self._refused}))

    @property
    def selectors(self) -> Mapping[int, tuple[int, ...]]:
        """As placed."""
        return self._selectors

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """What is not in the table is refused as it was said to be."""
        raise AccessRefused(self._refused.get(attribute, DataAccessResult.OBJECT_UNAVAILABLE))
