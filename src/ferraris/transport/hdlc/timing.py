"""The clocks of a link as functions of the line's speed and of the size of its frames.

An octet is 10 bits on the line: start, eight of data, stop. At 300 baud it takes longer than the
usual pause between two octets, and a frame longer than the usual wait for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferraris.core.errors import UsageError
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters

__all__ = ["FRAME_OVERHEAD", "INACTIVITY_TIMEOUT_S", "Timing", "frame_time_s"]

FRAME_OVERHEAD = 16
"""Octets around the information: flags, format, addresses, control, check sequences at most."""

INACTIVITY_TIMEOUT_S = 120.0
"""The usual inactivity time-out of a device [facts-g §class 23]."""

_BITS = 10
_INTER_OCTET_S = 0.025  # the usual inter-octet time-out of a device [facts-g §class 23]
_HELD_BACK_OCTETS = 16  # what the queue of a serial port keeps before it hands octets on [memory]
_HELD_BACK_S = 0.1  # what drivers and adapters add to that [memory]
_REACTION_S = 3.0  # from a poll to the first octet of an answer, enciphered ones included [memory]
_TURN_S = 0.2  # what the layer above has to answer before the turn goes back [memory]
_POLL_S = 0.1  # between polls while somebody waits, on a fast line [memory]
_ROUND_OCTETS = 24  # a poll and its answer, both without information
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """All clocks of both stations, seconds; the fields are those of `HdlcProfile`.

    `octet_s` is the time of one octet on the line. `response_timeout_s` runs until an answer
    *begins*: stations add the time of the longest frame agreed on.
    """

    octet_s: float
    inter_octet_timeout_s: float
    response_timeout_s: float
    answer_within_s: float
    poll_interval_s: float
    inactivity_timeout_s: float

    @classmethod
    def at(cls, baud: int, parameters: Parameters = DEFAULT) -> Timing:
        """The clocks for a serial line of `baud` bits a second; `UsageError` for none.

        Giving the turn back without an answer costs a round of two frames, and so does a poll in
        vain: on slow lines both wait as long as that takes. The link outlives all repetitions of
        the longest frame that `parameters` allow.
        """
        if baud <= 0:
            raise UsageError(f"a line has a speed, not {baud} baud")
        octet_s = _BITS / baud
        round_s = _ROUND_OCTETS * octet_s
        longest_s = frame_time_s(octet_s, max(parameters.max_transmit, parameters.max_receive))
        return cls(
            octet_s=octet_s,
            inter_octet_timeout_s=_INTER_OCTET_S + _HELD_BACK_OCTETS * octet_s + _HELD_BACK_S,
            response_timeout_s=_REACTION_S,
            answer_within_s=max(_TURN_S, round_s),
            poll_interval_s=max(_POLL_S, round_s),
            inactivity_timeout_s=max(INACTIVITY_TIMEOUT_S, _TRIES * (_REACTION_S + 2 * longest_s)),
        )


def frame_time_s(octet_s: float, information_octets: int) -> float:
    """Seconds that a frame with so much information is on the line."""
    return octet_s * (information_octets + FRAME_OVERHEAD)
