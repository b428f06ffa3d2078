"""The end of a billing period: what closes it, what it captures, and how stored values are named.

A stored value has the name of its register with another last group: 101 is the last period, 102
the one before; 0 to 99 is the billing period counter modulo 100 when the period closed [facts-g].
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    array,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import billing
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.clock import is_right
from ferraris.meter.behaviour.profile import CLOCK_COLUMN, Column, Profile
from ferraris.meter.behaviour.registers import Billed, scaler_unit, stamp
from ferraris.meter.behaviour.scripts import Schedule
from ferraris.meter.state import COMMISSIONED
from ferraris.model.data_storage import DataObject, ProfileGeneric, Register
from ferraris.model.time_control import Script, ScriptAction, ServiceId
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = [
    "BILLING",
    "BILLING_SCRIPTS",
    "END_OF_BILLING",
    "BillingPeriods",
    "EndOfBilling",
    "PeriodFact",
    "PeriodFacts",
    "ResetLockout",
    "Stored",
    "billing_scripts",
    "stored",
]

BILLING, BILLING_SCRIPTS, END_OF_BILLING = "0-0:98.1.0*255", "0-0:10.0.1*255", "0-0:15.0.0*255"
"""Usual names of the profile, of the scripts that close a period and of their times [facts-g]."""

_COUNTER_OCTETS, _STAMP_OCTETS = 5, 14
_TIME_ATTRIBUTE = 5
_LAST = 101
_SECOND = 7  # unit [facts-g]
_NUMBERED = 100


def billing_scripts(profile: str = BILLING) -> list[Script]:
    """Script 1 closes the period: the profile captures, and the maxima begin anew with it."""
    capture = ProfileGeneric.capture.index
    name = Obis.parse(profile)
    action = ScriptAction(ServiceId.EXECUTE, ProfileGeneric.class_id, name, capture, integer(0))
    return [Script(1, [action])]


class EndOfBilling(Schedule):
    """Runs the script at the beginning of each month, unless clients write other times.

    As long as nothing is written and nothing disturbs the meter, nobody runs anything: the periods
    close by themselves, see `ferraris.meter.billing`.
    """

    def __init__(self, name: str = END_OF_BILLING, scripts: str = BILLING_SCRIPTS) -> None:
        super().__init__(name, scripts, 1, _at_the_first())

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The next execution time, once the periods no longer close by themselves."""
        return super().due(meter, after) if billing.has_departed(meter) else None

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Close the period, whoever has closed one just before."""
        with billing.in_due_time(meter):
            super().happen(meter, at)

    def power_down(self, meter: SimulatedMeter, at: int) -> None:
        """From now on the schedule has to know what was missed."""
        billing.depart(meter, at)

    def clock_set(self, meter: SimulatedMeter, before: int, at: int) -> None:
        """By a clock that is no longer right, periods close at other times."""
        if billing.has_departed(meter) or not is_right(meter, at):
            billing.depart(meter, at)
            super().clock_set(meter, before, at)

    def functions_changed(self, meter: SimulatedMeter, now: int) -> None:
        """A schedule that may be off, or its scripts, does not follow from the template alone."""
        billing.depart(meter, now)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Attributes 2 to 4."""
        super().set(meter, attribute, data, now)
        billing.depart(meter, now)


class ResetLockout(Behaviour):
    """Seconds after the end of a billing period in which no client ends another one."""

    declares = Register

    def __init__(self, name: str = "1-0:0.9.12*255", seconds: int = 0) -> None:
        super().__init__(name, {2: long_unsigned(seconds), 3: scaler_unit(0, _SECOND)})


