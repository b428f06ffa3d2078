"""How an attribute is told when nothing else has to happen: the meter's part of the short way.

A meter that is off, silent, asleep, or has something due first is left to the long way, which sees
to that; so is an object whose function is switched off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.function_control import is_off

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter
    from ferraris.meter.template import Template
    from ferraris.server.device import ObjectKey
    from ferraris.server.prompt import Reader

__all__ = ["reader"]


def reader(template: Template, key: ObjectKey, attribute: int) -> Reader | None:
    """Tells an attribute of any meter of the template at a UTC second; None where nothing can."""
    behaviour = template.behaviours.get(key)
    if behaviour is None or template.windows:
        return None
    is_living = bool(template.living)
    get, fixed, value = behaviour.get, behaviour.fixed, behaviour.value
    is_usual = type(behaviour).get is Behaviour.get

    def read(meter: SimulatedMeter, now: float, restarts: int | None) -> bytes | None:
        at, state = int(now), meter.state
        if (
            (is_living and at >= state.due)
            or state.restarts != restarts
            or state.off_since is not None
            or state.silence is not None
            or (state.parts is not None and is_off(meter, key))
        ):
            return None
        if not is_usual or state.written is not None or meter.fleet.configured:
            return get(meter, attribute, None, at)
        found = fixed.get(attribute)
        return value(meter, attribute, at) if found is None else found

    return read
