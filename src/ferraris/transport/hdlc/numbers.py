"""The numbers of one link: what both ends send, take and acknowledge."""

from __future__ import annotations

from ferraris.transport.hdlc.frame import (
    Frame,
    Kind,
    information_control,
    receive_number,
    send_number,
    supervisory_control,
)
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.hdlc.sequence import Receiver, Segment, Transmitter

__all__ = ["NUMBERED", "Numbers"]

NUMBERED = frozenset({Kind.I, Kind.RR, Kind.RNR, Kind.REJ})
"""Kinds of frame that carry N(R)."""


class Numbers:
    """V(S), V(R), windows and what the peer said last; `_renew` begins a link."""

    agreed: Parameters
    """What holds for the link, once it is open."""

    _sends: bytes  # the LLC header of what leaves
    _hears: bytes
    _limit: int  # octets of an APDU
    _transmitter: Transmitter
    _receiver: Receiver
    _peer_busy: bool

    def _renew(self, agreed: Parameters) -> None:
        """As new: nothing sent, nothing received."""
        self.agreed = agreed
        self._transmitter = Transmitter(self._sends, agreed.max_transmit, agreed.window_transmit)
        self._receiver = Receiver(self._hears, self._limit)
        self._peer_busy = False

    def _take_numbers(self, frame: Frame, kind: Kind, holding: bool) -> tuple[bool, bool]:
        """Use N(R) and N(S): did it acknowledge something, and is its information next in line?"""
        acknowledged = self._transmitter.acknowledge(receive_number(frame.control)) > 0
        if kind is Kind.I:
            if frame.poll_final:
                self._peer_busy = False
            fresh = not holding and self._receiver.accept(send_number(frame.control))
            return acknowledged, fresh
        self._peer_busy = kind is Kind.RNR
        if kind is Kind.REJ:
            self._transmitter.go_back()
        return acknowledged, False

    def _numbered(
        self, destination: bytes, source: bytes, segment: Segment | None, last: bool, holding: bool
    ) -> Frame:
        """A frame of our turn, with information or without; `last`: the turn goes over."""
        expected = self._receiver.expected
        if segment is None:
            kind = Kind.RNR if holding else Kind.RR
            return Frame(destination, source, supervisory_control(kind, expected, last))
        control = information_control(segment.number, expected, last)
        return Frame(destination, source, control, segment.information, segment.more)
