"""What an act is: a name, its parameters, how it begins and, where it lasts, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ferraris.meter.scenario.document import Node
from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Act", "Do", "Given", "Parameter", "RefusedActError"]


class RefusedActError(Exception):
    """The meter is not in a state, or not of a kind, in which this can be done to it."""


class Parameter(NamedTuple):
    """How a parameter is read from the document, and what it is when it is not given."""

    read: Callable[[Node], Any]
    needed: bool = False
    default: Any = None


Given = Mapping[str, Any]
Do = Callable[[SimulatedMeter, int, Given], None]


class Act(NamedTuple):
    """`begin`, and for what lasts `end`, get the meter, the UTC second and the parameters.

    Both raise `RefusedActError`.
    """

    name: str
    begin: Do
    end: Do | None = None
    takes: Mapping[str, Parameter] = {}
