"""Every fault by its name: where it strikes, what it takes, and what it is in words."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["FAULTS", "Kind", "Place"]


class Place(Enum):
    """Where a fault strikes."""

    MESSAGE = "message"  # an APDU on its way between the meter's server and its transport
    ANSWER = "answer"  # a plain APDU of the meter, before it is protected
    LINE = "line"  # octets below the transport


class Kind(NamedTuple):
    """One fault; `takes` names what it takes beside the share of the exchanges that it strikes."""

    name: str
    place: Place
    words: str
    takes: tuple[str, ...] = ()


_MESSAGE, _ANSWER, _LINE = Place.MESSAGE, Place.ANSWER, Place.LINE

FAULTS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("dead meter", _MESSAGE, "the meter hears and says nothing, on its link either"),
        Kind("lose requests", _MESSAGE, "a request does not reach the meter"),
        Kind("lose answers", _MESSAGE, "the meter serves a request, its answer is lost"),
        Kind("delay answers", _MESSAGE, "an answer comes later", ("delay",)),
        Kind("slow link", _MESSAGE, "an answer takes its time by its length", ("rate",)),
        Kind("duplicate answers", _MESSAGE, "an answer comes twice"),
        Kind(
            "reorder answers",
            _MESSAGE,
            "an answer comes after the next one on its line, or late",
            ("delay",),
        ),
        Kind("replay answers", _MESSAGE, "the answer before comes again instead of an answer"),
        Kind("truncate answers", _MESSAGE, "half of an answer comes, well framed"),
        Kind("wrong tag", _MESSAGE, "the tag of a protected answer does not verify"),
        Kind("busy", _MESSAGE, "an exception response instead of service"),
        Kind("cut before answer", _MESSAGE, "the connection ends, the request was served"),
        Kind("cut after answer", _MESSAGE, "the connection ends when the answer has left"),
        Kind("wrong invoke id", _ANSWER, "an answer names another request"),
        Kind("other service", _ANSWER, "the answer of another service than was asked for"),
        Kind("refuse data", _ANSWER, "a temporary failure instead of data"),
        Kind("wrong type", _ANSWER, "an empty structure instead of a value"),
        Kind("repeat block", _ANSWER, "a block carries the number of the one before"),
        Kind("skip block", _ANSWER, "a block carries the number of the one after"),
        Kind("counter too low", _ANSWER, "a protected answer has a counter below the last one"),
        Kind("garbage before frame", _LINE, "stray octets before an answer"),
        Kind("garbage inside frame", _LINE, "stray octets in the middle of an answer"),
        Kind("garbage after frame", _LINE, "stray octets after an answer"),
        Kind("wrong check", _LINE, "a wrong check sequence in HDLC, a wrong header elsewhere"),
        Kind("cut frame", _LINE, "half of a frame or datagram leaves, and then nothing"),
    )
}
"""All faults, in the order in which they are told."""
