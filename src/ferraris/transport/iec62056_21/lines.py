"""Lines out of a stream of characters and noise."""

from __future__ import annotations

from ferraris.transport.iec62056_21.messages import ACK, LONGEST, NAK, STX

__all__ = ["LineReader"]

_BEGINNINGS = b"/" + bytes((ACK, NAK, STX))
_END = b"\r\n"


class LineReader:
    """Feeds on chunks of any size; gives one line, or one NAK or STX, at a time.

    A line begins with `/` or ACK, begins anew with the next of them, and ends with CR LF. What
    stands between lines is thrown away, and so is a line that grows longer than `LONGEST`.
    """

    def __init__(self) -> None:
        self.heard = 0
        """Characters since the last reset, thrown away or not."""
        self._held = bytearray()

    def reset(self) -> None:
        """Forget everything."""
        self.heard = 0
        self._held.clear()

    def take(self, characters: bytes) -> tuple[bytes | None, int]:
        """Take characters up to the end of one line; the line if it came, and how many were taken.

        What follows the line is not looked at: it may be no characters at all.
        """
        for place, character in enumerate(characters):
            self.heard += 1
            if character in _BEGINNINGS:
                self._held.clear()
            elif not self._held:
                continue
            self._held.append(character)
            if character in (NAK, STX) or self._held.endswith(_END):
                line = bytes(self._held)
                self._held.clear()
                return line, place + 1
            if len(self._held) >= LONGEST:
                self._held.clear()
        return None, len(characters)
