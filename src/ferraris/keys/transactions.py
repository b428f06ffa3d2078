"""The rules of transaction-ids, which rise for ever while counters begin anew with each key.

The floor of what was accepted belongs to an id, whatever its key. What is sent is a counter and an
offset; the offset belongs to an id and the mark of its key and is chosen when the key is first
used, above all that was sent under others. So it follows the counters, also over `advance`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from ferraris.core.errors import UsageError
from ferraris.keys.keys import RECEIVE, SEND, check_kind, check_name
from ferraris.keys.ledger import Ledger

__all__ = ["TransactionLedger"]

_KIND = "transactions"
_ANY_KEY = "*"
_LIMBS = 3
_LIMB_BITS = 32  # a height in the file is at most 2**32
_MOST = 1 << _LIMBS * _LIMB_BITS


class TransactionLedger(Ledger):
    """Floors and offsets of transaction-ids, beside counters and their floors."""

    def transaction_floor(self, key_id: str) -> int:
        """The last transaction-id accepted from this id, as a number; -1 for none."""
        check_name(key_id)
        with self._reading():
            return self._transactions(key_id, RECEIVE).get(_ANY_KEY, -1)

    def raise_transaction_floor(self, key_id: str, number: int) -> None:
        """Raise the floor of transaction-ids; a lower number changes nothing."""
        self.raise_transaction_floors({key_id: number})

    def raise_transaction_floors(self, numbers: Mapping[str, int]) -> None:
        """`raise_transaction_floor` for many ids at the price of one; all of them or none."""
        for key_id, number in numbers.items():
            check_name(key_id)
            if not -1 <= number < _MOST:
                raise UsageError(f"a transaction-id has at most 9 octets, not {number}")
        with self._writing():
            for key_id, number in numbers.items():
                if number > self._transactions(key_id, RECEIVE).get(_ANY_KEY, -1):
                    self._set_transaction(key_id, _ANY_KEY, RECEIVE, number)

    def transaction_offset(
        self, key_id: str, values: range, *, kind: str = "encryption_key"
    ) -> int:
        """What to add to leased counters so that transaction-ids go on rising over other keys."""
        check_name(key_id)
        with self._writing():
            mark = self._marks([key_id], check_kind(kind))[key_id]
            offsets = self._transactions(key_id, SEND)
            following = self._following(offsets, SEND)
            others = [
                offset + following.get(other, 0)
                for other, offset in offsets.items()
                if other != mark
            ]
            most, known = max(others, default=0), offsets.get(mark)
            if known is not None and known + values.start >= most:
                return known
            self._set_transaction(key_id, mark, SEND, most)
            return most

    def _transactions(self, key_id: str, direction: str) -> dict[str, int]:
        """Numbers of an id by mark, put together from their limbs."""
        limbs = [self._heights_of(key_id, _KIND, f"{direction} {place}") for place in range(_LIMBS)]
        return {
            mark: sum(limb[mark] << place * _LIMB_BITS for place, limb in enumerate(limbs))
            for mark in limbs[0]
        }

    def _set_transaction(self, key_id: str, mark: str, direction: str, number: int) -> None:
        for place in range(_LIMBS):
            limb = number >> place * _LIMB_BITS & (1 << _LIMB_BITS) - 1
            self._set_floors({(key_id, mark): limb}, f"{direction} {place}", _KIND)

    @abstractmethod
    def _heights_of(self, key_id: str, kind: str, direction: str) -> Mapping[str, int]:
        """Floors of an id by mark."""
