"""The primary station: the client's end of an HDLC link.

Only the primary polls. It has the turn, sends up to a window of segments, the last one with the
poll bit, and gets the turn back with a final bit - or repeats after the response time-out.
"""

from __future__ import annotations

from ferraris.core.errors import (
    DecodeError,
    Error,
    IncompatibleError,
    LineError,
    RefusedError,
    UsageError,
)
from ferraris.core.layer import Closed, LineSettings, Notice, Opened, Progress
from ferraris.transport.hdlc.address import (
    HdlcAddress,
    is_all_devices,
    is_all_stations,
    pack_address,
)
from ferraris.transport.hdlc.frame import POLL_FINAL, Frame, Kind, receive_number, send_number
from ferraris.transport.hdlc.numbers import NUMBERED, Numbers
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.reject import words_of_rejection
from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE
from ferraris.transport.hdlc.states import PRIMARY, Happening, State, step
from ferraris.transport.hdlc.station import Station
from ferraris.transport.hdlc.unconfirmed import unconfirmed_frames
from ferraris.transport.hdlc.waiting import Wait

__all__ = ["Primary"]

_WHERE = "hdlc"
_OPEN = frozenset({State.NRM, State.NRM_POLLED})
_SILENT = (
    "no answer after {tries} tries: the device is silent, the addresses ({addresses}) are wrong, "
    "or the line has other settings"
)


