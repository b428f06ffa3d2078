"""One customer's key at work: a body sealed by AES-256-GCM, the same way each time.

Octets: format (1), mark of the key (4), then nonce (12), ciphertext and tag (16) of a `Box`. The
nonce is a keyed hash of context and body: a nonce comes again only with the very same octets, so
no counter has to be kept, and a repeated read is known by its sealed octets [computed: two bodies
of a customer share one by chance at 2**48 of them].
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from ferraris.core.errors import SecurityError
from ferraris.crypto.box import Box

__all__ = ["KEY_OCTETS", "CustomerKey"]

KEY_OCTETS: Final = 32
_FORMAT: Final = b"\x01"
_MARK_OCTETS: Final = 4
_NONCE_OCTETS: Final = 12


class CustomerKey:
    """Seals and opens bodies; keep the object, making it costs as much as sealing."""

    __slots__ = ("_box", "_head", "_nonces")

    def __init__(self, key: bytes) -> None:
        """`key` has 32 octets; one is derived from it for each of the three uses."""
        self._box = Box(_derived(key, b"body", KEY_OCTETS))
        self._nonces = _derived(key, b"nonce", KEY_OCTETS)
        self._head = _FORMAT + _derived(key, b"mark", _MARK_OCTETS)

    def close(self, octets: bytes, context: bytes) -> bytes:
        """The sealed octets."""
        told = len(context).to_bytes(4, "big") + context + octets
        nonce = blake2b(told, key=self._nonces, digest_size=_NONCE_OCTETS).digest()
        return self._head + self._box.seal(nonce, octets, context)

    def open(self, octets: bytes, context: bytes) -> bytes:
        """The plain octets; `SecurityError` says whether the key is another one."""
        head = len(self._head)
        if octets[:1] != _FORMAT or len(octets) <= head:
            raise SecurityError("not a sealed body", where="privacy")
        if octets[:head] != self._head:
            raise SecurityError(
                "sealed under a key that is not kept here: another customer's, or the key store "
                "is older than the readings",
                where="privacy",
            )
        return self._box.open(octets[head:], context)

    def __repr__(self) -> str:
        return "CustomerKey(…)"


def _derived(key: bytes, use: bytes, octets: int) -> bytes:
    return blake2b(use, key=key, digest_size=octets, person=b"ferraris person").digest()
