"""Faults of link and meter as acts: what a client has to bear while they last."""

from __future__ import annotations

from difflib import get_close_matches

from ferraris.meter.faults import lots
from ferraris.meter.faults.table import FAULTS
from ferraris.meter.scenario.act import Act, Given, Parameter
from ferraris.meter.scenario.document import Node
from ferraris.meter.simulated import SimulatedMeter

__all__ = ["FAULT_ACTS"]

_LARGEST_RATE = 10**9


def _begin(meter: SimulatedMeter, at: int, given: Given) -> None:
    lots.begin(
        meter,
        given["name"],
        at,
        share=given["share"] / 100,
        delay_s=given["delay"],
        rate=given["rate"],
    )


def _end(meter: SimulatedMeter, at: int, given: Given) -> None:
    lots.end(meter, given["name"], at)


def _name(node: Node) -> str:
    if node.value not in FAULTS:
        near = get_close_matches(str(node.value), FAULTS, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise node.error(f"the name of a fault was expected{hint}")
    return str(node.value)


FAULT_ACTS = (
    Act(
        "fault",
        _begin,
        _end,
        takes={
            "name": Parameter(_name, needed=True),
            "share": Parameter(lambda node: node.number(0, 100), default=100),
            "delay": Parameter(Node.seconds, default=5),
            "rate": Parameter(lambda node: node.number(1, _LARGEST_RATE), default=120),
        },
    ),
)
"""What befalls the line of a meter, or the meter itself."""
