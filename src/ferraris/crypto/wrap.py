"""Key wrapping for keys on their way to a meter [rfc3394], and for other secrets [rfc5649]."""

from __future__ import annotations

from ferraris.core.errors import SecurityError, UsageError

__all__ = ["unwrap", "unwrap_padded", "wrap", "wrap_padded"]

_MOST_PADDED = 1 << 12


def wrap(key_encryption_key: bytes, key: bytes) -> bytes:
    """Wrap `key` (16, 24 or 32 octets) under a key of 16, 24 or 32 octets; 8 octets longer.

    Raises `UsageError` for other lengths.
    """
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap  # noqa: PLC0415  (slow import)

    _check_lengths(key_encryption_key, len(key))
    return aes_key_wrap(key_encryption_key, key)


def unwrap(key_encryption_key: bytes, wrapped: bytes) -> bytes:
    """The key inside `wrapped`.

    Raises `SecurityError` when the integrity check fails or the length is impossible, `UsageError`
    for a wrapping key of impossible length.
    """
    from cryptography.hazmat.primitives.keywrap import (  # noqa: PLC0415  (slow import)
        InvalidUnwrap,
        aes_key_unwrap,
    )

    _check_lengths(key_encryption_key, 16)
    if len(wrapped) not in (24, 32, 40):
        raise SecurityError(f"a wrapped key has 24, 32 or 40 octets, not {len(wrapped)}")
    try:
        return aes_key_unwrap(key_encryption_key, wrapped)
    except InvalidUnwrap:
        message = "the wrapped key does not unwrap: other wrapping key, or altered"
        raise SecurityError(message) from None


def wrap_padded(key_encryption_key: bytes, secret: bytes) -> bytes:
    """Wrap a secret of 1 to 4096 octets, padded to a multiple of 8 octets; `UsageError` for others.

    A password has no length that `wrap` takes.
    """
    from cryptography.hazmat.primitives.keywrap import (  # noqa: PLC0415  (slow import)
        aes_key_wrap_with_padding,
    )

    _check_lengths(key_encryption_key, 16)
    if not 0 < len(secret) <= _MOST_PADDED:
        raise UsageError(f"a secret to be wrapped has 1 to {_MOST_PADDED} octets")
    return aes_key_wrap_with_padding(key_encryption_key, secret)


def unwrap_padded(key_encryption_key: bytes, wrapped: bytes) -> bytes:
    """The secret inside what `wrap_padded` made; errors as those of `unwrap`."""
    from cryptography.hazmat.primitives.keywrap import (  # noqa: PLC0415  (slow import)
        InvalidUnwrap,
        aes_key_unwrap_with_padding,
    )

    _check_lengths(key_encryption_key, 16)
    if len(wrapped) % 8 or not 16 <= len(wrapped) <= _MOST_PADDED + 8:
        raise SecurityError(f"a wrapped secret has a multiple of 8 octets, not {len(wrapped)}")
    try:
        return aes_key_unwrap_with_padding(key_encryption_key, wrapped)
    except InvalidUnwrap:
        message = "the wrapped secret does not unwrap: other wrapping key, or altered"
        raise SecurityError(message) from None


def _check_lengths(key_encryption_key: bytes, key_octets: int) -> None:
    for count in (len(key_encryption_key), key_octets):
        if count not in (16, 24, 32):
            raise UsageError(f"an AES key has 16, 24 or 32 octets, not {count}")
