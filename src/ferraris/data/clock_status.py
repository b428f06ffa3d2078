"""The bits of a clock status, as clocks and date-times carry them."""

from __future__ import annotations

from enum import IntFlag

__all__ = ["NOT_SPECIFIED", "ClockStatus"]

NOT_SPECIFIED = 0xFF
"""A status octet that says nothing: no bits are to be read from it [facts-g]."""


class ClockStatus(IntFlag):
    """What is wrong with a clock, and whether daylight saving is active [facts-g].

    INVALID_VALUE: the time could not be recovered. DOUBTFUL_VALUE: it was recovered, but nobody
    knows how well. DIFFERENT_CLOCK_BASE: another base than the usual one is used at the moment.
    INVALID_CLOCK_STATUS: some of these bits are wrong. DAYLIGHT_SAVING: the deviation includes it.
    """

    INVALID_VALUE = 1
    DOUBTFUL_VALUE = 2
    DIFFERENT_CLOCK_BASE = 4
    INVALID_CLOCK_STATUS = 8
    DAYLIGHT_SAVING = 0x80
