"""Keys out of shared secrets: the one-step concatenation of NIST [sp800-56a]."""

from __future__ import annotations

import hashlib

from ferraris.core.errors import UsageError
from ferraris.crypto.curves import Curve

__all__ = ["derive"]


def derive(curve: Curve, secret: bytes, other_info: bytes, octets: int) -> bytes:
    """The first `octets` of the hash over counter 1, the secret and `other_info`.

    The hash is that of the curve's suite, SHA-256 or SHA-384, and one block of it is enough:
    `UsageError` for more than 32 or 48 octets.
    """
    digest = hashlib.sha256 if curve is Curve.P256 else hashlib.sha384
    derived = digest((1).to_bytes(4, "big") + secret + other_info).digest()
    if not 0 < octets <= len(derived):
        raise UsageError(f"one block gives 1 to {len(derived)} octets, not {octets}")
    return derived[:octets]
