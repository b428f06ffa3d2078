"""One explained stretch of octets: what decoders hand to whoever shows telegrams to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MASK", "Line", "masked"]

MASK = 0x2A
"""What stands for an octet of a password or key where octets go on being octets: an asterisk."""


@dataclass(slots=True, frozen=True)
class Line:
    """Octets from `offset` on and what they mean; `depth` is the nesting, 0 for the outermost.

    Lines without octets are headings. The octets of all other lines, joined, are the telegram;
    those that are `deciphered` stand nowhere in it, and their offsets count in the plain APDU.
    `secret` octets are a password or a key, and nobody shows them.
    """

    offset: int
    octets: bytes
    depth: int
    text: str
    secret: bool = False
    deciphered: bool = False

    @property
    def shown(self) -> str:
        """The octets as hex, those of secrets as asterisks."""
        return "**" * len(self.octets) if self.secret else self.octets.hex()


def masked(octets: bytes, lines: Sequence[Line]) -> bytes:
    """The octets with those of secrets replaced by asterisks; the length stays."""
    hidden = [line for line in lines if line.secret and not line.deciphered]
    if not hidden:
        return octets
    result = bytearray(octets)
    for line in hidden:
        end = line.offset + len(line.octets)
        result[line.offset : end] = bytes((MASK,)) * len(line.octets)
    return bytes(result)
