"""The security suites 0, 1 and 2 and the lengths of their keys [facts-g]."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["SecuritySuite"]


class SecuritySuite(IntEnum):
    """What a suite number stands for; the number is the low half of the security control octet."""

    AES_GCM_128 = 0
    ECDH_ECDSA_AES_GCM_128_SHA_256 = 1
    ECDH_ECDSA_AES_GCM_256_SHA_384 = 2

    @property
    def key_octets(self) -> int:
        """Length of encryption, authentication and master keys: 16, or 32 in suite 2."""
        return 32 if self is SecuritySuite.ECDH_ECDSA_AES_GCM_256_SHA_384 else 16