class Primary(Station[bytes, bytes], Numbers):
    """A client's link to one logical device: plain APDUs above, octets of the line below.

    `physical` and `address_length` (1, 2, 4) form the server's address. `parameters` are proposed
    in SNRM, the defaults by an SNRM without information. `response_timeout_s` runs from when a
    frame has left until the answer begins and must be longer than `inter_octet_timeout_s`; the
    time of the longest frame agreed on is added, `octet_s` for each octet. A frame is sent
    `max_tries` times. `poll_interval_s` spaces the polls while somebody above waits, or one of the
    stations is busy. `limit` bounds an APDU, in octets. A link to all stations sends UI frames and
    hears nothing.
    """

    _command: Kind | None
    _left: tuple[bool, bool] | None  # what was given last: polled? with new data?
    _wait: Wait
    _poll_at: float | None
    _said_busy: bool  # the peer heard an RNR of ours last
    _ready = False  # a link to all stations is open

    def __init__(
        self,
        client_sap: int,
        server_sap: int,
        *,
        physical: int | None = None,
        address_length: int | None = None,
        parameters: Parameters = DEFAULT,
        response_timeout_s: float = 3.0,
        max_tries: int = 3,
        poll_interval_s: float = 0.1,
        inter_octet_timeout_s: float = 0.5,
        octet_s: float = 0.0,
        limit: int = 1 << 20,
    ) -> None:
        super().__init__(
            sends=LLC_COMMAND,
            hears=LLC_RESPONSE,
            own_kinds=(Kind.SNRM, Kind.DISC),
            limit=limit,
            inter_octet_timeout_s=inter_octet_timeout_s,
        )
        self.proposed = parameters
        self.response_timeout_s = response_timeout_s
        self.max_tries = max_tries
        self.poll_interval_s = poll_interval_s
        self.octet_s = octet_s
        self._client = pack_address(client_sap, length=1)
        self._server = pack_address(server_sap, physical, length=address_length)
        self._broadcast = is_all_stations(server_sap) or is_all_devices(
            physical, octets=len(self._server)
        )
        self._names = f"client {client_sap}, server {HdlcAddress(server_sap, physical)}"
        self._state = State.NDM
        self._begin(DEFAULT)

    @property
    def room(self) -> bool:
        if self._broadcast:
            return self._ready and not self._down
        return self._state in _OPEN and self._transmitter.room

    @property
    def expects(self) -> bool:
        return self._wait.until is not None

    @property
    def deadline(self) -> float | None:
        due = self._poll_at if self._wait.until is None else self._wait.until
        give_up_at = self.deframer.give_up_at
        if give_up_at is None:
            return due
        return give_up_at if due is None or give_up_at < due else due

    # -- from above -------------------------------------------------------------------------

    def open(self, now: float) -> None:
        self.deframer.reset()
        if self._broadcast:
            self._down.clear()
            if not self._ready:
                self._ready = True
                self._up.append(Opened())
        elif self._state is State.NDM:
            self._begin(DEFAULT)
            self._step(Happening.CONNECT)
            self._command = Kind.SNRM

    def close(self, now: float) -> None:
        if self._broadcast or self._state in {State.NDM, State.SETTING_MODE}:
            self._end(None if self._state is State.NDM else Happening.SILENCE, None)
        elif self._state is not State.DISCONNECTING:
            self._step(Happening.DISCONNECT)
            self._begin(self.agreed)
            self._command = Kind.DISC

    def cancel(self, now: float) -> None:
        self._transmitter.cancel()
        self._down.clear()

    def release(self, now: float) -> None:
        super().release(now)
        if self._said_busy and self._state in _OPEN:
            self._ask = True  # the peer waits to hear of it

    def send(self, unit: bytes, now: float) -> None:
        if not self.room:
            raise UsageError(f"the link has no room ({self._state.value})", where=_WHERE)
        if self._broadcast:
            self._down += unconfirmed_frames(self._server, self._client, LLC_COMMAND, unit)
        else:
            self._transmitter.put(unit)

    # -- from below -------------------------------------------------------------------------

    def receive(self, unit: bytes, now: float) -> None:
        contents = self.deframer.feed(unit, now)
        if contents:
            self._take_contents(contents, now)
        elif self.deframer.partial and self._wait.hear(len(unit), now):
            self._up.append(Progress())

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is not Closed:
            super().notice(what, now)
            return
        if self._state is State.DISCONNECTING:
            what = Closed()  # as good as a UA
        self._end(Happening.LOST, what.error)

    def wake(self, now: float) -> None:
        super().wake(now)
        if self._wait.until is None or now < self._wait.until:
            return  # a poll that is due is made by the pull that follows
        if self._wait.doubtful:  # no better answer came
            self._turn_is_back(in_vain=True)
            return
        self._wait.end()
        self._tries += 1
        if self._tries >= self.max_tries:
            self._give_up()
            return
        self._step(Happening.REPEAT)
        if self._state is State.SETTING_MODE:
            self._command = Kind.SNRM
        elif self._state is State.DISCONNECTING:
            self._command = Kind.DISC
        elif self.agreed.window_transmit == 1 and self._transmitter.unacknowledged:
            self._transmitter.go_back()
        else:
            self._ask = True  # a poll costs less than a window: the answer says what is missing

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        if self._left is not None:
            self._has_left(now)
        if self._down:
            octets = self._down.popleft()
            self._echo.sent(octets)
            return octets
        if self._command is not None:
            command, self._command = self._command, None
            return self._send_command(command)
        if self._state is State.NRM:
            return self._use_turn(now, expecting)
        return None

    # -- sending ----------------------------------------------------------------------------

    def _has_left(self, now: float) -> None:
        """The frame given last is on its way: only now its clock starts."""
        polled, with_data = self._left or (False, False)
        self._left = None
        if polled:
            self._wait.begin(now)
        if with_data:
            self._up.append(Progress())

    def _send_command(self, kind: Kind) -> bytes:
        information = b""
        if kind is Kind.SNRM:
            self._echo.forget()
            if self.proposed != DEFAULT:
                information = self.proposed.to_octets()
        self._left = (True, False)
        return self._leaving(
            Frame(self._server, self._client, kind.control | POLL_FINAL, information)
        )

    def _use_turn(self, now: float, expecting: bool) -> bytes | None:
        transmitter = self._transmitter
        segment = None
        if not self._peer_busy and not self._ask:
            segment = transmitter.take()
        if segment is not None:
            # A busy station ends its turn by RNR: information with the poll bit would recall it.
            self._ask = self.holding and not transmitter.ready
            poll = not transmitter.ready and not self.holding
        elif self._poll_is_due(now, expecting):
            poll = True
            self._ask = False
            self._said_busy = self.holding
        else:
            return None
        self._poll_at = None
        self._left = (poll, segment is not None and not transmitter.repeating)
        if poll:
            self._asked_to_confirm = segment is not None
            self._step(Happening.POLL)
        frame = self._numbered(self._server, self._client, segment, poll, self.holding)
        return self._leaving(frame)

    def _poll_is_due(self, now: float, expecting: bool) -> bool:
        going_on = self._receiver.partial
        if self._ask or (going_on and not self.holding):
            return True  # the peer has more, or we do not know what it has
        waiting = going_on or self._transmitter.unacknowledged or self._peer_busy
        if not expecting and not waiting:
            self._poll_at = None
            return False
        if self._poll_at is None:
            self._poll_at = now + self.poll_interval_s
        return now >= self._poll_at

    # -- receiving --------------------------------------------------------------------------

    def _take(self, frame: Frame, now: float) -> None:
        if frame.destination != self._client or self._broadcast:
            return  # for somebody else on the line
        if frame.source != self._server:
            self._complain(f"a frame from {frame.source.hex()}, not {self._server.hex()}")
            return
        kind = frame.kind
        if kind is Kind.UI:
            self._wait.go_on(now)  # the answer comes behind it
            self._deliver(lambda: self._unconfirmed.add(frame), bytes)
        elif kind in NUMBERED:
            if self._state in _OPEN:
                self._take_numbered(frame, kind, now)
        elif kind is Kind.UA:
            self._take_acknowledgement(frame)
        elif kind is Kind.DM:
            self._take_disconnected()
        elif kind is Kind.FRMR:
            self._take_rejection(frame)
        else:
            self._complain(f"{kind.value} frame from a secondary")

    def _take_numbered(self, frame: Frame, kind: Kind, now: float) -> None:
        if not self._transmitter.covers(receive_number(frame.control)):
            number = receive_number(frame.control)
            self._complain(f"N(R) {number} acknowledges what was not sent")
            if frame.poll_final and self._state is State.NRM_POLLED:
                self._ask = True
                self._turn_is_back(in_vain=True)
            return
        acknowledged, fresh = self._take_numbers(frame, kind, self.holding)
        if fresh:
            self._deliver(lambda: self._receiver.add(frame.information, frame.segmented), bytes)
        if acknowledged or fresh:
            self._up.append(Progress())
            self._tries = 0
        if self._state is not State.NRM_POLLED or self._is_late(frame, kind, acknowledged, fresh):
            return
        if self._may_be_late(frame, kind, acknowledged):
            self._wait.shorten(now + self.poll_interval_s)
            return
        if acknowledged:
            self._asked_to_confirm = False  # the rest of this turn need not
        if frame.poll_final:
            in_vain = self._transmitter.unacknowledged and not self._peer_busy
            self._turn_is_back(in_vain=in_vain)
        else:
            self._wait.go_on(now)

    def _is_late(self, frame: Frame, kind: Kind, acknowledged: bool, fresh: bool) -> bool:
        """Does this answer an earlier poll? Then the answer to the last one is still to come.

        Every poll acknowledges what we have, so that its answer does not begin before. With windows
        of one frame, whoever hears a poll with information acknowledges that, unless busy.
        """
        if kind is Kind.I and not fresh:
            if self._receiver.was_last(send_number(frame.control)):
                return True
            if not self.holding and self.agreed.window_receive == 1:
                return True
        if kind is Kind.RNR or self.agreed.window_transmit > 1:
            return False
        return self._asked_to_confirm and not acknowledged

    def _may_be_late(self, frame: Frame, kind: Kind, acknowledged: bool) -> bool:
        """Does this acknowledge nothing of a window that was to be confirmed?

        Either the first segment was lost, or this is the answer to an earlier poll, come twice or
        late. To take the second for the first would repeat a window for every such answer, and
        each repetition brings another answer: so the right one gets time to come.
        """
        in_vain = self._asked_to_confirm and not acknowledged
        return frame.poll_final and in_vain and kind is not Kind.RNR

    def _turn_is_back(self, *, in_vain: bool) -> None:
        self._tries = self._tries + 1 if in_vain else 0
        if self._tries >= self.max_tries:
            self._give_up()
            return
        self._wait.end()
        self._left = self._poll_at = None
        self._step(Happening.FINAL)
        self._transmitter.go_back()

    def _take_acknowledgement(self, frame: Frame) -> None:
        if self._state is State.DISCONNECTING:
            self._end(Happening.UA, None)
        elif self._state is State.SETTING_MODE:
            try:
                stated = Parameters.from_octets(frame.information)
            except DecodeError as error:
                self._end(Happening.SILENCE, error)
                return
            self._step(Happening.UA)
            # An SNRM without information proposed the defaults.
            self._begin(self.proposed.agree(stated))
            self._up.append(Opened())
        # In other states it answers a repeated SNRM: the link is as it should be.

    def _take_disconnected(self) -> None:
        if self._state is State.DISCONNECTING:
            self._end(Happening.DM, None)
        elif self._state is State.SETTING_MODE:
            error = RefusedError("the device refuses the connection", reason=Kind.DM, where=_WHERE)
            self._end(Happening.DM, error)
        elif self._state is not State.NDM:
            self._end(Happening.DM, LineError("the device has disconnected", where=_WHERE))

    def _take_rejection(self, frame: Frame) -> None:
        if self._state is State.NDM:
            return
        text = f"the device says: {words_of_rejection(frame.information)}"
        error = IncompatibleError(text, where=_WHERE, octets=frame.information)
        self._end(Happening.FRMR, None if self._state is State.DISCONNECTING else error)

    # -- beginning and ending ---------------------------------------------------------------

    def _step(self, happening: Happening) -> None:
        self._state = step(PRIMARY, self._state, happening)

    def _begin(self, agreed: Parameters) -> None:
        """As new: nothing sent, nothing received, no clock."""
        self._renew(agreed)
        self._unconfirmed.reset()
        self._wait = Wait(self.response_timeout_s, self.octet_s, agreed)
        self._down.clear()
        self._command = None
        self._left = None
        self._poll_at = None
        self._tries = 0
        self._ask = False
        self._said_busy = False
        self._asked_to_confirm = False

    def _give_up(self) -> None:
        if self._state is State.DISCONNECTING:
            self._end(Happening.SILENCE, None)
            return
        text = _SILENT.format(tries=self._tries, addresses=self._names)
        self._end(Happening.SILENCE, LineError(text, where=_WHERE))

    def _end(self, happening: Happening | None, error: Error | None) -> None:
        was_up = self._ready if self._broadcast else self._state is not State.NDM
        if happening is not None:
            self._step(happening)
        self._ready = False
        self._begin(DEFAULT)
        if was_up:
            self._up.append(Closed(error))
