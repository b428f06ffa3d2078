"""Comparison in constant time."""

from __future__ import annotations

from hmac import compare_digest

from ferraris.core.errors import SecurityError

__all__ = ["require_equal"]


def require_equal(expected: bytes, given: bytes, message: str, *, where: str = "") -> None:
    """Return when both are equal, in a time that tells nothing about where they differ.

    Raises `SecurityError` with `message` otherwise; neither value enters the message.
    """
    if not compare_digest(expected, given):
        raise SecurityError(message, where=where)
