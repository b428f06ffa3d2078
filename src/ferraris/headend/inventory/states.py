"""The life of a meter as a table: from the shipment to the scrap yard."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from ferraris.headend.errors import ConflictError

__all__ = ["LIFE_CYCLE", "State", "check_step"]


class State(StrEnum):
    """Where a meter, gateway or sub-meter stands."""

    KNOWN = "known"  # it is on the shelf, or on its way
    INSTALLED = "installed"  # it hangs on the wall, its keys are those of the maker
    ACTIVE = "active"  # its identity, companion, time and keys are in order: it is read
    SUSPENDED = "suspended"  # it is left alone until somebody says otherwise
    RETIRED = "retired"  # its data stay, it does not come back


_S = State

LIFE_CYCLE: Final[Mapping[State, frozenset[State]]] = {
    _S.KNOWN: frozenset({_S.INSTALLED, _S.RETIRED}),
    _S.INSTALLED: frozenset({_S.ACTIVE, _S.KNOWN, _S.RETIRED}),  # known: it was taken down again
    _S.ACTIVE: frozenset({_S.SUSPENDED, _S.RETIRED}),
    _S.SUSPENDED: frozenset({_S.ACTIVE, _S.RETIRED}),
    _S.RETIRED: frozenset(),
}
"""Which states may follow; there are no other ways."""


def check_step(before: State, after: State, what: str) -> None:
    """Raise `ConflictError` about `what` unless the table has this step."""
    if after in LIFE_CYCLE[before]:
        return
    ways = ", ".join(state.value for state in State if state in LIFE_CYCLE[before])
    raise ConflictError(
        f"{what} is {before.value} and cannot become {after.value}; "
        + (f"from here it goes to {ways}" if ways else "there is no way on from here")
    )
