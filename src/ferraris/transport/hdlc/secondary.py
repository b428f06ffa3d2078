"""The secondary station: the server's end of an HDLC link.

A secondary is passive: it opens with each SNRM, sends only when polled, and goes on listening after
DISC. One link is open at a time; an SNRM of another client, or to another logical device, ends the
one before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ferraris.core.errors import DecodeError, LineError, SequenceError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Notice, Opened, Progress, To
from ferraris.core.stack import Plain
from ferraris.transport.addresses import ALL_STATIONS, NO_STATION, Addresses
from ferraris.transport.hdlc.address import (
    HdlcAddress,
    is_all_stations,
    is_calling_device,
    pack_address,
    unpack_address,
)
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import (
    POLL_FINAL,
    Frame,
    Kind,
    information_control,
    parse,
    receive_number,
    send_number,
    supervisory_control,
)
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.sequence import (
    LLC_COMMAND,
    LLC_RESPONSE,
    Receiver,
    Transmitter,
)
from ferraris.transport.hdlc.states import SECONDARY, Happening, State, step
from ferraris.transport.hdlc.unconfirmed import Unconfirmed, unconfirmed_frames

__all__ = ["Secondary"]

_WHERE = "hdlc"
_AHEAD = 2  # UI frames held for the line
_UNKNOWN_CONTROL, _INFORMATION_TOO_LONG = 0x01, 0x04  # reasons in FRMR [memory]

Unit = To[Addresses, bytes]


class Secondary(Plain[Unit, Unit, bytes]):
    """A device's link on one line: APDUs with their addresses above, octets below.

    `physical` is the device's own address, None for whatever a client uses; `logical_devices` are
    those that answer, None for all. `parameters` are the most that is agreed to. After a poll the
    layer above has `answer_within_s` to give an answer, then the turn goes back without one.
    After `inactivity_timeout_s` of silence the link is closed, 0 for never. `limit` bounds an APDU,
    in octets. Units marked unconfirmed leave as UI frames, one or several, from the server address
    of `address_length` octets, with or without a link. A device that is `calling` also answers to
    the address of the calling device, by which a client names the device that called it.
    """

    _transmitter: Transmitter
    _receiver: Receiver
    _reply: bytes | None  # an unnumbered response that waits to leave
    _told: list[Notice]  # what is told above when the reply is made
    _after: list[Notice]  # what is told above when the frame given last has left
    _link: tuple[bytes, bytes] | None  # the client's and our own address, as on the wire
    _untouched: bool  # nothing numbered came since SNRM: a second one is a repetition
    _answer_at: float | None
    _inactive_at: float | None

    def __init__(
        self,
        *,
        physical: int | None = None,
        logical_devices: Collection[int] | None = None,
        address_length: int | None = None,
        parameters: Parameters = DEFAULT,
        answer_within_s: float = 0.2,
        inactivity_timeout_s: float = 120.0,
        inter_octet_timeout_s: float = 0.5,
        calling: bool = False,
        limit: int = 1 << 20,
    ) -> None:
        super().__init__()
        self.physical = physical
        self.logical_devices = logical_devices
        self.address_length = address_length
        self.parameters = parameters
        self.answer_within_s = answer_within_s
        self.inactivity_timeout_s = inactivity_timeout_s
        self.calling = calling
        self.deframer = Deframer(inter_octet_timeout_s=inter_octet_timeout_s)
        self._limit = limit
        self._state = State.NDM
        self._listening = False
        self._unconfirmed = Unconfirmed(LLC_COMMAND, limit)
        self._reply = None
        self._told, self._after = [], []
        self._begin(DEFAULT)

    @property
    def room(self) -> bool:
        return self._listening and self._transmitter.room and len(self._down) < _AHEAD

    @property
    def deadline(self) -> float | None:
        times = [time for time in (self._answer_at, self._inactive_at) if time is not None]
        return min(times, default=None)

    # -- from above -------------------------------------------------------------------------

    def open(self, now: float) -> None:
        self._listening = True
        self.deframer.reset()

    def close(self, now: float) -> None:
        self._listening = False
        self._down.clear()
        self._reply = None
        self._end(Happening.DISCONNECT)
        self._up.append(Closed())

    def cancel(self, now: float) -> None:
        self._transmitter.cancel()

    def send(self, unit: Unit, now: float) -> None:
        if not self.room:
            raise UsageError(f"the link has no room ({self._state.value})", where=_WHERE)
        if not unit.confirmed:
            self._queue_unconfirmed(unit)
        elif self._state is State.NDM or unit.address != self._addresses:
            text = f"no link to {unit.address}: the unit is dropped"
            self._up.append(Failed(SequenceError(text, where=_WHERE)))
        else:
            self._transmitter.put(unit.unit)

    def _queue_unconfirmed(self, unit: Unit) -> None:
        client_sap, server_sap = unit.address
        if self._link is not None and unit.address == self._addresses:
            client, server = self._link
            longest = self.agreed.max_transmit
        else:
            longest = DEFAULT.max_transmit
            client = pack_address(client_sap, length=1)
            server = pack_address(server_sap, self.physical, length=self.address_length)
        self._down += unconfirmed_frames(client, server, LLC_RESPONSE, unit.unit, longest)

    # -- from below -------------------------------------------------------------------------

    def receive(self, unit: bytes, now: float) -> None:
        if not self._listening:
            return
        if self._inactive_at is not None:
            self._inactive_at = now + self.inactivity_timeout_s
        for content in self.deframer.feed(unit, now):
            try:
                frame = parse(content)
                client = unpack_address(frame.source)
                server = unpack_address(frame.destination)
            except DecodeError as error:
                self._up.append(Failed(error))
                continue
            if client.physical is None and self._is_ours(server):
                self._take(frame, client, server, now)

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._listening = False
            self._down.clear()
            self._reply = None
            self._end(Happening.LOST)
            self._up.append(what)
        else:
            super().notice(what, now)

    def wake(self, now: float) -> None:
        if self._answer_at is not None and now >= self._answer_at:
            self._answer_at = None
            self._yield = True
        if self._inactive_at is not None and now >= self._inactive_at:
            text = f"no frame for {self.inactivity_timeout_s:g} s"
            self._end(Happening.INACTIVITY, Closed(LineError(text, where=_WHERE)))

    def transmit(self, now: float, expecting: bool = False) -> bytes | None:
        if self._after:
            self._up += self._after
            self._after = []
        if self._reply is not None:
            reply, self._reply = self._reply, None
            self._up += self._told
            self._told = []
            return reply
        if self._down and self._state is not State.NRM:
            return self._down.popleft()
        if self._state is State.NRM_POLLED:
            return self._use_turn()
        return None

    def _use_turn(self) -> bytes | None:
        segment = None if self._peer_busy else self._transmitter.take()
        if segment is not None:
            final = not self._transmitter.ready
            control = information_control(segment.number, self._receiver.expected, final)
            information, more = segment.information, segment.more
            if not self._transmitter.repeating:
                self._after = [Progress()]
        elif self._yield:
            final = True
            control = supervisory_control(Kind.RR, self._receiver.expected, final)
            information, more = b"", False
        else:
            return None
        if final:
            self._answer_at = None
            self._step(Happening.FINAL)
        assert self._link is not None
        return Frame(*self._link, control, information, more).to_octets()

    # -- receiving --------------------------------------------------------------------------

    def _is_ours(self, server: HdlcAddress) -> bool:
        if NO_STATION in server:
            return False
        if is_all_stations(server.logical) or is_all_stations(server.physical):
            return True
        if is_calling_device(server.physical):
            return self.calling
        if None not in {self.physical, server.physical} and self.physical != server.physical:
            return False
        return self.logical_devices is None or server.logical in self.logical_devices

    def _take(self, frame: Frame, client: HdlcAddress, server: HdlcAddress, now: float) -> None:
        kind = frame.kind
        link = (frame.source, frame.destination)
        to_all = is_all_stations(server.logical)
        addresses = Addresses(client.logical, ALL_STATIONS if to_all else server.logical)
        if kind is Kind.UI:
            self._deliver(lambda: self._unconfirmed.add(frame), addresses, confirmed=False)
        elif to_all or is_all_stations(server.physical):
            return  # nobody answers what everybody hears
        elif kind is Kind.SNRM:
            self._take_snrm(frame, link, addresses, now)
        elif self._state is State.NDM or link != self._link:
            if frame.poll_final and kind not in {Kind.UA, Kind.DM, Kind.FRMR}:
                self._answer(Kind.DM, link)
        elif kind is Kind.DISC:
            self._end(Happening.DISC)
            self._answer(Kind.UA, link)
            self._told = [Closed()]
        elif kind in {Kind.I, Kind.RR, Kind.RNR}:
            self._take_numbered(frame, kind, addresses, now)
        elif kind is Kind.UNKNOWN:
            self._reject(frame, _UNKNOWN_CONTROL)

    def _take_snrm(
        self, frame: Frame, link: tuple[bytes, bytes], addresses: Addresses, now: float
    ) -> None:
        try:
            stated = Parameters.from_octets(frame.information)
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        repeated = self._untouched and link == self._link
        told = self._told
        if Closed() in told:  # a DISC just before: what is above hears of it first
            self._up.append(Closed())
            told = []
        if self._state is not State.NDM and not repeated:
            self._end(Happening.DISC, Closed())
        self._step(Happening.SNRM)
        self._begin(self.parameters.agree(stated))
        self._link, self._addresses, self._untouched = link, addresses, True
        if self.inactivity_timeout_s:
            self._inactive_at = now + self.inactivity_timeout_s
        information = self.agreed.to_octets() if frame.information else b""
        self._answer(Kind.UA, link, information)
        self._told = told if repeated else [Opened()]

    def _take_numbered(self, frame: Frame, kind: Kind, addresses: Addresses, now: float) -> None:
        if len(frame.information) > self.agreed.max_receive:
            self._reject(frame, _INFORMATION_TOO_LONG)
            return
        self._untouched = False
        acknowledged = self._transmitter.acknowledge(receive_number(frame.control))
        fresh = kind is Kind.I and self._receiver.accept(send_number(frame.control))
        if acknowledged or (fresh and frame.segmented):
            self._up.append(Progress())
        if fresh:
            self._deliver(
                lambda: self._receiver.add(frame.information, frame.segmented),
                addresses,
                confirmed=True,
            )
        if not frame.poll_final:
            return
        self._step(Happening.POLL)
        self._transmitter.go_back()
        self._peer_busy = kind is Kind.RNR
        # A segment that goes on, or that came before, has no answer but its acknowledgement.
        self._yield = kind is not Kind.RR and (not fresh or frame.segmented)
        self._answer_at = None if self._yield else now + self.answer_within_s

    def _deliver(
        self, put_together: Callable[[], bytes | None], addresses: Addresses, *, confirmed: bool
    ) -> None:
        try:
            apdu = put_together()
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        if apdu is not None:
            self._up.append(Deliver(To(addresses, apdu, confirmed)))

    def _answer(self, kind: Kind, link: tuple[bytes, bytes], information: bytes = b"") -> None:
        client, server = link
        self._reply = Frame(client, server, kind.control | POLL_FINAL, information).to_octets()

    def _reject(self, frame: Frame, reason: int) -> None:
        """FRMR says which control octet, V(S) and V(R), and why [memory]."""
        assert self._link is not None
        numbers = self._receiver.expected << 5 | self._transmitter.number << 1
        self._answer(Kind.FRMR, self._link, bytes((frame.control, numbers, reason)))
        text = f"a frame with control {frame.control:02X} is rejected"
        self._up.append(Failed(SequenceError(text, where=_WHERE, octets=frame.information)))

    # -- beginning and ending ---------------------------------------------------------------

    def _step(self, happening: Happening) -> None:
        self._state = step(SECONDARY, self._state, happening)

    def _begin(self, agreed: Parameters) -> None:
        """As new: nothing sent, nothing received, no clock."""
        self.agreed = agreed
        self._transmitter = Transmitter(LLC_RESPONSE, agreed.max_transmit, agreed.window_transmit)
        self._receiver = Receiver(LLC_COMMAND, self._limit)
        self._unconfirmed.reset()
        self._link = None
        self._addresses = Addresses(0, 0)
        self._untouched = False
        self._answer_at = None
        self._inactive_at = None
        self._yield = False  # the turn goes back even without an answer
        self._peer_busy = False
        self._after = []

    def _end(self, happening: Happening, tell: Closed | None = None) -> None:
        """The link is over; the line is not."""
        if self._state is State.NDM:
            return
        self._step(happening)
        self._begin(DEFAULT)
        self._told = []
        if tell is not None:
            self._up.append(tell)
