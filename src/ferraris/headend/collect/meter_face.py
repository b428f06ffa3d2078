"""All that the collector asks of a meter; whoever speaks to meters provides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from ferraris.data.readings import Reading, Series

__all__ = ["MeterFace", "OpenMeter"]

Target = TypeVar("Target")


class MeterFace(Protocol):
    """One open association with one meter; its errors are those of `ferraris.core.errors`."""

    async def read_profile(self, profile: str, since: datetime, until: datetime) -> Series:
        """The rows of a profile whose interval ends lie in `since < end <= until` (UTC).

        Rows outside are ignored, so a meter may send those at the border too.
        """
        ...

    async def read_registers(self, names: Sequence[str]) -> list[Reading]:
        """The registers of these OBIS codes, now; one that the meter lacks may be left out."""
        ...


OpenMeter = Callable[[Target], AbstractAsyncContextManager[MeterFace]]
"""Connects and associates on entering, releases and disconnects on leaving."""
