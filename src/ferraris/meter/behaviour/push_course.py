"""One push set-up object of one meter at work: when it sends, how often, and until when."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from ferraris.meter.behaviour.push_states import PushState, PushTrigger, after
from ferraris.meter.recurrence import within
from ferraris.server.device import RequestContext
from ferraris.server.pushing import data_notification, push_object_list

if TYPE_CHECKING:
    from ferraris.meter.behaviour.push_setup import PushList, PushSettings
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["PushCourse", "PushMemory"]

_LEAST_WAIT_S = 5.0
"""How long a confirmation is waited for where the repetition delay is shorter."""
_INVOKE_IDS = 1 << 24
_FIRST_SPAN_S, _LONGEST_SPAN_S = 86_400, 7 * 86_400
"""How far back profiles without a beginning go: before anything was pushed, and at most."""


class PushMemory(NamedTuple):
    """What of a course outlives a restart; a push under way does not."""

    invocations: int
    confirmed_at: int | None
    pushed_until: int | None
    given_up: int


class PushCourse:
    """The pushes of one set-up object, one at a time; every `now` is UTC seconds.

    While it is `SENDING` somebody fetches `notification` and tells `taken` or `failed`; `wake` is
    called at or after `deadline`. A push that is invoked during another one follows it, but once
    only. The tries of one push carry the same values and the same invoke id, so that a late
    confirmation is known.

    Attributes:
        state: how far the push has come.
        deadline: when it goes on, None when nothing is waited for.
        tries: how often this push was sent.
        confirmed_at: when the last push was confirmed, None before.
        given_up: pushes that nobody took or confirmed.
    """

    __slots__ = (
        "_again",
        "_notification",
        "_read_at",
        "confirmed_at",
        "deadline",
        "given_up",
        "invocations",
        "meter",
        "pushed_until",
        "setup",
        "state",
        "tries",
    )

    def __init__(self, meter: SimulatedMeter, setup: PushList) -> None:
        self.meter = meter
        self.setup = setup
        self.state = PushState.IDLE
        self.deadline: float | None = None
        self.tries = 0
        self.invocations = 0
        self.confirmed_at: int | None = None
        self.pushed_until: int | None = None
        self.given_up = 0
        self._again = False
        self._read_at = 0
        self._notification: bytes | None = None

    @property
    def invoke_id(self) -> int:
        """The number of the push under way, 24 bits."""
        return self.invocations % _INVOKE_IDS

    @property
    def remembered(self) -> PushMemory:
        """What outlives a restart."""
        return PushMemory(self.invocations, self.confirmed_at, self.pushed_until, self.given_up)

    def remember(self, kept: PushMemory) -> None:
        """Go on after a restart."""
        self.invocations, self.confirmed_at, self.pushed_until, self.given_up = kept

    def settings(self, now: float) -> PushSettings:
        """What the set-up object says now."""
        return self.setup.settings(self.meter, int(now))

    def invoke(self, now: float) -> None:
        """Method 1, push."""
        if not self._move(PushTrigger.INVOKED):
            self._again |= self._notification is not None  # else its values are yet to be read
            return
        self.invocations += 1
        self.tries = 0
        self._notification = None
        self.wake(now)

    def wake(self, now: float) -> None:
        """Go on as far as time allows."""
        settings = self.settings(now)
        is_open, change = within(self.meter.zone, settings.windows, self.meter.local(int(now)))
        if self.state is PushState.OUTSIDE_WINDOW:
            if not is_open:
                self.deadline = None if change is None else self._own(change, now)
                return
            self._move(PushTrigger.WINDOW_OPEN)
            first = not self.tries
            self.deadline = now + (self._chance() * settings.randomisation_s if first else 0)
        if self.deadline is None or now < self.deadline:
            return
        if self.state is PushState.CONFIRMING and self.tries > settings.retries:
            self._give_up(now)
        elif is_open:
            self._move(PushTrigger.DELAY_OVER)
            self.deadline = None
        elif self._move(PushTrigger.WINDOW_CLOSED):
            self.wake(now)

    def notification(self, now: float) -> bytes:
        """The data-notification of this try, plain; its values are read at the first one.

        Raises `UsageError` and `AccessRefused` for a list that cannot be read.
        """
        self.tries += 1
        if self._notification is None:
            meter = self.meter
            context = RequestContext(self.settings(now).client_sap, now=now)
            stamp = meter.zone.stamp(meter.local(int(now)))
            since = int(now) - _FIRST_SPAN_S if self.pushed_until is None else self.pushed_until
            since = max(since, int(now) - _LONGEST_SPAN_S) + 1
            objects = push_object_list(meter, self.setup.logical_name, context)
            self._notification = data_notification(
                meter,
                objects,
                context,
                invoke_id=self.invoke_id,
                confirmed=self.settings(now).confirms,
                date_time=stamp,
                since=meter.zone.stamp(meter.local(since)),
            )
            self._read_at = int(now)
        return self._notification

    def taken(self, now: float) -> None:
        """The line took it; that is all unless a confirmation is wanted."""
        settings = self.settings(now)
        if not self.tries:  # another push has begun since
            return
        if settings.confirms:
            if self._move(PushTrigger.TAKEN_TO_CONFIRM):
                self.deadline = now + max(settings.delay_s(self.tries), _LEAST_WAIT_S)
        elif self._move(PushTrigger.TAKEN):
            self.pushed_until = self._read_at
            self._finish(now)

    def failed(self, now: float) -> None:
        """The line did not take it."""
        settings = self.settings(now)
        if self.state is not PushState.SENDING or not self.tries:
            return
        if self.tries > settings.retries:
            self._give_up(now)
        else:
            self._move(PushTrigger.FAILED)
            self.deadline = now + settings.delay_s(self.tries)

    def confirmed(self, invoke_id: int, now: float) -> bool:
        """A confirmation came; tells whether it was that of the push under way."""
        if not self.tries or invoke_id != self.invoke_id or not self._move(PushTrigger.CONFIRMED):
            return False
        self.confirmed_at = int(now)
        self.pushed_until = self._read_at
        self._finish(now)
        return True

    def power_down(self) -> None:
        """What was under way is forgotten; what was confirmed is not."""
        self._move(PushTrigger.POWER_DOWN)
        self._clear()

    def reset(self) -> None:
        """Method 2: forget what is under way and what was confirmed [memory]."""
        self._move(PushTrigger.RESET)
        self._clear()
        self.confirmed_at = self.pushed_until = None

    def _give_up(self, now: float) -> None:
        self._move(PushTrigger.EXHAUSTED)
        self.given_up += 1
        self._finish(now)

    def _finish(self, now: float) -> None:
        again = self._again
        self._clear()
        if again:
            self.invoke(now)

    def _clear(self) -> None:
        self.deadline = self._notification = None
        self.tries = 0
        self._again = False

    def _move(self, trigger: PushTrigger) -> bool:
        found = after(self.state, trigger)
        if found is None:
            return False
        self.state = found
        self.meter.change()
        return True

    def _own(self, change: int, now: float) -> float:
        """When the meter's clock will show `change`."""
        return change - self.meter.offset(int(now))

    def _chance(self) -> float:
        """From 0 to 1, by the seed of the meter and the number of the push."""
        what = b"%d %b %d" % (
            self.meter.fleet.meter_seed(self.meter.index),
            self.setup.logical_name,
            self.invocations,
        )
        return int.from_bytes(blake2b(what, digest_size=4).digest(), "big") / 0x1_0000_0000
