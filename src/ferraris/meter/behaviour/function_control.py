"""Function control: what the meter can do, by name, and that what is switched off is not there.

The objects of a function that is off stay in the object list; they answer object-unavailable, run
no script and do nothing by themselves [memory].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter.behaviour.behaviour import Behaviour, Living
from ferraris.meter.behaviour.configured import parameter_of
from ferraris.model import management
from ferraris.model.access_control import AssociationLn, SapAssignment, SecuritySetup
from ferraris.model.management import FunctionObjects, FunctionStatus
from ferraris.model.references import ObjectIdentity
from ferraris.model.short_names import AssociationSn
from ferraris.server.device import ActionRefused, ObjectKey

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["FunctionControl", "is_off", "present"]

_MOST_FUNCTIONS = 32
_LONGEST_NAME = 32  # octets
_ALWAYS_THERE = frozenset(
    each.class_id for each in (AssociationLn, AssociationSn, SapAssignment, SecuritySetup)
) | {management.FunctionControl.class_id}


@dataclass(slots=True)
class Functions:
    """What clients have changed: functions that are off, those they added, and those they removed.

    `hidden` are the objects of all functions that are off.
    """

    off: frozenset[bytes] = frozenset()
    added: dict[bytes, tuple[ObjectKey, ...]] = field(default_factory=dict)
    removed: frozenset[bytes] = frozenset()
    hidden: frozenset[ObjectKey] = frozenset()


_AS_MADE = Functions()


def is_off(meter: SimulatedMeter, key: ObjectKey) -> bool:
    """Whether an object belongs to a function that is switched off."""
    functions = meter.state.found(Functions)
    return functions is not None and key in functions.hidden


def present(meter: SimulatedMeter) -> Iterator[Living]:
    """What has a future of its own and is not switched off, in the order of the objects."""
    return (each for each in meter.fleet.template.living if not is_off(meter, each.key))


class FunctionControl(Behaviour):
    """Function control; `functions` are those of the template, objects by class and name."""

    declares = management.FunctionControl

    def __init__(self, name: str, functions: Mapping[bytes, Sequence[tuple[int, str]]]) -> None:
        super().__init__(name)
        self._functions: dict[bytes, tuple[ObjectKey, ...]] = {
            function: tuple((class_id, bytes(Obis.parse(each))) for class_id, each in objects)
            for function, objects in functions.items()
        }

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 2 and 3."""
        known = self._known(meter)
        if attribute == 2:
            off = (meter.state.found(Functions) or _AS_MADE).off
            states = [FunctionStatus(name, name not in off) for name in known]
            return axdr.encode(self.declares.activation_status.type.dump(states))
        listed = [
            FunctionObjects(name, [ObjectIdentity(key[0], Obis(key[1])) for key in objects])
            for name, objects in known.items()
        ]
        return axdr.encode(self.declares.function_list.type.dump(listed))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Switch functions, add and remove them: all that are named, or none."""
        if method == 1:
            states = parameter_of(self.declares.set_function_status, data)
            self._switch(meter, [states] if isinstance(states, FunctionStatus) else states)
        elif method in (2, 3):
            change = self.declares.methods[method]
            named = parameter_of(change, data)
            functions = [named] if isinstance(named, FunctionObjects) else named
            (self._add if method == 2 else self._remove)(meter, functions)
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        functions_now = meter.change().part(Functions)
        known = self._known(meter)
        functions_now.hidden = frozenset(
            key for name in functions_now.off for key in known.get(name, ())
        )
        for behaviour in meter.fleet.template.living:
            behaviour.functions_changed(meter, now)
        return None

    def _switch(self, meter: SimulatedMeter, states: Sequence[FunctionStatus]) -> None:
        known = self._known(meter)
        if any(state.name not in known for state in states):
            raise ActionRefused(ActionResult.OBJECT_UNAVAILABLE)
        functions = meter.change().part(Functions)
        off = set(functions.off)
        for state in states:
            (off.discard if state.active else off.add)(state.name)
        functions.off = frozenset(off)

    def _add(self, meter: SimulatedMeter, functions: Sequence[FunctionObjects]) -> None:
        known, template = self._known(meter), meter.fleet.template
        added = {}
        for name, objects in functions:
            keys = tuple((each.class_id, bytes(each.logical_name)) for each in objects)
            if name in known or name in added or not 0 < len(name) <= _LONGEST_NAME:
                raise ActionRefused(ActionResult.OTHER_REASON)
            if any(key not in template.behaviours or key[0] in _ALWAYS_THERE for key in keys):
                raise ActionRefused(ActionResult.OTHER_REASON)
            added[name] = keys
        if len(known) + len(added) > _MOST_FUNCTIONS:
            raise ActionRefused(ActionResult.OTHER_REASON)
        part = meter.change().part(Functions)
        part.added.update(added)
        part.removed -= added.keys()

    def _remove(self, meter: SimulatedMeter, functions: Sequence[FunctionObjects]) -> None:
        known = self._known(meter)
        names = {function.name for function in functions}
        if not names <= known.keys():
            raise ActionRefused(ActionResult.OBJECT_UNAVAILABLE)
        part = meter.change().part(Functions)
        for name in names:
            part.added.pop(name, None)
        part.removed |= names
        part.off -= names

    def _known(self, meter: SimulatedMeter) -> dict[bytes, tuple[ObjectKey, ...]]:
        changed = meter.state.found(Functions)
        if changed is None:
            return self._functions
        own = {k: v for k, v in self._functions.items() if k not in changed.removed}
        return own | changed.added
