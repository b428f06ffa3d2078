"""What a command reads: a file, standard input, or the argument itself."""

from __future__ import annotations

import sys
from pathlib import Path

from ferraris.core.errors import UsageError

__all__ = ["content_of", "hex_octets", "octets_of"]

_MOST_OCTETS = 64 << 20


def content_of(source: str) -> bytes:
    """What `-`, a file, or the argument holds; `UsageError` beyond 64 MiB."""
    if source == "-":
        content = sys.stdin.buffer.read(_MOST_OCTETS + 1)
    elif _is_file(source):
        with Path(source).open("rb") as file:
            content = file.read(_MOST_OCTETS + 1)
    else:
        return source.encode("utf-8", "surrogateescape")
    if len(content) > _MOST_OCTETS:
        raise UsageError(f"more than {_MOST_OCTETS >> 20} MiB of input")
    return content


def octets_of(content: bytes) -> bytes:
    """Hex in text, else the octets themselves, as they stand in a capture."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return content
    return hex_octets(text)


def hex_octets(text: str) -> bytes:
    """Octets from digits, with what people put between them; `UsageError` for anything else."""
    digits = "".join(text.split()).replace(":", "").replace("-", "").removeprefix("0x")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise UsageError(f"neither hexadecimal nor a file: {shown!r}") from None


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False
