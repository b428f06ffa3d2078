"""A push on its way as a table: state, what happens, next state.

The order - window, random delay, sending, repetitions - is that of one public implementation
[facts-g]; what happens to a push when its window closes or the power goes rests on [memory].
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["TRANSITIONS", "PushState", "PushTrigger", "after"]


class PushState(StrEnum):
    """How far a push has come."""

    IDLE = "idle"
    OUTSIDE_WINDOW = "outside window"
    DELAYED = "delayed"  # by chance, before the first try
    SENDING = "sending"
    CONFIRMING = "confirming"  # sent, and the receiver has until the next try to confirm
    PAUSED = "paused"  # not sent, until the next try


class PushTrigger(StrEnum):
    """What moves a push."""

    INVOKED = "invoked"
    WINDOW_OPEN = "window open"
    WINDOW_CLOSED = "window closed"
    DELAY_OVER = "delay over"
    TAKEN = "taken by the line"
    TAKEN_TO_CONFIRM = "taken by the line, confirmation wanted"
    FAILED = "not taken by the line"
    CONFIRMED = "confirmed"
    EXHAUSTED = "no tries left"
    POWER_DOWN = "power down"
    RESET = "reset"


_S, _T = PushState, PushTrigger

TRANSITIONS: dict[tuple[PushState, PushTrigger], PushState] = {
    (_S.IDLE, _T.INVOKED): _S.OUTSIDE_WINDOW,
    (_S.OUTSIDE_WINDOW, _T.WINDOW_OPEN): _S.DELAYED,
    (_S.DELAYED, _T.WINDOW_CLOSED): _S.OUTSIDE_WINDOW,
    (_S.DELAYED, _T.DELAY_OVER): _S.SENDING,
    (_S.SENDING, _T.TAKEN): _S.IDLE,
    (_S.SENDING, _T.TAKEN_TO_CONFIRM): _S.CONFIRMING,
    (_S.SENDING, _T.FAILED): _S.PAUSED,
    (_S.CONFIRMING, _T.DELAY_OVER): _S.SENDING,
    (_S.CONFIRMING, _T.WINDOW_CLOSED): _S.OUTSIDE_WINDOW,
    (_S.PAUSED, _T.DELAY_OVER): _S.SENDING,
    (_S.PAUSED, _T.WINDOW_CLOSED): _S.OUTSIDE_WINDOW,
    # A confirmation may be late: that of an earlier try ends the later ones.
    **{
        (state, _T.CONFIRMED): _S.IDLE
        for state in (_S.SENDING, _S.CONFIRMING, _S.PAUSED, _S.OUTSIDE_WINDOW, _S.DELAYED)
    },
    **{(state, _T.EXHAUSTED): _S.IDLE for state in (_S.SENDING, _S.CONFIRMING)},
    **{(state, _T.POWER_DOWN): _S.IDLE for state in _S},
    **{(state, _T.RESET): _S.IDLE for state in _S},
}
"""Everything that can happen; anything else changes nothing."""


def after(state: PushState, trigger: PushTrigger) -> PushState | None:
    """The state after `trigger`, None when it means nothing in this one."""
    return TRANSITIONS.get((state, trigger))
