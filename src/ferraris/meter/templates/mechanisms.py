"""How the clients of a template prove themselves: the usual way, or by one mechanism for all."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.acse import Mechanism

__all__ = ["GMAC", "Proving", "proving"]

GMAC = int(Mechanism.HIGH_GMAC)
_PASSWORD = int(Mechanism.LOW)
_ECDSA = int(Mechanism.HIGH_ECDSA)
_BY_SECRET = (Mechanism.HIGH, Mechanism.HIGH_MD5, Mechanism.HIGH_SHA1, Mechanism.HIGH_SHA256)


class Proving(NamedTuple):
    """Mechanisms of the management client, which is ciphered, and of the reader, who is not."""

    management: int
    reading: int
    weak: bool


def proving(mechanism: int | None, suite: int, *, weak: bool = False) -> Proving:
    """What a template with this security suite offers.

    Without `mechanism` the manager proves itself by GMAC, in suites 1 and 2 by ECDSA, and the
    reader tells a password. 5 and 7 are the manager's alone. With 2, 3, 4 and 6 both prove that
    they know the password: the reader in the clear, the manager in a ciphered association. `weak`
    allows 3 and 4. Raises `UsageError` for other numbers, and for 7 in suite 0, which has no
    signatures.
    """
    if mechanism is None:
        return Proving(_ECDSA if suite else GMAC, _PASSWORD, weak)
    if mechanism in _BY_SECRET:
        return Proving(mechanism, mechanism, weak)
    if mechanism == GMAC or (mechanism == _ECDSA and suite):
        return Proving(mechanism, _PASSWORD, weak)
    if mechanism == _ECDSA:
        raise UsageError("mechanism 7 signs, which security suite 0 cannot: take suite 1 or 2")
    raise UsageError(f"mechanisms of high security are 2 to 7, not {mechanism}")
