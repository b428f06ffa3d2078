"""Invoke-id-and-priority: which exchange it is, whether it wants an answer, its urgency [asn1].

The association numbers exchanges; service class and priority are the caller's. ACCESS and
notifications have a long one of four octets.
"""

from __future__ import annotations

__all__ = [
    "BREAK_ON_ERROR",
    "CALLERS_BITS",
    "CONFIRMED",
    "HIGH_PRIORITY",
    "INVOKE_ID",
    "LONG_CONFIRMED",
    "LONG_HIGH_PRIORITY",
    "LONG_INVOKE_ID",
    "SELF_DESCRIPTIVE",
    "long_service_class",
    "service_class",
]

INVOKE_ID = 0x0F
CONFIRMED = 0x40
HIGH_PRIORITY = 0x80
CALLERS_BITS = CONFIRMED | HIGH_PRIORITY

LONG_INVOKE_ID = (1 << 24) - 1
"""The bits of a long-invoke-id-and-priority that number the exchange."""

SELF_DESCRIPTIVE = 1 << 28
"""The response repeats what was asked for."""

BREAK_ON_ERROR = 1 << 29
"""Nothing behind the first failure is carried out."""

LONG_CONFIRMED = 1 << 30
"""Service class confirmed, in a long-invoke-id-and-priority."""

LONG_HIGH_PRIORITY = 1 << 31


def service_class(*, confirmed: bool = True, high_priority: bool = True) -> int:
    """The caller's bits of invoke-id-and-priority; an unconfirmed request has no answer."""
    return CONFIRMED * confirmed | HIGH_PRIORITY * high_priority


def long_service_class(
    *,
    confirmed: bool = True,
    high_priority: bool = True,
    self_descriptive: bool = False,
    break_on_error: bool = False,
) -> int:
    """The caller's bits of a long-invoke-id-and-priority."""
    return (
        LONG_CONFIRMED * confirmed
        | LONG_HIGH_PRIORITY * high_priority
        | SELF_DESCRIPTIVE * self_descriptive
        | BREAK_ON_ERROR * break_on_error
    )
