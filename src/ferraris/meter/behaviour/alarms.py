"""Alarms: from the register through the filter to the descriptor, and to the push.

A bit that is new in the descriptor runs the script of the alarm push. The chain rests on [memory].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.data import axdr
from ferraris.data.kinds import double_long_unsigned
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.scripts import run_script

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["ALARM_SCRIPT", "PUSH_SCRIPTS", "raise_alarm"]

PUSH_SCRIPTS = bytes(Obis.of(0, 0, 10, 0, 108))
ALARM_SCRIPT = 3
"""The script among those of pushes that sends the alarm."""

_REGISTER, _FILTER, _DESCRIPTOR = (
    (1, bytes(Obis.of(0, 0, 97, 98, number))) for number in (0, 10, 20)
)


def raise_alarm(meter: SimulatedMeter, bits: int, now: int) -> bool:
    """Set bits of the alarm register at UTC second `now`; tells whether an alarm was pushed."""
    behaviours = meter.fleet.template.behaviours
    if not {_REGISTER, _FILTER, _DESCRIPTOR} <= behaviours.keys():
        return False
    register, wanted, descriptor = (
        int(axdr.decode(behaviours[key].get(meter, 2, None, now))[1])
        for key in (_REGISTER, _FILTER, _DESCRIPTOR)
    )
    state = meter.change()
    state.write(_REGISTER, 2, axdr.encode(double_long_unsigned(register | bits)))
    news = bits & wanted & ~descriptor
    if not news:
        return False
    state.write(_DESCRIPTOR, 2, axdr.encode(double_long_unsigned(descriptor | news)))
    return run_script(meter, PUSH_SCRIPTS, ALARM_SCRIPT, now)
