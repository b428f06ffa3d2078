"""How the key of an M-Bus device travels through its host: two national formats.

In that of DSMR 4 the new key is one AES-CBC block under the device's default key. In that of SMR 5
a counter leads it, which never falls, and a tag of AES-GCM proves it; the vector holds the device's
address [gxf-profiles].
"""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.compare import require_equal

__all__ = [
    "SMR5_OCTETS",
    "DeviceAddress",
    "opened_dsmr4",
    "opened_smr5",
    "wrapped_dsmr4",
    "wrapped_smr5",
]

_KEY_OCTETS = 16
_TAG_OCTETS = 8
_COUNTER_OCTETS = 4

SMR5_OCTETS = _COUNTER_OCTETS + 2 + _KEY_OCTETS + _TAG_OCTETS
"""A key in the format of SMR 5, by which it is told from the other."""


class DeviceAddress(NamedTuple):
    """Identification number as eight decimal digits, maker, version and device type."""

    number: str
    manufacturer: int
    version: int
    device_type: int

    @property
    def octets(self) -> bytes:
        """Eight octets as on the bus, lowest first."""
        return (
            bytes.fromhex(self.number)[::-1]
            + self.manufacturer.to_bytes(2, "little")
            + bytes((self.version, self.device_type))
        )


def wrapped_dsmr4(default_key: bytes, key: bytes) -> bytes:
    """The new key for the method that transfers it, 16 octets."""
    _check(default_key, key)
    return _cbc(default_key, key, encrypt=True)


def opened_dsmr4(default_key: bytes, wrapped: bytes) -> bytes:
    """The key inside; nothing proves it. `SecurityError` for another length."""
    if len(wrapped) != _KEY_OCTETS:
        raise SecurityError("a key is one block of 16 octets")
    return _cbc(default_key, wrapped, encrypt=False)


def wrapped_smr5(
    master_key: bytes, key: bytes, address: DeviceAddress, counter: int, key_id: int = 2
) -> bytes:
    """The new key for the method that transfers it, 30 octets."""
    _check(master_key, key)
    count = counter.to_bytes(_COUNTER_OCTETS, "big")
    plain = bytes((key_id, _KEY_OCTETS)) + key
    sealed = _gcm(master_key, address.octets + count, plain)
    return count + sealed[: len(plain) + _TAG_OCTETS]


def opened_smr5(
    master_key: bytes, wrapped: bytes, address: DeviceAddress, last_counter: int
) -> tuple[int, int, bytes]:
    """Counter, key identifier and key inside.

    Raises `SecurityError` when the tag does not verify, or the counter is not above `last_counter`.
    """
    if len(wrapped) != SMR5_OCTETS:
        raise SecurityError(f"a key with its counter has {SMR5_OCTETS} octets")
    count, body = wrapped[:_COUNTER_OCTETS], wrapped[_COUNTER_OCTETS:-_TAG_OCTETS]
    vector = address.octets + count
    plain = _gcm(master_key, vector, body)[: len(body)]  # a key stream works both ways
    again = _gcm(master_key, vector, plain)
    expected = again[: len(body) + _TAG_OCTETS]
    require_equal(expected, wrapped[_COUNTER_OCTETS:], "the tag of the key does not verify")
    counter = int.from_bytes(count, "big")
    if counter <= last_counter or plain[1] != _KEY_OCTETS:
        raise SecurityError("the counter of the key was used before")
    return counter, plain[0], plain[2:]


def _check(*keys: bytes) -> None:
    if any(len(key) != _KEY_OCTETS for key in keys):
        raise UsageError("keys of M-Bus devices have 16 octets")


def _gcm(key: bytes, vector: bytes, octets: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415  (slow import)
        AESGCM,
    )

    return AESGCM(key).encrypt(vector, octets, None)


def _cbc(key: bytes, block: bytes, *, encrypt: bool) -> bytes:
    from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415  (slow import)
        Cipher,
        algorithms,
        modes,
    )

    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(_KEY_OCTETS)))
    context = cipher.encryptor() if encrypt else cipher.decryptor()
    return context.update(block) + context.finalize()
