"""Which rate registers count: those of the active mask, which scripts of the tariff name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ferraris.data import axdr
from ferraris.data.kinds import Tag, octet_string
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import rates
from ferraris.meter.behaviour.behaviour import Behaviour, decoded, encoded, parameter_of
from ferraris.meter.behaviour.registers import Billed, Energy
from ferraris.meter.rates import BY_RATE
from ferraris.model import data_storage
from ferraris.model.data_storage import DataObject
from ferraris.model.time_control import Script, ScriptAction, ServiceId
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["ACTIVATION", "ACTIVE_RATE", "ActiveRate", "RegisterActivation", "tariff_scripts"]

ACTIVATION, ACTIVE_RATE = "0-0:14.0.0*255", "0-0:96.14.0*255"
"""Usual names of the masks, and of the rate in force [facts-g]."""

_MOST_MASKS = 32


def tariff_scripts(count: int, activation: str = ACTIVATION) -> list[Script]:
    """Scripts 1 to `count`: each activates the mask with its number."""
    name = Obis.parse(activation)
    return [
        Script(
            number,
            [
                ScriptAction(
                    ServiceId.WRITE,
                    data_storage.RegisterActivation.class_id,
                    name,
                    data_storage.RegisterActivation.active_mask.index,
                    octet_string(b"%d" % number),
                )
            ],
        )
        for number in range(1, count + 1)
    ]


class ActiveRate(Behaviour):
    """The number of the rate in force, 0 when none counts."""

    declares = DataObject

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return encoded(Tag.UNSIGNED, meter.rate(now))


class RegisterActivation(Behaviour):
    """Which rate registers count: those of the active mask; maxima by rate follow the energies.

    There is a mask for each rate in the beginning, named by its number. Only `registers`, and those
    that clients add, can be in one.
    """

    declares = data_storage.RegisterActivation

    def __init__(self, name: str, registers: Sequence[Billed]) -> None:
        count = max(register.rate for register in registers)
        masks = [
            (b"%d" % rate, [n for n, each in enumerate(registers, 1) if each.rate == rate])
            for rate in range(1, count + 1)
        ]
        assigned = [(each.key[0], Obis(each.logical_name)) for each in registers]
        fixed = {
            2: self.declares.register_assignment.type.dump(assigned),  # type: ignore[arg-type] # plain tuples will do
            3: self.declares.mask_list.type.dump(masks),  # type: ignore[arg-type] # plain tuples will do
        }
        super().__init__(name, fixed)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 4."""
        part = meter.state.found(rates.Rates)
        mask = b"%d" % meter.rate(now) if part is None else part.mask
        return axdr.encode(octet_string(mask))

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attribute 4, which scripts write: the name of a mask."""
        if attribute != 4:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        tag, name = decoded(data)
        if tag != Tag.OCTET_STRING:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
        if bytes(name) not in self._masks(meter, now):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        self._activate(meter, bytes(name), now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Methods 1 and 2 add a register and a mask, 3 deletes a mask that is not active."""
        parameter = parameter_of(self.declares, method, data)
        if method == 1:
            self._add_register(meter, (parameter.class_id, bytes(parameter.logical_name)), now)
        elif method == 2:
            self._add_mask(meter, bytes(parameter.mask_name), list(parameter.indices), now)
        else:
            self._delete_mask(meter, bytes(parameter), now)
        return None

    def _add_register(self, meter: SimulatedMeter, key: tuple[int, bytes], now: int) -> None:
        if not isinstance(meter.fleet.template.behaviours.get(key), Billed):
            raise ActionRefused(ActionResult.OBJECT_UNDEFINED)
        assigned = self._assigned(meter, now)
        if key not in assigned:
            entries = [(class_id, Obis(name)) for class_id, name in (*assigned, key)]
            data = self.declares.register_assignment.type.dump(entries)  # type: ignore[arg-type] # plain tuples will do
            meter.change().write(self.key, 2, axdr.encode(data))

    def _add_mask(self, meter: SimulatedMeter, name: bytes, indices: list[int], now: int) -> None:
        masks = self._masks(meter, now)
        known = range(1, len(self._assigned(meter, now)) + 1)
        if any(index not in known for index in indices):
            raise ActionRefused(ActionResult.OTHER_REASON)
        if name not in masks and len(masks) >= _MOST_MASKS:
            raise ActionRefused(ActionResult.OTHER_REASON)
        active = self._active(meter, now)
        self._keep(meter, {**masks, name: indices})
        if name == active:
            self._activate(meter, name, now)

    def _delete_mask(self, meter: SimulatedMeter, name: bytes, now: int) -> None:
        masks = self._masks(meter, now)
        if name not in masks or name == self._active(meter, now):
            raise ActionRefused(ActionResult.OTHER_REASON)
        self._keep(meter, {each: indices for each, indices in masks.items() if each != name})

    def _keep(self, meter: SimulatedMeter, masks: dict[bytes, list[int]]) -> None:
        data = self.declares.mask_list.type.dump(list(masks.items()))  # type: ignore[arg-type] # plain tuples will do
        meter.change().write(self.key, 3, axdr.encode(data))

    def _activate(self, meter: SimulatedMeter, name: bytes, now: int) -> None:
        assigned, behaviours = self._assigned(meter, now), meter.fleet.template.behaviours
        registers = [behaviours[assigned[index - 1]] for index in self._masks(meter, now)[name]]
        counting = tuple(
            tuple(
                sorted(
                    {
                        register.rate
                        for register in registers
                        if isinstance(register, Energy) and register.channel == channel
                    }
                    - {0}
                )
            )
            for channel in BY_RATE
        )
        rates.depart(meter, now)
        rates.switch(meter, now, counting, name)

    def _active(self, meter: SimulatedMeter, now: int) -> bytes:
        return bytes(axdr.decode(self.value(meter, 4, now))[1])

    def _assigned(self, meter: SimulatedMeter, now: int) -> list[tuple[int, bytes]]:
        found = self.declares.register_assignment.type.load(
            axdr.decode(self.get(meter, 2, None, now))
        )
        return [(each.class_id, bytes(each.logical_name)) for each in found]

    def _masks(self, meter: SimulatedMeter, now: int) -> dict[bytes, list[int]]:
        found = self.declares.mask_list.type.load(axdr.decode(self.get(meter, 3, None, now)))
        return {bytes(each.mask_name): list(each.indices) for each in found}
