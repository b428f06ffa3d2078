"""One explained stretch of octets: what decoders hand to whoever shows telegrams to people."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Line"]


@dataclass(slots=True, frozen=True)
class Line:
    """Octets from `offset` on and what they mean; `depth` is the nesting, 0 for the outermost."""

    offset: int
    octets: bytes
    depth: int
    text: str
