"""The wrapper: eight octets that carry APDUs over TCP and UDP [facts-g].

Header: version 1, source port, destination port, length of the APDU, each two octets. In a stream
an APDU may come in any pieces; a datagram is exactly one. A stream has nothing to find its feet
by: after a header that makes no sense it is closed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from struct import Struct
from struct import error as StructError  # noqa: N812 - the class of the module
from typing import TypeVar

from ferraris.core.errors import DecodeError, LineError, SequenceError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Notice, Opened, Progress, To
from ferraris.core.stack import Plain
from ferraris.transport.addresses import ALL_STATIONS, Addresses

__all__ = [
    "HEADER_OCTETS",
    "MAX_OCTETS",
    "WrapperClient",
    "WrapperClients",
    "WrapperServer",
    "pack",
    "unpack",
]

HEADER_OCTETS = 8
MAX_OCTETS = 65535
"""The longest APDU that a header can announce."""

_WHERE = "wrapper"
_VERSION = 1
_AHEAD = 2  # units held for the line: the one that leaves and the next
_HEADER = Struct(">HHHH")

Unit = TypeVar("Unit")


def pack(source: int, destination: int, apdu: bytes) -> bytes:
    """Put the header before an APDU; `UsageError` beyond 65535 octets or for impossible ports."""
    if len(apdu) > MAX_OCTETS:
        raise _no_room(len(apdu))
    try:
        return _HEADER.pack(_VERSION, source, destination, len(apdu)) + apdu
    except StructError:
        raise UsageError(f"wrapper ports are 0 to 65535, not {source} and {destination}") from None


def unpack(octets: bytes) -> tuple[int, int, bytes]:
    """Take one whole unit apart: source, destination, APDU; `DecodeError` for anything else."""
    source, destination, length = _read_header(octets, MAX_OCTETS)
    if len(octets) != HEADER_OCTETS + length:
        raise DecodeError(
            f"length {length} announced, {len(octets) - HEADER_OCTETS} octets there",
            where=_WHERE,
            offset=6,
            octets=octets[:HEADER_OCTETS],
        )
    return source, destination, bytes(octets[HEADER_OCTETS:])


class _Wrapper(Plain[Unit, Unit, bytes]):
    """What both ends share; the subclass knows the addresses."""

    def __init__(self, *, stream: bool = True, limit: int = MAX_OCTETS) -> None:
        super().__init__()
        self.stream = stream
        self.limit = limit
        self._pending = bytearray()
        self._open = False

    @property
    def room(self) -> bool:
        return self._open and len(self._down) < _AHEAD

    def open(self, now: float) -> None:
        self._pending.clear()
        self._down.clear()
        if not self._open:
            self._open = True
            self._up.append(Opened())

    def close(self, now: float) -> None:
        self._shut(Closed())

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            # Whoever lost the line does not know that half a unit had come.
            if self._pending and (what.error is None or isinstance(what.error, LineError)):
                what = Closed(
                    LineError(
                        f"the line closed after {len(self._pending)} octets of a unit",
                        where=_WHERE,
                    )
                )
            self._shut(what)
            return
        super().notice(what, now)

    def receive(self, unit: bytes, now: float) -> None:
        if not self._open:
            return
        if not self.stream:
            self._receive_datagram(unit)
        else:
            self._pending += unit
            self._take_pending()

    def _take_pending(self) -> None:
        pending = self._pending
        while len(pending) >= HEADER_OCTETS:
            try:
                source, destination, length = _read_header(pending, self.limit)
            except DecodeError as error:
                self._shut(Closed(error))
                return
            end = HEADER_OCTETS + length
            if len(pending) < end:
                break
            apdu = bytes(pending[HEADER_OCTETS:end])
            del pending[:end]
            self._deliver(source, destination, apdu)
        if pending:
            if pending[0] != 0 or (len(pending) > 1 and pending[1] != _VERSION):
                self._shut(Closed(_bad_version(bytes(pending))))
                return
            self._up.append(Progress())

    def _receive_datagram(self, unit: bytes) -> None:
        try:
            source, destination, apdu = unpack(unit)
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        if len(apdu) > self.limit:
            self._up.append(Failed(_too_long(len(apdu), self.limit, unit)))
            return
        self._deliver(source, destination, apdu)

    def _shut(self, what: Closed) -> None:
        self._pending.clear()
        self._down.clear()
        if self._open:
            self._open = False
            self._up.append(what)

    def send(self, unit: Unit, now: float) -> None:
        if not self.room:
            raise UsageError("the wrapper has no room" if self._open else "the wrapper is closed")
        self._down.append(self.framed(unit))

    @abstractmethod
    def framed(self, unit: Unit) -> bytes: ...

    @abstractmethod
    def _deliver(self, source: int, destination: int, apdu: bytes) -> None: ...


class WrapperClient(_Wrapper[bytes]):
    """One client's end: plain APDUs above, octets of the line below.

    A unit between other addresses is reported as `Failed(SequenceError)` and not delivered.
    `limit` is the longest APDU taken: more closes a stream and drops a datagram.
    """

    def __init__(
        self, client_sap: int, server_sap: int, *, stream: bool = True, limit: int = MAX_OCTETS
    ) -> None:
        super().__init__(stream=stream, limit=limit)
        self.addresses = Addresses(client_sap, server_sap)
        self._asked = pack(client_sap, server_sap, b"")[:-2]
        self._answered = pack(server_sap, client_sap, b"")[:-2]

    def framed(self, unit: bytes) -> bytes:
        """The unit with its header."""
        length = len(unit)
        if length > MAX_OCTETS:
            raise _no_room(length)
        return self._asked + length.to_bytes(2, "big") + unit

    def unframed(self, unit: bytes) -> bytes | None:
        """The APDU in a chunk that is exactly one unit for us."""
        if len(unit) <= HEADER_OCTETS or self._pending or not self._open:
            return None
        length = len(unit) - HEADER_OCTETS
        header = self._answered + length.to_bytes(2, "big")
        if length > self.limit or unit[:HEADER_OCTETS] != header:
            return None
        return unit[HEADER_OCTETS:]

    def _deliver(self, source: int, destination: int, apdu: bytes) -> None:
        if (destination, source) == self.addresses:
            self._up.append(Deliver(apdu))
            return
        came = Addresses(destination, source)
        self._up.append(
            Failed(SequenceError(f"a unit for {came}; ours are {self.addresses}", where=_WHERE))
        )


class WrapperClients(_Wrapper[To[Addresses, bytes]]):
    """The active end for several clients, or several logical devices, on one connection.

    Put a `fork` of associations by `Addresses` on it. A closed association leaves the others open.
    """

    def framed(self, unit: To[Addresses, bytes]) -> bytes:
        """The unit with its header."""
        client_sap, server_sap = unit.address
        return pack(client_sap, server_sap, unit.unit)

    def _deliver(self, source: int, destination: int, apdu: bytes) -> None:
        self._up.append(Deliver(To(Addresses(destination, source), apdu)))


class WrapperServer(_Wrapper[To[Addresses, bytes]]):
    """The passive end: every unit above carries the addresses it came from or goes to.

    Several clients may share the line. Units for all stations are marked as unconfirmed.
    """

    def __init__(self, *, stream: bool = True, limit: int = MAX_OCTETS) -> None:
        super().__init__(stream=stream, limit=limit)
        # The last unit that went `through`, and its answer: headers, addresses, octets.
        self._head, self._head_octets = b"", 0
        self._address = Addresses(0, 0)
        self._back, self._back_octets = b"", -1

    def through(
        self, unit: bytes, served: Callable[[Addresses, bytes], bytes | None]
    ) -> bytes | None:
        """What `served` answers to a chunk that is exactly one unit and wants an answer, framed.

        None for any other, while octets of another unit wait, and when there is no answer.
        """
        if self._pending or not self._open:
            return None
        if unit[:HEADER_OCTETS] != self._head:
            found = self.unframed(unit)
            if found is None or not found.confirmed:
                return None
            self._head, self._head_octets = unit[:HEADER_OCTETS], len(unit)
            self._address, self._back_octets = found.address, -1
        elif len(unit) != self._head_octets:
            return None
        answer = served(self._address, unit[HEADER_OCTETS:])
        if answer is None:
            return None
        if len(answer) != self._back_octets:
            client_sap, server_sap = self._address
            self._back = pack(server_sap, client_sap, answer)[:HEADER_OCTETS]
            self._back_octets = len(answer)
        return self._back + answer

    def framed(self, unit: To[Addresses, bytes]) -> bytes:
        """The unit with its header."""
        client_sap, server_sap = unit.address
        return pack(server_sap, client_sap, unit.unit)

    def unframed(self, unit: bytes) -> To[Addresses, bytes] | None:
        """The APDU and its addresses in a chunk that is exactly one unit."""
        if len(unit) <= HEADER_OCTETS or self._pending or not self._open:
            return None
        version, source, destination, length = _HEADER.unpack_from(unit)
        if version != _VERSION or length + HEADER_OCTETS != len(unit) or length > self.limit:
            return None
        return To(Addresses(source, destination), unit[HEADER_OCTETS:], destination != ALL_STATIONS)

    def _deliver(self, source: int, destination: int, apdu: bytes) -> None:
        address = Addresses(source, destination)
        self._up.append(Deliver(To(address, apdu, confirmed=destination != ALL_STATIONS)))


def _no_room(length: int) -> UsageError:
    return UsageError(f"{length} octets do not fit: the wrapper carries {MAX_OCTETS}")


def _read_header(octets: bytes | bytearray, limit: int) -> tuple[int, int, int]:
    if len(octets) < HEADER_OCTETS:
        raise DecodeError(
            f"a header has {HEADER_OCTETS} octets, not {len(octets)}",
            where=_WHERE,
            offset=len(octets),
            octets=bytes(octets),
        )
    version, source, destination, length = _HEADER.unpack_from(octets)
    if version != _VERSION:
        raise _bad_version(bytes(octets[:HEADER_OCTETS]))
    if length > limit:
        raise _too_long(length, limit, bytes(octets[:HEADER_OCTETS]))
    return source, destination, length


def _bad_version(octets: bytes) -> DecodeError:
    return DecodeError(
        f"a header begins with version {_VERSION}: is this a DLMS wrapper?",
        where=_WHERE,
        offset=0,
        octets=octets,
    )


def _too_long(length: int, limit: int, octets: bytes) -> DecodeError:
    return DecodeError(
        f"length {length} exceeds the limit of {limit}",
        where=_WHERE,
        offset=6,
        octets=octets[:HEADER_OCTETS],
    )
