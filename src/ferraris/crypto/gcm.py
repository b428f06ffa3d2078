"""AES-GCM with the 12-octet tags of the security suites [sp800-38d].

The library's fast interface knows only 16-octet tags, and its general one costs three times as
much. A 12-octet tag is the beginning of the long one, so sealing cuts it; opening runs the key
stream over the ciphertext, seals the result again and compares the tags before anything leaves.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Protocol

from ferraris.core.errors import SecurityError, UsageError

__all__ = ["TAG_OCTETS", "Gcm"]

TAG_OCTETS = 12
_LIBRARY_TAG_OCTETS = 16
_SURPLUS = TAG_OCTETS - _LIBRARY_TAG_OCTETS


class Gcm:
    """One AES key of 16 or 32 octets; keep the object, setting up a key costs as much as sealing.

    The caller answers for the initialisation vector: 12 octets, never twice with one key.
    Raises `UsageError` for a key of another length.
    """

    __slots__ = ("_encrypt",)

    def __init__(self, key: bytes) -> None:
        if len(key) not in (16, 32):
            raise UsageError(f"an AES key has 16 or 32 octets, not {len(key)}")
        self._encrypt: _Encrypt = _library_cipher(key)

    def __repr__(self) -> str:
        return "Gcm(…)"

    def seal(self, vector: bytes, associated: bytes, plain: bytes) -> bytes:
        """Encrypt and authenticate: the ciphertext followed by the 12-octet tag."""
        return self._encrypt(vector, plain, associated)[:_SURPLUS]

    def open(self, vector: bytes, associated: bytes, sealed: bytes) -> bytes:
        """The plaintext of ciphertext and tag; `SecurityError` when the tag does not verify."""
        plain = self._encrypt(vector, sealed[:-TAG_OCTETS], None)[:-_LIBRARY_TAG_OCTETS]
        again = self._encrypt(vector, plain, associated)
        # Only the tag decides: the ciphertext before it is the same by the nature of a key stream.
        if not compare_digest(again[-_LIBRARY_TAG_OCTETS:_SURPLUS], sealed[-TAG_OCTETS:]):
            raise SecurityError("the authentication tag does not verify")
        return plain

    def tag(self, vector: bytes, associated: bytes) -> bytes:
        """The 12-octet tag of `associated` alone (GMAC)."""
        return self._encrypt(vector, b"", associated)[:TAG_OCTETS]

    def check(self, vector: bytes, associated: bytes, tag: bytes) -> None:
        """Raise `SecurityError` unless `tag` is the GMAC of `associated`."""
        expected = self._encrypt(vector, b"", associated)[:TAG_OCTETS]
        if not compare_digest(expected, tag):
            raise SecurityError("the authentication tag does not verify")

    def stream(self, vector: bytes, octets: bytes) -> bytes:
        """Encrypt or decrypt without authentication: the same operation both ways."""
        return self._encrypt(vector, octets, None)[:-_LIBRARY_TAG_OCTETS]


class _Encrypt(Protocol):
    def __call__(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


def _library_cipher(key: bytes) -> _Encrypt:
    # Loaded here because it takes a third of the time that `import ferraris` may take.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key).encrypt
