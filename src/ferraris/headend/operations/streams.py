"""Answers that are long: columns and files, made while they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Stream"]


@dataclass(frozen=True, slots=True)
class Stream:
    """Octets of a media type, in chunks of some 64 KiB; `file_name` is what to save it as.

    The view of a GET stays open until the last chunk is taken or `close` is called. A request that
    changes something has committed by then, so its chunks need no connection.
    """

    media_type: str
    chunks: Iterator[bytes]
    file_name: str = ""

    def close(self) -> None:
        """Give back what the chunks hold, however many were taken."""
        close = getattr(self.chunks, "close", None)
        if close is not None:
            close()
