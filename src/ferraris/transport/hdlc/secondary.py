"""The secondary station: the server's end of an HDLC link.

A secondary is passive: it opens with each SNRM, sends only when polled, and goes on listening after
DISC. One link is open at a time; an SNRM of another client, or to another logical device, ends the
one before.
"""

from __future__ import annotations

from collections.abc import Collection

from ferraris.core.errors import DecodeError, LineError, UsageError
from ferraris.core.layer import Closed, Failed, Notice, Opened, Progress, To
from ferraris.transport.addresses import ALL_STATIONS, NO_STATION, Addresses
from ferraris.transport.hdlc.address import (
    HdlcAddress,
    is_all_devices,
    is_all_stations,
    is_calling_device,
    pack_address,
    unpack_address,
)
from ferraris.transport.hdlc.frame import POLL_FINAL, Frame, Kind, receive_number
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.reject import Reason, Rejection
from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE
from ferraris.transport.hdlc.states import SECONDARY, Happening, State, step
from ferraris.transport.hdlc.station import NUMBERED, Station
from ferraris.transport.hdlc.unconfirmed import unconfirmed_frames

__all__ = ["Secondary"]

_WHERE = "hdlc"
_AHEAD = 2  # UI frames held for the line
_RESPONSES = frozenset({Kind.UA, Kind.DM, Kind.FRMR})

Unit = To[Addresses, bytes]


