"""Frames out of a stream of octets and noise.

A frame is found by its length and proven by its check sequence; flags inside frames mean nothing.
What fails the proof costs one flag: the search goes on behind it, so that an intact frame is never
lost, whatever stands before it [computed].
"""

from __future__ import annotations

from ferraris.transport.hdlc.crc import sound
from ferraris.transport.hdlc.frame import FLAG, LONGEST_CONTENT, SHORTEST_CONTENT

__all__ = ["Deframer"]


class Deframer:
    """Feeds on chunks of any size and gives the contents of sound frames.

    `inter_octet_timeout_s`: after such a pause a frame that is still incomplete is given up;
    without this a damaged length would swallow what comes next. `longest` bounds a frame's content
    in octets and so what is held.
    """

    __slots__ = (
        "_have",
        "_heard_at",
        "_need",
        "_parts",
        "discarded",
        "inter_octet_timeout_s",
        "longest",
    )

    def __init__(
        self, *, inter_octet_timeout_s: float = 0.5, longest: int = LONGEST_CONTENT
    ) -> None:
        self.inter_octet_timeout_s = inter_octet_timeout_s
        self.longest = longest
        self.discarded = 0
        """Octets thrown away, doubled flags between frames included."""
        self.reset()

    def reset(self) -> None:
        """Forget what came in part."""
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0
        self._heard_at = 0.0

    @property
    def partial(self) -> bool:
        """Has something that may become a frame begun?"""
        return self._have > 1

    @property
    def give_up_at(self) -> float | None:
        """When to `finish` unless more octets come; None while no frame has begun."""
        return self._heard_at + self.inter_octet_timeout_s if self._have > 1 else None

    def feed(self, octets: bytes, now: float) -> list[bytes]:
        """Take a chunk that arrived at `now`; the contents of the frames that it completes."""
        if not self._have:
            self._heard_at = now
            return self._search(octets, octets.find(FLAG), len(octets))
        frames: list[bytes] = []
        if now - self._heard_at > self.inter_octet_timeout_s and self._have > 1:
            frames = self.finish()
        self._heard_at = now
        self._parts.append(octets)
        self._have += len(octets)
        if self._have < self._need:
            return frames
        octets = b"".join(self._parts)
        start = octets.find(FLAG)
        return frames + self._search(octets, start, len(octets))

    def finish(self) -> list[bytes]:
        """Give up the frame that has begun; sound ones inside it are still found."""
        frames: list[bytes] = []
        while self._have > 1:
            octets = b"".join(self._parts)
            self.discarded += 1
            self._parts, self._have = [], 0
            frames += self._search(octets[1:], octets[1:].find(FLAG), len(octets) - 1)
        return frames

    def _search(self, octets: bytes, position: int, size: int) -> list[bytes]:
        """All sound frames from the flag at `position` on; what may become one is kept."""
        frames: list[bytes] = []
        behind = 0  # everything before belonged to frames, or is counted as discarded
        longest = self.longest
        while position >= 0:
            if size - position < 3:
                self._need = 3
                break
            high = octets[position + 1]
            if high & 0xF0 == 0xA0:
                length = (high & 7) << 8 | octets[position + 2]
                if SHORTEST_CONTENT <= length <= longest:
                    end = position + length + 1
                    if end >= size:
                        self._need = length + 2
                        break
                    if octets[end] == FLAG:
                        content = octets[position + 1 : end]
                        if sound(content):
                            frames.append(content)
                            self.discarded += position - behind
                            behind = position = end
                            continue
            position = octets.find(FLAG, position + 1)
        if position < 0:
            self._parts, self._have, self._need = [], 0, 0
            self.discarded += size - behind
        else:
            self.discarded += position - behind
            kept = octets[position:]
            self._parts, self._have = [kept], len(kept)
        return frames
