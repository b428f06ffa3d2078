"""Sealing secrets that are kept: AES-256-GCM with full tags, and keys made from passphrases."""

from __future__ import annotations

from ferraris.core.errors import SecurityError, UsageError

__all__ = ["Box", "passphrase_key"]

_NONCE_OCTETS = 12
_TAG_OCTETS = 16


class Box:
    """Seals and opens octets under one key of 32 octets; `context` binds them to their place."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415  (slow import)
            AESGCM,
        )

        if len(key) != 32:
            raise UsageError(f"a box has a key of 32 octets, not {len(key)}")
        self._cipher = AESGCM(key)

    def seal(self, nonce: bytes, plain: bytes, context: bytes) -> bytes:
        """The sealed octets; `nonce` is 12 octets of fresh entropy and leads them."""
        if len(nonce) != _NONCE_OCTETS:
            raise UsageError("a nonce has 12 octets")
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain octets; `SecurityError` for another key, another context or altered octets."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  (slow import)

        if len(sealed) < _NONCE_OCTETS + _TAG_OCTETS:
            raise SecurityError("the sealed octets are cut short")
        try:
            nonce, rest = sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:]
            return self._cipher.decrypt(nonce, rest, context)
        except InvalidTag:
            raise SecurityError("the sealed octets do not open") from None

    def __repr__(self) -> str:
        return "Box(…)"


def passphrase_key(
    passphrase: bytes, salt: bytes, *, cost: int, block_size: int = 8, parallel: int = 1
) -> bytes:
    """A key of 32 octets from a passphrase by scrypt; takes `cost` x `block_size` x 128 octets.

    `cost` is a power of two from 2 to 2**20. Raises `UsageError` for parameters that would take
    more than 1 GiB, so that a forged file cannot exhaust the memory.
    """
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415  (slow import)

    sound = 2 <= cost <= 1 << 20 and cost & (cost - 1) == 0
    if not sound or not 1 <= block_size <= 8 or not 1 <= parallel <= 16:
        raise UsageError("the scrypt parameters are out of bounds")
    kdf = Scrypt(salt=salt, length=32, n=cost, r=block_size, p=parallel)
    return kdf.derive(passphrase)
