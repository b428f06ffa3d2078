"""What manufacturers leave out of the lists that they push, as data.

Each entry says what its list does not: the scaler of a quantity, the names of values by their
place. `source` is a key of the documented sources; all entries rest on one source until a second
reader or the manufacturer's own text is found [han-lists].
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["MAKERS", "POWER_ALONE", "QUANTITIES", "Maker", "Quantity"]


class Quantity(NamedTuple):
    """What a code measures: the unit, and the kind that a maker's scalers go by."""

    unit: int
    kind: str


class Maker(NamedTuple):
    """One manufacturer's list.

    Attributes:
        prefix: how the list identifier begins, the first text of the list.
        scalers: power of ten by kind of quantity; 0 where nothing is said.
        orders: names of the values by the number of values, for lists without names.
        source: where this was read.
        provenance: how well that is proven.
    """

    prefix: str
    scalers: Mapping[str, int]
    orders: Mapping[int, tuple[str, ...]] = MappingProxyType({})
    source: str = "han-lists"
    provenance: str = "one-source"


_POWERS = ("1.7.0", "2.7.0", "3.7.0", "4.7.0")
_ENERGIES = ("clock", "1.8.0", "2.8.0", "3.8.0", "4.8.0")
_THREE_PHASES = (*_POWERS, "31.7.0", "51.7.0", "71.7.0", "32.7.0", "52.7.0", "72.7.0")
_ONE_PHASE = (*_POWERS, "31.7.0", "32.7.0")
_IDENTITY = ("list", "96.1.0", "96.1.7")

# The power factor in hundredths rests on [memory]; the recorded pushes agree (0.31 to 0.87).
_KAMSTRUP = Maker("Kamstrup", {"current": -2, "energy": 1, "power factor": -2})
_KAIFA = Maker(
    "KFM_",
    {"current": -3, "voltage": -1},
    {
        1: ("1.7.0",),
        9: (*_IDENTITY, *_ONE_PHASE),
        13: (*_IDENTITY, *_THREE_PHASES),
        14: (*_IDENTITY, *_ONE_PHASE, *_ENERGIES),
        18: (*_IDENTITY, *_THREE_PHASES, *_ENERGIES),
    },
)

MAKERS = (_KAMSTRUP, _KAIFA)
"""All lists that are known; Aidon, Iskra, Sagemcom and others bring scaler and unit along."""

POWER_ALONE = _KAIFA
"""Whose list is one number and nothing else."""

_PHASES = (0, 20, 40, 60)
_WATT, _VAR, _WATT_HOUR, _VAR_HOUR, _AMPERE, _VOLT, _NONE = 27, 29, 30, 32, 33, 35, 255

QUANTITIES: Mapping[tuple[int, int], Quantity] = {
    **{(c + phase, 7): Quantity(_WATT, "power") for c in (1, 2) for phase in _PHASES},
    **{(c + phase, 7): Quantity(_VAR, "power") for c in (3, 4) for phase in _PHASES},
    **{(c, 7): Quantity(_AMPERE, "current") for c in (31, 51, 71)},
    **{(c, 7): Quantity(_VOLT, "voltage") for c in (32, 52, 72)},
    **{(c, 7): Quantity(_NONE, "power factor") for c in (13, 33, 53, 73)},
    **{(c + phase, 8): Quantity(_WATT_HOUR, "energy") for c in (1, 2) for phase in _PHASES},
    **{(c + phase, 8): Quantity(_VAR_HOUR, "energy") for c in (3, 4) for phase in _PHASES},
}
"""What electricity's codes measure, by groups C and D, for lists that bring no unit."""
