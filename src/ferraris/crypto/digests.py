"""Message digests that the authentication mechanisms name."""

from __future__ import annotations

import hashlib

__all__ = ["md5", "sha1", "sha256"]


def md5(octets: bytes) -> bytes:
    """MD5, 16 octets: only for meters that know nothing better."""
    return hashlib.md5(octets, usedforsecurity=False).digest()


def sha1(octets: bytes) -> bytes:
    """SHA-1, 20 octets: only for meters that know nothing better."""
    return hashlib.sha1(octets, usedforsecurity=False).digest()


def sha256(octets: bytes) -> bytes:
    """SHA-256, 32 octets."""
    return hashlib.sha256(octets).digest()
