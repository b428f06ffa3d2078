"""What strikes the exchange in hand at each address: decided once, asked by every layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from ferraris.meter.faults.lots import Fault
from ferraris.transport.addresses import Addresses

__all__ = ["Struck"]

_MOST_ADDRESSES = 256
_NOTHING: Mapping[str, Fault] = {}


class Struck:
    """The faults of the exchanges in hand on one line; the oldest of more than 256 is forgotten."""

    def __init__(self) -> None:
        self._faults: OrderedDict[Addresses, Mapping[str, Fault]] = OrderedDict()

    def put(self, address: Addresses, faults: Mapping[str, Fault]) -> None:
        """A request came from `address`, and these faults strike it."""
        self._faults.pop(address, None)
        if faults:
            self._faults[address] = faults
            if len(self._faults) > _MOST_ADDRESSES:
                self._faults.popitem(last=False)

    def at(self, address: Addresses) -> Mapping[str, Fault]:
        """What strikes the exchange in hand."""
        return self._faults.get(address, _NOTHING)

    def take(self, address: Addresses) -> Mapping[str, Fault]:
        """The same, once: the answer is on its way."""
        return self._faults.pop(address, _NOTHING)

    def clear(self) -> None:
        """The line is over."""
        self._faults.clear()
