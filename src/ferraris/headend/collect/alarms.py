"""Alarms of meters in the store: raised, repeated, over; acknowledged by somebody.

Meters push them, and plans read them. Two heads that hear of one at the same moment raise it once:
an alarm that is not over is unique for its meter and name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.inventory.naming import chunks
from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.readings import ALARM
from ferraris.headend.store.upsert import raising
from ferraris.model import events as known_events

__all__ = [
    "ALARM_OBJECTS",
    "LAST_GASP",
    "AlarmBits",
    "Signal",
    "acknowledge",
    "all_alarms",
    "register_of",
    "signal",
    "words_of_alarm",
]

LAST_GASP: Final = "last gasp"
"""The alarm of a meter that lost its power; over when it is heard again."""

ALARM_OBJECTS: Final = (97, 98)
"""C and D of alarm registers, E from 0, and of their descriptors, E from 20 [facts-g]."""

_FIRST_DESCRIPTOR: Final = 20
_REGISTERS: Final = 10
_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class AlarmBits:
    """What an alarm register or descriptor holds; `register` counts from 1."""

    register: int
    bits: int


@dataclass(frozen=True, slots=True)
class Signal:
    """What a meter said at a moment: which alarms it has, and which it says it has not."""

    meter: int
    external_id: str
    at_s: float
    alarms: Mapping[str, bool]


def signal(
    connection: Connection, tenant: int, signals: Iterable[Signal], *, source: str = "push"
) -> int:
    """Raise, repeat and clear, in the order given; returns how many alarms were raised.

    An alarm that lasts is one row, however often it is told. One that was acknowledged and is not
    over stays acknowledged.
    """
    told: dict[tuple[int, str], list[Signal]] = defaultdict(list)
    for each in signals:
        for name in each.alarms:
            told[each.meter, name].append(each)
    known = _Known(connection, tenant, {meter for meter, _ in told})
    raised = 0
    for meter, name in sorted(told):  # whoever writes the same rows takes them in the same order
        for each in told[meter, name]:
            if each.alarms[name]:
                raised += known.is_on(each, name, source)
            else:
                known.is_off(each, name)
    return raised


def acknowledge(
    connection: Connection, tenant: int, number: int, by: str, at_s: float, *, comment: str = ""
) -> bool:
    """Somebody has seen it; False when there is no such alarm or somebody had before."""
    changed = connection.execute(
        update(ALARM)
        .where(ALARM.c.tenant == tenant, ALARM.c.id == number, ALARM.c.acknowledged_s.is_(None))
        .values(acknowledged_s=at_s, acknowledged_by=by, comment=comment)
    )
    return bool(changed.rowcount)


def all_alarms(companion: str, bits: Sequence[AlarmBits]) -> dict[str, bool]:
    """Every alarm of these registers by name: raised or not."""
    found: dict[str, bool] = {}
    for each in bits:
        for bit in range(_BITS):
            words = words_of_alarm(companion, each.register, bit)
            found[words] = found.get(words, False) or bool(each.bits >> bit & 1)
    return found


def words_of_alarm(companion: str, register: int, bit: int) -> str:
    """What a bit of an alarm register is called; by its number where nobody says."""
    named = None
    if companion:
        try:
            named = known_events.alarm(companion, register, bit)
        except UsageError:
            named = None
    return f"alarm register {register} bit {bit}" if named is None else named.words


def register_of(group_e: int) -> int:
    """Which alarm register, from 1, an object is or describes, by field E of its name."""
    first = _FIRST_DESCRIPTOR if group_e >= _FIRST_DESCRIPTOR else 0
    return 1 + (group_e - first) % _REGISTERS


class _Known:
    """The alarms of some meters that last."""

    def __init__(self, connection: Connection, tenant: int, meters: set[int]) -> None:
        self._connection = connection
        self._tenant = tenant
        self._lasting: set[tuple[int, str]] = set()
        for some in chunks(sorted(meters)):
            rows = connection.execute(
                select(ALARM.c.meter, ALARM.c.name).where(
                    ALARM.c.tenant == tenant, ALARM.c.meter.in_(some), ALARM.c.cleared_s.is_(None)
                )
            )
            self._lasting |= {(row.meter, row.name) for row in rows}

    def is_on(self, told: Signal, name: str, source: str) -> bool:
        """Whether that was new."""
        values = {
            "tenant": self._tenant,
            "meter": told.meter,
            "name": name,
            "source": source,
            "raised_s": told.at_s,
            "last_s": told.at_s,
            "times": 1,
        }
        times = self._connection.execute(raising(self._connection, ALARM, values)).scalar_one()
        self._lasting.add((told.meter, name))
        if times == 1:
            self._tell(told, name, "raised")
        return bool(times == 1)

    def is_off(self, told: Signal, name: str) -> None:
        if (told.meter, name) not in self._lasting:
            return
        self._lasting.discard((told.meter, name))
        mine = (ALARM.c.tenant == self._tenant) & (ALARM.c.meter == told.meter)
        over = self._connection.execute(
            update(ALARM)
            .where(mine, ALARM.c.name == name, ALARM.c.cleared_s.is_(None))
            .values(cleared_s=told.at_s)
        )
        if over.rowcount:
            self._tell(told, name, "cleared")

    def _tell(self, told: Signal, name: str, what: str) -> None:
        detail = {"alarm": name, "state": what}
        note(
            self._connection, self._tenant, "alarm", told.external_id, at_s=told.at_s, detail=detail
        )
