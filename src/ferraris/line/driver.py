"""What every driver offers to procedures, whichever clock and wire it runs on.

A procedure (a coroutine of `client`) awaits `exchange` only, so that the same one runs under
asyncio, on a blocking socket, and in virtual time.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["Driver"]

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Driver(Protocol[In_contra, Out_co]):
    """A stack of layers on a running line."""

    async def open(self) -> None:
        """Open the stack; raises what closed it instead."""

    async def exchange(self, unit: In_contra) -> Out_co:
        """Send one unit and wait for its answer.

        Raises what ended the exchange: `LineError` for silence or a lost line, `SequenceError`,
        `SecurityError`, or whatever else closed the stack.
        """

    async def close(self) -> None:
        """Close in order; a peer that does not answer is given up. Never raises."""
