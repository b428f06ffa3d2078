"""What telegrams say about those that follow: segments, blocks, system titles."""

from __future__ import annotations

from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL, ApduTag
from ferraris.transport.explain_hdlc import Segments

__all__ = ["Ends", "Session"]

Ends = tuple[int, int]
"""Source and destination as the link names them; both 0 for an APDU without a link."""

_LONGEST = 16 << 20
_ASKING = (
    ApduTag.INITIATE_REQUEST,
    ApduTag.READ_REQUEST,
    ApduTag.WRITE_REQUEST,
    ApduTag.UNCONFIRMED_WRITE_REQUEST,
    ApduTag.GET_REQUEST,
    ApduTag.SET_REQUEST,
    ApduTag.ACTION_REQUEST,
)
_FROM_CLIENT = frozenset(
    {ApduTag.AARQ, ApduTag.RLRQ, ApduTag.ACCESS_REQUEST, *_ASKING}
    | {GLOBAL[tag] for tag in _ASKING}
    | {DEDICATED[tag] for tag in _ASKING}
)


class Session:
    """Telegrams of one conversation, in order; a new one for telegrams that stand alone."""

    def __init__(self) -> None:
        self.segments = Segments()
        self._titles: dict[tuple[Ends, bool], bytes] = {}
        self._dedicated_keys: dict[frozenset[int], bytes] = {}
        self._blocks: dict[tuple[Ends, str], tuple[int, bytes]] = {}

    def title(self, ends: Ends, apdu: bytes) -> bytes | None:
        """The system title by which the sender of this APDU has named itself before."""
        return self._titles.get((ends, apdu[:1] != b"" and apdu[0] in _FROM_CLIENT))

    def peer(self, ends: Ends) -> bytes | None:
        """The system title by which whoever receives what goes this way has named itself."""
        if ends[0] == ends[1]:
            return None
        way = (ends[1], ends[0])
        return self._titles.get((way, False)) or self._titles.get((way, True))

    def named(self, ends: Ends, apdu: bytes, title: bytes | None) -> None:
        """The sender of this APDU has a system title; so has it in what it asks or answers."""
        if title and apdu:
            from_client = apdu[0] in _FROM_CLIENT
            self._titles[ends, from_client] = title
            if ends[0] != ends[1]:  # who sends from here is one, whatever it sends
                self._titles[ends, not from_client] = title

    def dedicated_key(self, ends: Ends) -> bytes | None:
        """The dedicated key of the association between these ends."""
        return self._dedicated_keys.get(frozenset(ends))

    def agreed(self, ends: Ends, dedicated_key: bytes) -> None:
        """An association between these ends has a dedicated key, in both directions."""
        self._dedicated_keys[frozenset(ends)] = dedicated_key

    def joined(self, ends: Ends, kind: str, number: int, block: bytes, *, last: bool) -> bytes:
        """Blocks put together: all octets with the last block, none before or after a gap."""
        expected, before = self._blocks.pop((ends, kind), (1, b""))
        if number != expected:
            expected, before = 1, b""
        whole = before + block
        if number != expected or len(whole) > _LONGEST:
            return b""
        if last:
            return whole
        self._blocks[ends, kind] = (number + 1, whole)
        return b""
