"""All that the collector asks of a meter; whoever speaks to meters provides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from ferraris.data.readings import Reading, Series
from ferraris.headend.collect.channels import MBusDevice
from ferraris.headend.collect.target import Target

__all__ = ["MeterFace", "OpenMeter"]


class MeterFace(Protocol):
    """One open association with one meter; its errors are those of `ferraris.core.errors`.

    `meter` is what is behind it, for commands that need more: a `ferraris.client.Meter`.
    """

    @property
    def meter(self) -> Any:
        """What is behind it."""
        ...

    async def read_profile(
        self, profile: str, since: datetime | None, until: datetime | None
    ) -> Series:
        """The rows of a profile whose interval ends lie in `since < end <= until` (UTC).

        None leaves that side open. Rows outside are ignored, so a meter may send those at the
        border too.
        """
        ...

    async def read_registers(self, names: Sequence[str]) -> list[Reading]:
        """The registers of these OBIS codes, now; one that the meter lacks may be left out."""
        ...

    async def read_device(self, channel: int) -> MBusDevice:
        """Who is on a channel of a host; only asked of meters with sub-meters."""
        ...

    async def set_clock(self, when: datetime) -> None:
        """Write the time; without an answer the error says that the outcome is unknown."""
        ...


OpenMeter = Callable[[Target], AbstractAsyncContextManager[MeterFace]]
"""Connects and associates on entering, releases and disconnects on leaving."""
