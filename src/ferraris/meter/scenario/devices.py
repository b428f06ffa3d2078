"""Acts on batteries, and on the devices that a meter reads over M-Bus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ferraris.meter.behaviour import battery, mbus_client
from ferraris.meter.scenario.act import Act, Do, Given, Parameter, RefusedActError
from ferraris.meter.simulated import SimulatedMeter

__all__ = ["DEVICES"]


def _run_battery_down(meter: SimulatedMeter, at: int, given: Given) -> None:
    _with_battery(meter)
    battery.run_down(meter, at, given["to"])


def _replace_battery(meter: SimulatedMeter, at: int, given: Given) -> None:
    _with_battery(meter)
    battery.replace_battery(meter, at)


def _with_battery(meter: SimulatedMeter) -> None:
    if not any(isinstance(each, battery.Battery) for each in meter.fleet.template.living):
        raise RefusedActError("the meter lives on no battery")


def _to_device(do: Callable[[SimulatedMeter, int, int], None]) -> Do:
    """Something happens to a device, which has a number from 1."""

    def act(meter: SimulatedMeter, at: int, given: Given) -> None:
        if given["device"] > len(meter.fleet.template.mbus_devices):
            raise RefusedActError(f"there is no device {given['device']} at the meter")
        do(meter, given["device"] - 1, at)

    return act


_DEVICE = {"device": Parameter(lambda node: node.whole(1, 8), needed=True)}

DEVICES = (
    Act(
        "battery low",
        _run_battery_down,
        takes={"to": Parameter(lambda node: node.whole(0, 100), default=5)},
    ),
    Act("replace battery", _replace_battery),
    Act(
        "device silent",
        _to_device(mbus_client.silence),
        _to_device(partial(mbus_client.silence, silent=False)),
        takes=_DEVICE,
    ),
    Act(
        "device battery low",
        _to_device(mbus_client.run_down),
        _to_device(mbus_client.fix),
        takes=_DEVICE,
    ),
    Act("open device", _to_device(mbus_client.tamper), _to_device(mbus_client.fix), takes=_DEVICE),
)
