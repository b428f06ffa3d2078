"""Clearing in a meter the alarms that are stored: the bits that were read, and no others.

A bit of a descriptor stays until a client writes a zero at its place; ones leave what is there
[facts-g]. So an alarm that comes between reading and clearing is not lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, select

from ferraris.core.errors import Error, RefusedError, UsageError
from ferraris.data.kinds import double_long_unsigned
from ferraris.data.obis import Obis
from ferraris.headend.collect.alarms import ALARM_OBJECTS
from ferraris.headend.collect.command_kinds import Answer, CommandKind, CommandKinds, Order
from ferraris.headend.collect.commands import put_command
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.store.tables.collecting import COMMAND
from ferraris.model.data_storage import DataObject

__all__ = ["CLEAR_ALARMS", "clear_later"]

_ALL: Final = 0xFFFFFFFF
_PENDING: Final = ("queued", "running", "unknown")
_NAME: Final = "clear alarms"


def clear_later(
    connection: Connection, tenant: int, meter: int, register: str, bits: int, *, now: float
) -> None:
    """Queue the command that clears stored alarms, unless one for the same is on its way."""
    wanted = {"register": register, "bits": bits}
    known = connection.execute(
        select(COMMAND.c.parameters).where(
            COMMAND.c.meter == meter, COMMAND.c.kind == _NAME, COMMAND.c.state.in_(_PENDING)
        )
    ).scalars()
    if any(json.loads(each)["register"] == register for each in known):
        return
    put_command(
        connection, tenant, meter, _NAME, wanted, kinds=CommandKinds([CLEAR_ALARMS]),
        requested_by="plan", now=now,
    )  # fmt: skip


def _check(given: Mapping[str, Any]) -> dict[str, Any]:
    register, bits = given.get("register"), given.get("bits")
    if set(given) != {"register", "bits"} or not isinstance(register, str):
        raise UsageError("it takes register and bits", where="command")
    obis = Obis.parse(register)
    if (obis.c, obis.d) != ALARM_OBJECTS:
        raise UsageError("register is an alarm register or its descriptor", where="command")
    if type(bits) is not int or not 0 < bits <= _ALL:
        raise UsageError("bits is a number of 32 bits, and not 0", where="command")
    return {"register": str(obis), "bits": bits}


async def _clear(face: MeterFace, order: Order) -> Answer:
    name, bits = order.parameters["register"], order.parameters["bits"]
    before = await _present(face, name)
    if not before & bits:
        return Answer({"before": before, "after": before})
    kept = double_long_unsigned(_ALL & ~bits)
    await face.meter.set_data(DataObject.class_id, name, 2, kept)
    try:
        after = await _present(face, name)
    except Error as error:  # it was written; what is there now is another question
        return Answer({"before": before, "after": None, "message": str(error)})
    return Answer({"before": before, "after": after})


async def _is_cleared(face: MeterFace, order: Order) -> Answer:
    """A bit that is there was not cleared, or came back: the plan reads it once more either way."""
    after = await _present(face, order.parameters["register"])
    return Answer({"before": None, "after": after}, done=not after & order.parameters["bits"])


async def _present(face: MeterFace, name: str) -> int:
    for reading in await face.read_registers([name]):
        if isinstance(reading.value, int):
            return reading.value
    raise RefusedError(f"it does not give {name}, or not as bits", where="meter")


CLEAR_ALARMS: Final = CommandKind(_NAME, True, _check, _clear, _is_cleared)
"""Takes `register` and the `bits` that are cleared there."""