class BillingPeriods(Profile):
    """Readings of registers at the end of each billing period.

    `captured` are registers and the attributes of them that are wanted. Whoever lets it capture
    closes the period; within the time of a `lockout` after a close no client can.
    """

    def __init__(
        self,
        name: str,
        captured: Sequence[tuple[Billed, int]],
        entries: int = 13,
        lockout: ResetLockout | None = None,
    ) -> None:
        self._captured = tuple(captured)
        self._lockout = lockout
        columns = [
            Column(
                register.declares.class_id,
                str(Obis(register.logical_name)),
                attribute,
                _STAMP_OCTETS if attribute == _TIME_ATTRIBUTE else _COUNTER_OCTETS,
            )
            for register, attribute in captured
        ]
        super().__init__(name, (CLOCK_COLUMN, *columns), 0, entries)

    def count(self, meter: SimulatedMeter, now: int) -> int:
        """Number of periods kept."""
        return len(self._kept(meter, now))

    def between(
        self, meter: SimulatedMeter, since: int | None, until: int | None, now: int
    ) -> tuple[int, bytes]:
        """Periods by the time at which they closed."""
        chosen = [
            at
            for at in self._kept(meter, now)
            if (since is None or meter.local(at) >= since)
            and (until is None or meter.local(at) <= until)
        ]
        return len(chosen), self._octets(meter, chosen)

    def rows(self, meter: SimulatedMeter, first: int, stop: int, now: int) -> bytes:
        """Periods by number."""
        return self._octets(meter, self._kept(meter, now)[first:stop])

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 empties the buffer, 2 closes the period."""
        if method != 2:
            return super().act(meter, method, data, now)
        if not billing.is_due(meter) and self._is_locked(meter, now):
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE)
        billing.close(meter, now)
        return None

    def _is_locked(self, meter: SimulatedMeter, now: int) -> bool:
        if self._lockout is None:
            return False
        lockout_s = int(axdr.decode(self._lockout.get(meter, 2, None, now))[1])
        return now - billing.period_begin(meter, now) < lockout_s

    def _kept(self, meter: SimulatedMeter, now: int) -> list[int]:
        since = (meter.state.since or {}).get(self.key, COMMISSIONED)
        return [at for at in billing.closings(meter, now, self.entries) if at > since]

    def _octets(self, meter: SimulatedMeter, chosen: Sequence[int]) -> bytes:
        rows = []
        for at in chosen:
            begin = _begin_of(meter, at)
            values = [
                register.billed(meter, attribute, begin, at)
                for register, attribute in self._captured
            ]
            rows.append(b"".join((bytes((2, len(self.columns))), stamp(meter.stamp(at)), *values)))
        return b"".join(rows)


class PeriodFacts(StrEnum):
    """What an object tells about billing periods."""

    COUNTER = "counter"
    AVAILABLE = "number available"
    STAMP = "time stamp of the last close"


class PeriodFact(Behaviour):
    """The billing period counter, how many values are stored, or when the last period closed."""

    declares = DataObject

    def __init__(self, name: str, tells: PeriodFacts, entries: int = 13) -> None:
        super().__init__(name)
        self.tells = tells
        self._entries = entries

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        if self.tells is PeriodFacts.COUNTER:
            return axdr.encode(double_long_unsigned(billing.count(meter, now)))
        found = billing.closings(meter, now, self._entries)
        if self.tells is PeriodFacts.AVAILABLE:
            return axdr.encode(unsigned(len(found)))
        return stamp(meter.stamp(found[-1]) if found else b"\xff" * 9 + b"\x80\x00\xff")


class Stored(Behaviour):
    """What a register showed when a billing period closed; unavailable while there is none.

    `place` is the last group of the name: 101 and up, or 0 to 99 by the counter.
    """

    def __init__(self, register: Billed, place: int, entries: int = 13) -> None:
        self.declares = register.declares  # type: ignore[misc] # that of the register
        super().__init__(str(Obis(register.logical_name[:5] + bytes((place,)))))
        self._register = register
        self._place = place
        self._entries = entries

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """What the register has, as it was."""
        constant = self._register.fixed.get(attribute)
        if constant is not None:
            return constant
        back = self._place - _LAST
        if self._place < _NUMBERED:
            back = (billing.count(meter, now) - self._place) % _NUMBERED
        known = billing.closings(meter, now, self._entries)
        if back >= len(known):
            raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
        at = known[-1 - back]
        return self._register.billed(meter, attribute, _begin_of(meter, at), at)


def stored(registers: Sequence[Billed], places: Sequence[int], entries: int = 13) -> list[Stored]:
    """The stored values of registers for some last groups of the name: 101, 102 … or 0 to 99."""
    return [Stored(register, place, entries) for register in registers for place in places]


def _begin_of(meter: SimulatedMeter, at: int) -> int:
    """When the period began that closed at `at`."""
    before = [each for each in billing.closings(meter, at, 2) if each < at]
    return before[-1] if before else COMMISSIONED


def _at_the_first() -> Data:
    """Midnight at the first of every month."""
    midnight, first = octet_string(bytes(4)), octet_string(b"\xff\xff\xff\x01\xff")
    return array(structure(midnight, first))
