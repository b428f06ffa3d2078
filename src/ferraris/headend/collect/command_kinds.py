"""Kinds of commands: what they take, whether they change the meter, and how they are done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from ferraris.core.errors import Error, RefusedError, UsageError
from ferraris.data.obis import Obis
from ferraris.data.readings import Reading, Series
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.session import CLOCK, deviation_of
from ferraris.headend.collect.target import Target
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.exchange import pack_readings, pack_series, pack_undated
from ferraris.headend.store.records import Brought

__all__ = ["Answer", "CommandKind", "CommandKinds", "Order", "plain_reading", "standard_kinds"]

_MOST_NAMES: Final = 200
_MOST_DAYS: Final = 400
_READINGS_SHOWN: Final = 2000
_CLOCK_TOLERANCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """One command to one meter: what is wanted, of whom, and what time it is."""

    target: Target
    parameters: Mapping[str, Any]
    clock: Callable[[], float]


@dataclass(slots=True)
class Answer:
    """What a command came to: a result for whoever asked (JSON), and readings for the store.

    `done` is False when it turned out, by reading back, that it was not carried out.
    """

    result: Any
    brought: Brought = field(default_factory=Brought)
    done: bool = True


Carry = Callable[[MeterFace, Order], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One kind: `check` gives clean parameters or raises `UsageError`, `run` does it.

    `changes` tells whether something at the meter is changed; such a command is never repeated.
    `read_back` finds out later what became of one that is unknown.
    """

    name: str
    changes: bool
    check: Callable[[Mapping[str, Any]], dict[str, Any]]
    run: Carry
    read_back: Carry | None = None


class CommandKinds:
    """The kinds that a head-end knows; rooms above add theirs."""

    def __init__(self, kinds: Iterable[CommandKind] = ()) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def add(self, kind: CommandKind) -> None:
        """One more kind; a name is taken once."""
        if kind.name in self._kinds:
            raise UsageError(f"there is a command {kind.name!r} already", where="command")
        self._kinds[kind.name] = kind

    def find(self, name: str) -> CommandKind:
        """The kind of a name; `UsageError` lists what there is."""
        try:
            return self._kinds[name]
        except KeyError:
            text = f"no command {name!r:.60}; there are {', '.join(sorted(self._kinds))}"
            raise UsageError(text, where="command") from None

    def names(self) -> list[str]:
        """The names of all kinds."""
        return sorted(self._kinds)


def standard_kinds() -> CommandKinds:
    """Reading registers and profiles, and setting the clock."""
    return CommandKinds(
        [
            CommandKind("read registers", False, _check_registers, _read_registers),
            CommandKind("read profile", False, _check_profile, _read_profile),
            CommandKind("set clock", True, _check_nothing, _set_clock, _clock_is_set),
        ]
    )


def plain_reading(reading: Reading) -> dict[str, Any]:
    """A reading as JSON has it: numbers as exact texts, octets in hex."""
    value: Any = reading.value
    if isinstance(value, bytes):
        value = value.hex()
    elif not isinstance(value, bool | int | str | None):
        value = str(value)
    return {
        "name": str(reading.name),
        "value": value,
        "unit": None if reading.unit is None else str(reading.unit),
        "time": None if reading.time is None else reading.time.isoformat(),
        "quality": int(reading.quality),
    }


def _check_registers(given: Mapping[str, Any]) -> dict[str, Any]:
    names = given.get("names")
    if set(given) != {"names"} or not isinstance(names, list) or not 0 < len(names) <= _MOST_NAMES:
        raise UsageError(f"it takes names: 1 to {_MOST_NAMES} OBIS codes", where="command")
    return {"names": [_obis(name) for name in names]}


def _check_profile(given: Mapping[str, Any]) -> dict[str, Any]:
    if set(given) != {"profile", "since", "until"}:
        raise UsageError("it takes profile, since and until", where="command")
    since, until = _instant(given["since"]), _instant(given["until"])
    if not 0 < until - since <= _MOST_DAYS * DAY_S:
        text = f"until lies after since, and not more than {_MOST_DAYS} days"
        raise UsageError(text, where="command")
    return {
        "profile": _obis(given["profile"]),
        "since": _text(since),
        "until": _text(until),
    }


def _check_nothing(given: Mapping[str, Any]) -> dict[str, Any]:
    if given:
        raise UsageError("it takes no parameters", where="command")
    return {}


async def _read_registers(face: MeterFace, order: Order) -> Answer:
    names = list(order.parameters["names"])
    read_s = int(order.clock())
    readings = await face.read_registers(names)
    if not readings:
        raise RefusedError("it gives none of these registers", where="meter")
    brought = Brought(reads=[pack_readings(read_s // DAY_S, read_s, readings)])
    there = {str(reading.name) for reading in readings}
    result = {
        "readings": [plain_reading(reading) for reading in readings],
        "missing": [name for name in names if name not in there],
    }
    return Answer(result, brought)


async def _read_profile(face: MeterFace, order: Order) -> Answer:
    name = order.parameters["profile"]
    since, until = (datetime.fromisoformat(order.parameters[key]) for key in ("since", "until"))
    series: Series = await face.read_profile(name, since, until)
    bounds = int(since.timestamp()), int(until.timestamp())
    brought = Brought(blocks=pack_series(name, series, *bounds), undated=pack_undated(name, series))
    inside = (each for each in series.readings() if each.time and since < each.time <= until)
    shown = [plain_reading(each) for each in islice(inside, _READINGS_SHOWN)]
    return Answer({"rows": sum(block.rows for block in brought.blocks), "readings": shown}, brought)


async def _set_clock(face: MeterFace, order: Order) -> Answer:
    before_s = await _deviation(face, order)
    await face.set_clock(datetime.fromtimestamp(order.clock(), UTC))
    try:
        after_s = await _deviation(face, order)
    except Error as error:  # it was written; what the clock says now is another question
        return Answer({"before_s": before_s, "after_s": None, "message": str(error)})
    return Answer({"before_s": before_s, "after_s": after_s})


async def _clock_is_set(face: MeterFace, order: Order) -> Answer:
    after_s = await _deviation(face, order)
    done = after_s is not None and abs(after_s) <= _CLOCK_TOLERANCE_S
    return Answer({"before_s": None, "after_s": after_s}, done=done)


async def _deviation(face: MeterFace, order: Order) -> float | None:
    for reading in await face.read_registers([CLOCK]):
        return deviation_of(reading, order.target.zone, order.clock())
    return None


def _obis(name: Any) -> str:
    if not isinstance(name, str) or len(name) > 40:
        raise UsageError("a name is an OBIS code", where="command")
    return str(Obis.parse(name))


def _instant(text: Any) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise UsageError(
            "a time is written as 2026-03-29T00:00:00+01:00", where="command"
        ) from None
    if moment.tzinfo is None:
        raise UsageError("a time needs its zone", where="command")
    return int(moment.timestamp())


def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
