"""One client's link to one logical device, as the secondary station keeps it."""

from __future__ import annotations

from ferraris.core.layer import Notice, Progress
from ferraris.transport.addresses import Addresses
from ferraris.transport.hdlc.frame import Frame, Kind, receive_number
from ferraris.transport.hdlc.numbers import NUMBERED, Numbers
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.reject import Reason, Rejection
from ferraris.transport.hdlc.sequence import LLC_COMMAND, LLC_RESPONSE
from ferraris.transport.hdlc.states import SECONDARY, Happening, State, step

__all__ = ["ServerLink"]

_MOST_WAITING = 8  # units for a client that fetches nothing, while others are served


class ServerLink(Numbers):
    """Its state, its numbers, its turn and its clocks; the station does the rest.

    `ends` are the client's and our own address, as on the wire.
    """

    reply: bytes | None
    """An unnumbered response that waits to leave."""
    told: list[Notice]
    """What is told above when the reply is made."""
    after: list[Notice]
    """What is told above when the frame given last has left."""
    rejection: bytes | None
    """What is in every FRMR until SNRM or DISC."""
    untouched: bool
    """Nothing numbered came since SNRM: a second one is a repetition."""
    answer_at: float | None
    inactive_at: float | None

    def __init__(self, ends: tuple[bytes, bytes], addresses: Addresses, limit: int) -> None:
        self._sends, self._hears, self._limit = LLC_RESPONSE, LLC_COMMAND, limit
        self.ends = ends
        self.addresses = addresses
        self.state = State.NDM
        self.reply, self.told = None, []
        self.begin(DEFAULT)

    @property
    def is_open(self) -> bool:
        """Is there a link at all?"""
        return self.state is not State.NDM

    @property
    def room(self) -> bool:
        """Less than one window of octets waits."""
        return self._transmitter.room

    @property
    def crowded(self) -> bool:
        """Does more wait than a client in its senses leaves waiting?"""
        return self._transmitter.waiting >= _MOST_WAITING

    def step(self, happening: Happening) -> None:
        """Change the state as the table says."""
        self.state = step(SECONDARY, self.state, happening)

    def begin(self, agreed: Parameters) -> None:
        """As new: nothing sent, nothing received, no clock."""
        self._renew(agreed)
        self.untouched = False
        self.rejection = None
        self.answer_at = None
        self.inactive_at = None
        self.yields = False  # the turn goes back even without an answer
        self.after = []

    def end(self, happening: Happening) -> None:
        """The link is over; the line is not."""
        self.step(happening)
        self.begin(DEFAULT)
        self.told = []

    def put(self, apdu: bytes) -> None:
        """Queue one APDU."""
        self._transmitter.put(apdu)

    def cancel(self) -> None:
        """Drop the units of which nothing has left."""
        self._transmitter.cancel()

    def use_turn(self, holding: bool) -> Frame | None:
        """The next frame of a polled link; None while the answer is not there yet."""
        transmitter = self._transmitter
        segment = None if self._peer_busy else transmitter.take()
        if segment is not None:
            # A busy station ends its turn by RNR: information with the final bit would recall it.
            self.yields = self.yields or holding
            final = not transmitter.ready and not holding
            if not transmitter.repeating:
                self.after = [Progress()]
        elif self.yields:
            final = True
        else:
            return None
        if final:
            self.answer_at = None
            self.step(Happening.FINAL)
        return self._numbered(*self.ends, segment, final, holding)

    def take(self, frame: Frame, kind: Kind, answer_at: float, holding: bool) -> tuple[bool, bool]:
        """A sound numbered frame: did it acknowledge something, is its information next in line?

        A poll gives us the turn, until `answer_at` at most.
        """
        acknowledged, fresh = self._take_numbers(frame, kind, holding)
        if frame.poll_final:
            self.step(Happening.POLL)
            self._transmitter.go_back()
            # A segment that goes on, or that came before, has no answer but its acknowledgement.
            whole = fresh and not frame.segmented
            self.yields = not whole and kind not in {Kind.RR, Kind.REJ}
            self.answer_at = None if self.yields else answer_at
        return acknowledged, fresh

    def gathered(self, frame: Frame) -> bytes | None:
        """The APDU when this segment completes it; `DecodeError` when it is none."""
        return self._receiver.add(frame.information, frame.segmented)

    def fault_of(self, frame: Frame, kind: Kind) -> Reason:
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

    def reject(self, frame: Frame, reasons: Reason) -> Rejection:
        """Only SNRM or DISC goes on from here; until then every poll is answered by FRMR."""
        number, expected = self._transmitter.number, self._receiver.expected
        rejection = Rejection(frame.control, number, expected, reasons)
        self.rejection = rejection.to_octets()
        self.answer_at = None
        self.step(Happening.FRMR)
        return rejection
