"""What every behaviour is: an object of the template, shared by all meters, without state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.happenings import Happening
from ferraris.model.interface_class import InterfaceClass
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.messaging.dlms.names import Selection
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Behaviour", "Living", "decoded", "encoded", "octets", "parameter_of"]


class Behaviour:
    """One object of a template; whatever belongs to a single meter comes in as `meter`.

    `declares` is the interface class that the behaviour brings to life. `fixed` holds attributes
    that never change by themselves, encoded; those of them that a client may write are kept by the
    meter, copied on the first write.
    """

    declares: ClassVar[type[InterfaceClass]]

    def __init__(self, name: str, fixed: Mapping[int, Data] | None = None) -> None:
        self.logical_name = bytes(Obis.parse(name))
        self.key = (self.class_id, self.logical_name)
        self.fixed = {index: axdr.encode(data) for index, data in (fixed or {}).items()}

    @property
    def class_id(self) -> int:
        """The class of the object."""
        return self.declares.class_id

    @property
    def attributes(self) -> tuple[int, ...]:
        """The attributes that can be read, besides the logical name."""
        return tuple(index for index in self.declares.attributes if index != 1)

    @property
    def selectors(self) -> Mapping[int, tuple[int, ...]]:
        """Access selectors by attribute."""
        return {}

    def get(
        self, meter: SimulatedMeter, attribute: int, selection: Selection | None, now: int
    ) -> bytes:
        """Encoded value of an attribute at `now`, UTC seconds; raises `AccessRefused`."""
        if selection is not None:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        written = meter.state.written
        if written is not None:
            data = written.get((self.key, attribute))
            if data is not None:
                return data
        configured = meter.fleet.configured
        data = configured.get((self.key, attribute)) if configured else None
        if data is None:
            data = self.fixed.get(attribute)
        return self.value(meter, attribute, now) if data is None else data

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Encoded value of an attribute that lives; raises `AccessRefused`."""
        raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Write an attribute; raises `AccessRefused`."""
        if attribute not in self.fixed:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        if data[:1] != self.fixed[attribute][:1]:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        meter.change().write(self.key, attribute, data)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Invoke a method; raises `ActionRefused`."""
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)

    def act_locally(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> None:
        """Invoke a method as scripts do, inside the meter; raises `ActionRefused`."""
        self.act(meter, method, data, now)


class Living(Behaviour):
    """A behaviour with a future of its own; see `ferraris.meter.life`.

    It hears of its `happenings` when the meter notes them.
    """

    happenings: tuple[Happening, ...] = ()

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next UTC second after `after` at which `happen` is needed, None for never."""
        raise NotImplementedError

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Do what is due at UTC second `at`; what it cannot do is left undone."""
        raise NotImplementedError

    def power_down(self, meter: SimulatedMeter, at: int) -> None:
        """The power goes; what is remembered in volatile memory is forgotten."""

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """The power that went at `since` is back: make up for what was missed, or drop it."""

    def functions_changed(self, meter: SimulatedMeter, now: int) -> None:
        """Functions of the meter were switched at UTC second `now`, maybe this one's own."""

    def noted(self, meter: SimulatedMeter, happening: Happening, now: int) -> None:
        """One of the `happenings` was noted at UTC second `now`."""

    def clock_set(self, meter: SimulatedMeter, before: int, at: int) -> None:
        """The clock was set at UTC second `at`, when it showed `before`, UTC as it believed."""


def decoded(data: bytes) -> Data:
    """What a client sent, decoded; `AccessRefused` when it is no COSEM data."""
    try:
        return axdr.decode(data)
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error


def parameter_of(declares: type[InterfaceClass], method: int, data: bytes | None) -> Any:
    """The parameter of a method, of the type that its class declares.

    `ActionRefused`: read-write-denied for a method that the class lacks, type-unmatched for data of
    another type.
    """
    declared = declares.methods.get(method)
    if declared is None:
        raise ActionRefused(ActionResult.READ_WRITE_DENIED)
    try:
        return declared.type.load(axdr.decode(data or b""))
    except DecodeError as error:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED) from error


def octets(value: bytes) -> bytes:
    """An octet-string, encoded."""
    return b"\x09" + axdr.length_octets(len(value)) + value


encoded = axdr.encode_number
"""A whole number of one of the integer kinds, encoded."""