class Secondary(Station[Unit, Unit]):
    """A device's link on one line: APDUs with their addresses above, octets below.

    `physical` is the device's own address, None for whatever a client uses; `logical_devices` are
    those that answer, None for all. Answers come from the address that was called, in its length.
    `parameters` are the most that is agreed to. After a poll the layer above has `answer_within_s`
    to give an answer, then the turn goes back without one. After `inactivity_timeout_s` of silence
    of both stations the link is closed, 0 for never. `limit` bounds an APDU, in octets. Units
    marked unconfirmed leave as UI frames, one or several, from the server address of
    `address_length` octets, with or without a link. A device that is `calling` also answers to the
    address of the calling device, by which a client names the device that called it.
    """

    _reply: bytes | None  # an unnumbered response that waits to leave
    _told: list[Notice]  # what is told above when the reply is made
    _after: list[Notice]  # what is told above when the frame given last has left
    _link: tuple[bytes, bytes] | None  # the client's and our own address, as on the wire
    _rejection: bytes | None  # what is in every FRMR until SNRM or DISC
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
        super().__init__(
            sends=LLC_RESPONSE,
            hears=LLC_COMMAND,
            own_kinds=_RESPONSES,
            limit=limit,
            inter_octet_timeout_s=inter_octet_timeout_s,
        )
        self.physical = physical
        self.logical_devices = logical_devices
        self.address_length = address_length
        self.parameters = parameters
        self.answer_within_s = answer_within_s
        self.inactivity_timeout_s = inactivity_timeout_s
        self.calling = calling
        self._state = State.NDM
        self._listening = False
        self._reply = None
        self._told, self._after = [], []
        self._begin(DEFAULT)

    @property
    def room(self) -> bool:
        return self._listening and self._transmitter.room and len(self._down) < _AHEAD

    @property
    def deadline(self) -> float | None:
        clocks = (self._answer_at, self._inactive_at, self.deframer.give_up_at)
        return min((time for time in clocks if time is not None), default=None)

    # -- from above -------------------------------------------------------------------------

    def open(self, now: float) -> None:
        self._listening = True
        self.deframer.reset()

    def close(self, now: float) -> None:
        self._hang_up(Happening.DISCONNECT)
        self._up.append(Closed())

    def cancel(self, now: float) -> None:
        self._transmitter.cancel()

    def send(self, unit: Unit, now: float) -> None:
        if not self.room:
            raise UsageError(f"the link has no room ({self._state.value})", where=_WHERE)
        if not unit.confirmed:
            self._queue_unconfirmed(unit)
        elif self._state is State.NDM or unit.address != self._addresses:
            self._complain(f"no link to {unit.address}: the unit is dropped")
        else:
            self._transmitter.put(unit.unit)

    def _queue_unconfirmed(self, unit: Unit) -> None:
        client_sap, server_sap = unit.address
        if self._link is not None and unit.address == self._addresses:
            client, server = self._link
            longest = self.agreed.max_transmit
        else:
            client = pack_address(client_sap, length=1)
            server = pack_address(server_sap, self.physical, length=self.address_length)
            longest = DEFAULT.max_transmit
        self._down += unconfirmed_frames(client, server, LLC_RESPONSE, unit.unit, longest)

    # -- from below -------------------------------------------------------------------------

    def receive(self, unit: bytes, now: float) -> None:
        if self._listening:
            self._active(now)
            super().receive(unit, now)

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._hang_up(Happening.LOST)
            self._up.append(what)
        else:
            super().notice(what, now)

    def wake(self, now: float) -> None:
        super().wake(now)
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
        octets = self._next_frame()
        if octets is not None:
            self._active(now)
        return octets

    def _active(self, now: float) -> None:
        """A long answer is no silence: both directions count."""
        if self._inactive_at is not None:
            self._inactive_at = now + self.inactivity_timeout_s

    # -- sending ----------------------------------------------------------------------------

    def _next_frame(self) -> bytes | None:
        if self._reply is not None:
            reply, self._reply = self._reply, None
            self._up += self._told
            self._told = []
            return reply
        if self._down and self._state is not State.NRM:
            octets = self._down.popleft()
            self._echo.sent(octets)
            return octets
        if self._state is State.NRM_POLLED:
            return self._use_turn()
        return None

    def _use_turn(self) -> bytes | None:
        transmitter = self._transmitter
        segment = None if self._peer_busy else transmitter.take()
        if segment is not None:
            # A busy station ends its turn by RNR: information with the final bit would recall it.
            self._yield = self._yield or self.holding
            final = not transmitter.ready and not self.holding
            if not transmitter.repeating:
                self._after = [Progress()]
        elif self._yield:
            final = True
        else:
            return None
        if final:
            self._answer_at = None
            self._step(Happening.FINAL)
        assert self._link is not None
        return self._numbered(*self._link, segment, final)

    # -- receiving --------------------------------------------------------------------------

    def _take(self, frame: Frame, now: float) -> None:
        link = (frame.source, frame.destination)
        if link == self._link and frame.kind in NUMBERED:  # the usual case
            self._take_within_link(frame, frame.kind, now)
            return
        try:
            client = unpack_address(frame.source)
            server = unpack_address(frame.destination)
        except DecodeError as error:
            self._up.append(Failed(error))
            return
        octets = len(frame.destination)
        if client.physical is not None or not self._is_ours(server, octets):
            return
        kind = frame.kind
        to_all = is_all_stations(server.logical)
        addresses = Addresses(client.logical, ALL_STATIONS if to_all else server.logical)
        if kind is Kind.UI:
            self._deliver(
                lambda: self._unconfirmed.add(frame), lambda apdu: To(addresses, apdu, False)
            )
        elif to_all or is_all_devices(server.physical, octets=octets) or kind in _RESPONSES:
            return  # nobody answers what everybody hears, nor another device
        elif kind is Kind.SNRM:
            self._take_snrm(frame, addresses, now)
        elif self._state is State.NDM or link != self._link:
            if frame.poll_final:
                self._answer(Kind.DM, link)
        elif kind is Kind.DISC:
            self._end(Happening.DISC)
            self._answer(Kind.UA, link)
            self._told = [Closed()]
        else:
            self._take_within_link(frame, kind, now)

    def _is_ours(self, server: HdlcAddress, octets: int) -> bool:
        logical, physical = server
        if NO_STATION in server:
            return False
        if is_calling_device(physical, octets=octets):
            this_device = self.calling
        else:
            this_device = is_all_devices(physical, octets=octets) or (
                None in {self.physical, physical} or self.physical == physical
            )
        devices = self.logical_devices
        return this_device and (devices is None or is_all_stations(logical) or logical in devices)

    def _take_snrm(self, frame: Frame, addresses: Addresses, now: float) -> None:
        link = (frame.source, frame.destination)
        try:
            stated = Parameters.from_octets(frame.information)
        except DecodeError as error:
            self._up.append(Failed(error))
            if link == self._link:
                self._end(Happening.DISC, Closed(error))
            self._answer(Kind.DM, link)
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
        self._echo.forget()
        self._link, self._addresses, self._untouched = link, addresses, True
        if self.inactivity_timeout_s:
            self._inactive_at = now + self.inactivity_timeout_s
        self._answer(Kind.UA, link, self.agreed.to_octets() if frame.information else b"")
        self._told = told if repeated else [Opened()]

    def _take_within_link(self, frame: Frame, kind: Kind, now: float) -> None:
        self._untouched = False
        if self._rejection is None:
            reasons = self._fault_of(frame, kind)
            if not reasons:
                self._take_numbered(frame, kind, now)
                return
            self._reject(frame, reasons)
        if frame.poll_final:
            self._step(Happening.POLL)
            self._answer(Kind.FRMR, self._link, self._rejection)

    def _take_numbered(self, frame: Frame, kind: Kind, now: float) -> None:
        acknowledged, fresh = self._take_numbers(frame, kind)
        addresses = self._addresses
        if acknowledged or (fresh and frame.segmented):
            self._up.append(Progress())
        if fresh:
            self._deliver(
                lambda: self._receiver.add(frame.information, frame.segmented),
                lambda apdu: To(addresses, apdu),
            )
        if not frame.poll_final:
            return
        self._step(Happening.POLL)
        self._transmitter.go_back()
        # A segment that goes on, or that came before, has no answer but its acknowledgement.
        whole = fresh and not frame.segmented
        self._yield = not whole and kind not in {Kind.RR, Kind.REJ}
        self._answer_at = None if self._yield else now + self.answer_within_s

    def _answer(
        self, kind: Kind, link: tuple[bytes, bytes] | None, information: bytes | None = b""
    ) -> None:
        assert link is not None
        frame = Frame(*link, kind.control | POLL_FINAL, information or b"")
        self._reply = self._leaving(frame)

    def _fault_of(self, frame: Frame, kind: Kind) -> Reason:
        """Why a frame of our link cannot be taken; no reason for one that can."""
        if kind not in NUMBERED:
            return Reason.UNKNOWN_CONTROL
        if kind is not Kind.I and frame.information:
            return Reason.UNKNOWN_CONTROL | Reason.INFORMATION_NOT_PERMITTED
        if len(frame.information) > self.agreed.max_receive:
            return Reason.INFORMATION_TOO_LONG
        if not self._transmitter.covers(receive_number(frame.control)):
            return Reason.WRONG_RECEIVE_NUMBER
        return Reason(0)

    def _reject(self, frame: Frame, reasons: Reason) -> None:
        """Only SNRM or DISC goes on from here; until then every poll is answered by FRMR."""
        rejection = Rejection(
            frame.control, self._transmitter.number, self._receiver.expected, reasons
        )
        self._rejection = rejection.to_octets()
        self._answer_at = None
        self._step(Happening.FRMR)
        self._complain(str(rejection))

    # -- beginning and ending ---------------------------------------------------------------

    def _step(self, happening: Happening) -> None:
        self._state = step(SECONDARY, self._state, happening)

    def _begin(self, agreed: Parameters) -> None:
        """As new: nothing sent, nothing received, no clock."""
        self._renew(agreed)
        self._link = None
        self._addresses = Addresses(0, 0)
        self._untouched = False
        self._rejection = None
        self._answer_at = None
        self._inactive_at = None
        self._yield = False  # the turn goes back even without an answer
        self._after = []

    def _hang_up(self, happening: Happening) -> None:
        """The line is over, and so is the link."""
        self._listening = False
        self.deframer.reset()
        self._down.clear()
        self._reply = None
        self._end(happening)

    def _end(self, happening: Happening, tell: Closed | None = None) -> None:
        """The link is over; the line is not."""
        if self._state is State.NDM:
            return
        self._step(happening)
        self._begin(DEFAULT)
        self._told = []
        if tell is not None:
            self._up.append(tell)
