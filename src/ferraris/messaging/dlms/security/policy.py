"""Security policies: how protected requests and answers have to be at least [facts-g §7]."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.security.control import AUTHENTICATION, ENCRYPTION, SIGNED

__all__ = ["Policy"]

_V0 = (0, AUTHENTICATION, ENCRYPTION, AUTHENTICATION | ENCRYPTION)
_BITS = (AUTHENTICATION, ENCRYPTION, SIGNED)
_FIRST_OF_REQUESTS, _FIRST_OF_RESPONSES = 2, 5
_KNOWN = 0xFC


class Policy(NamedTuple):
    """Bits of a security control octet, and `SIGNED`, that each direction must carry."""

    request: int = 0
    response: int = 0

    @classmethod
    def of_version_0(cls, value: int) -> Policy:
        """The enumeration of version 0 of the security set-up; `UsageError` for others."""
        if not 0 <= value < len(_V0):
            raise UsageError(f"there is no security policy {value}")
        return cls(_V0[value], _V0[value])

    @classmethod
    def of_version_1(cls, value: int) -> Policy:
        """The bits of version 1: 2 to 4 for requests, 5 to 7 for responses; `UsageError`."""
        if not 0 <= value <= _KNOWN or value & ~_KNOWN:
            raise UsageError(f"security policy {value:#04x} has bits that mean nothing")
        request, response = (
            sum(bit for place, bit in enumerate(_BITS) if value >> (first + place) & 1)
            for first in (_FIRST_OF_REQUESTS, _FIRST_OF_RESPONSES)
        )
        return cls(request, response)

    @property
    def version_0(self) -> int:
        """As version 0 writes it: what requests need, signatures left out."""
        return _V0.index(self.request & (AUTHENTICATION | ENCRYPTION))

    @property
    def version_1(self) -> int:
        """As version 1 writes it."""
        value = 0
        for bits, first in (
            (self.request, _FIRST_OF_REQUESTS),
            (self.response, _FIRST_OF_RESPONSES),
        ):
            for place, bit in enumerate(_BITS):
                value |= bool(bits & bit) << (first + place)
        return value

    def covers(self, other: Policy) -> bool:
        """Whether this one demands everything that the other does."""
        return not (other.request & ~self.request or other.response & ~self.response)
