"""Links that only listen: APDUs out of what meters send unasked on lines of their own.

As on every passive link the first address is that of who speaks: here the server.

HDLC: UI frames, segmented or not. M-Bus: long frames that carry DLMS in numbered parts, as the
customer interfaces of Austrian meters send them. Both find their feet again after any noise, and
what is thrown away is reported once it is known to be no frame.
"""

from __future__ import annotations

from collections import OrderedDict

from ferraris.core.errors import DecodeError, Error, SequenceError
from ferraris.core.layer import Deliver, Failed, Progress, To
from ferraris.core.stack import Plain
from ferraris.transport.addresses import Addresses
from ferraris.transport.hdlc.address import unpack_address
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import Frame, Kind, parse
from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE

__all__ = ["HdlcPushLink", "MBusPushLink"]

Unit = To[Addresses, bytes]


_LONGEST_UNIT = 65535
_MOST_PARTIAL = 64
_BLOCK = b"\xe0"  # general-block-transfer: blocks after the first may come without LLC
_LLC_OCTETS = len(LLC_RESPONSE)


class _PushLink(Plain[Unit, Unit, bytes]):
    """What both share: parts by sender, bounded."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: OrderedDict[object, list[bytes]] = OrderedDict()

    @property
    def room(self) -> bool:
        return True

    def send(self, unit: Unit, now: float) -> None:
        """Nobody on such a line listens to us: what is sent is dropped."""

    def _gather(self, sender: object, octets: bytes, more: bool) -> bytes | None:
        """The unit when its last part has come; `DecodeError` beyond the limit."""
        parts = self._parts.pop(sender, [])
        parts.append(octets)
        if sum(map(len, parts)) > _LONGEST_UNIT:
            raise DecodeError(f"a unit of more than {_LONGEST_UNIT} octets", where="push")
        if not more:
            return b"".join(parts)
        self._parts[sender] = parts
        if len(self._parts) > _MOST_PARTIAL:
            self._parts.popitem(last=False)
        return None


class HdlcPushLink(_PushLink):
    """UI frames of any number of meters on one line; other frames are nothing to us."""

    def __init__(self, *, inter_octet_timeout_s: float = 0.5) -> None:
        super().__init__()
        self._deframer = Deframer(inter_octet_timeout_s=inter_octet_timeout_s)
        self._timeout_s = inter_octet_timeout_s
        self._deadline: float | None = None

    @property
    def deadline(self) -> float | None:
        return self._deadline

    def receive(self, unit: bytes, now: float) -> None:
        before = self._deframer.discarded
        contents = self._deframer.feed(unit, now)
        self._take(contents)
        self._report(before, len(contents))
        partial = self._deframer.partial
        self._deadline = now + self._timeout_s if partial else None
        if partial or self._parts:
            self._up.append(Progress())

    def wake(self, now: float) -> None:
        if self._deadline is None or now < self._deadline:
            return
        self._deadline = None
        before = self._deframer.discarded
        self._take(self._deframer.finish())
        self._report(before, 0)

    def _take(self, contents: list[bytes]) -> None:
        for content in contents:
            try:
                frame = parse(content)
                if frame.kind is Kind.UI:
                    self._take_information(frame)
            except Error as error:
                self._up.append(Failed(error))

    def _take_information(self, frame: Frame) -> None:
        sender = (frame.source, frame.destination)
        unit = self._gather(sender, frame.information, frame.segmented)
        if unit is None:
            return
        if unit[:_LLC_OCTETS] in (LLC_RESPONSE, LLC_COMMAND):
            unit = unit[_LLC_OCTETS:]
        elif unit[:1] != _BLOCK:
            raise DecodeError("no LLC header", where="hdlc", octets=unit[:8])
        client = unpack_address(frame.destination).logical
        server = unpack_address(frame.source).logical
        self._up.append(Deliver(To(Addresses(server, client), unit, confirmed=False)))

    def _report(self, before: int, frames: int) -> None:
        """Octets that turned out to be no frame; of each frame one flag may stand twice."""
        count = self._deframer.discarded - before
        if count > frames + 1:
            message = f"{count} octets that are no sound frame"
            self._up.append(Failed(DecodeError(message, where="hdlc")))


_START, _STOP = 0x68, 0x16
_HEAD_OCTETS = 4
_FIXED_OCTETS = 6  # start, length twice, start, check sum, stop
_LEAST_CONTENT = 5  # control, address, control information, two access points
_LAST = 0x10
_PART_NUMBER = 0x0F
_LARGEST_CI = 0x1F


class MBusPushLink(_PushLink):
    """M-Bus long frames whose control information 00 to 1F numbers the parts of an APDU.

    Bit 4 marks the last part; two access points follow, server then client [memory]: two recorded
    pushes of Austrian meters agree.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pending = b""
        self._expected: dict[object, int] = {}

    def receive(self, unit: bytes, now: float) -> None:
        self._pending += unit
        for content in self._frames():
            try:
                self._take(content)
            except Error as error:
                self._up.append(Failed(error))
        if self._pending or self._parts:
            self._up.append(Progress())

    def _frames(self) -> list[bytes]:
        """Contents of sound long frames; what is before them is reported and dropped."""
        octets, position, discarded = self._pending, 0, 0
        found = []
        while position < len(octets):
            start = octets.find(_START, position)
            if start < 0:
                discarded += len(octets) - position
                position = len(octets)
                break
            discarded += start - position
            position = start
            length = _frame_length(octets, start)
            if length is None or start + length > len(octets):
                break
            if length:
                found.append(octets[start + 4 : start + length - 2])
            else:
                discarded += 1
            position += length or 1
        self._pending = octets[position:]
        if discarded:
            message = f"{discarded} octets that are no sound frame"
            self._up.append(Failed(DecodeError(message, where="m-bus")))
        return found

    def _take(self, content: bytes) -> None:
        information, server, client = content[2], content[3], content[4]
        sender = (content[1], server, client)
        if information > _LARGEST_CI:
            raise DecodeError("this frame carries no DLMS", where="m-bus", octets=content[:5])
        number = information & _PART_NUMBER
        expected = self._expected.pop(sender, 0) if number else 0
        if number == 0:
            self._parts.pop(sender, None)
        elif number != expected:
            self._parts.pop(sender, None)
            message = f"part {number} came where part {expected} was due"
            raise SequenceError(message, where="m-bus")
        more = not information & _LAST
        unit = self._gather(sender, content[_LEAST_CONTENT:], more)
        if unit is not None:
            self._up.append(Deliver(To(Addresses(server, client), unit, confirmed=False)))
        elif len(self._expected) < _MOST_PARTIAL:
            self._expected[sender] = (number + 1) & _PART_NUMBER


def _frame_length(octets: bytes, start: int) -> int | None:
    """Octets of the frame that begins at `start`: None when not known yet, 0 for no frame."""
    if len(octets) - start < _HEAD_OCTETS:
        return None
    length = octets[start + 1]
    if octets[start + 2] != length or octets[start + 3] != _START or length < _LEAST_CONTENT:
        return 0
    end = start + length + _FIXED_OCTETS
    if len(octets) < end:
        return length + _FIXED_OCTETS
    if octets[end - 1] != _STOP or sum(octets[start + 4 : end - 2]) & 0xFF != octets[end - 2]:
        return 0
    return length + _FIXED_OCTETS
