"""The commands that every head-end knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from ferraris.core.errors import Error, RefusedError, UsageError
from ferraris.data.obis import Obis
from ferraris.data.readings import Reading, Series
from ferraris.headend.collect.alarm_clearing import CLEAR_ALARMS
from ferraris.headend.collect.channels import plan_name
from ferraris.headend.collect.command_kinds import (
    Answer,
    CommandKind,
    CommandKinds,
    Order,
    takes_nothing,
)
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.session import CLOCK, deviation_of
from ferraris.headend.collect.switching import DISCONNECT, RECONNECT
from ferraris.headend.collect.target import Target
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.exchange import pack_readings, pack_series, pack_undated
from ferraris.headend.store.records import Brought

__all__ = ["plain_reading", "standard_kinds"]

_MOST_NAMES: Final = 200
_MOST_DAYS: Final = 400
_READINGS_SHOWN: Final = 2000
_CLOCK_TOLERANCE_S: Final = 10.0


def standard_kinds() -> CommandKinds:
    """Reading registers and profiles, setting the clock, clearing alarms, the switch or valve."""
    return CommandKinds(
        [
            CommandKind(
                "read registers", False, _check_registers, _read_registers,
                at_channel=_registers_at_channel,
            ),
            CommandKind(
                "read profile", False, _check_profile, _read_profile, at_channel=_profile_at_channel
            ),
            CommandKind(
                "set clock", True, takes_nothing, _set_clock, _clock_is_set,
                at_channel=_clock_of_host,
            ),
            CLEAR_ALARMS,
            DISCONNECT,
            RECONNECT,
        ]
    )  # fmt: skip


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


def _registers_at_channel(target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"names": list(dict.fromkeys(plan_name(name, target) for name in given["names"]))}


def _profile_at_channel(target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
    return {**given, "profile": plan_name(given["profile"], target)}


def _clock_of_host(target: Target, given: Mapping[str, Any]) -> dict[str, Any]:
    host = target.host_name
    text = f"{target.external_id} has the clock of {host}, behind which it is: set that of {host}"
    raise UsageError(text, where="command")


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
