"""The authority of a fleet, and the certificates that it gave to meters and to their client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.curves import PrivateKey
from ferraris.meter.state import COMMISSIONED

__all__ = ["FleetAuthority"]

_FROM = datetime.fromtimestamp(COMMISSIONED, UTC)
_UNTIL = _FROM + timedelta(days=365 * 40)


class FleetAuthority:
    """A root of the fleet's own; `entropy(n)` gives octets that follow from the fleet's secret."""

    def __init__(self, key: PrivateKey, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._authority = Authority.root(
            key, "Simulated fleet", not_before=_FROM, not_after=_UNTIL, entropy=entropy
        )
        self.issue = lru_cache(maxsize=4096)(self._issue)

    @property
    def root(self) -> Certificate:
        """What meters and clients trust."""
        return self._authority.certificate

    def _issue(self, public_key: bytes, title: bytes, usage: Usage) -> Certificate:
        """A certificate for a key of the holder of this system title."""
        return self._authority.issue(
            public_key,
            title,
            usage,
            not_before=_FROM,
            not_after=_UNTIL,
            entropy=self._entropy,
        )
