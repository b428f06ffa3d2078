"""What operators want done at a meter: put, carried out before all plans, and never twice.

queued -> running -> done, failed or unknown. A command that changes something and got no answer is
*unknown* until it is read back; nothing repeats it. One that only reads is queued again when the
process that ran it was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, insert, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.collect.command_kinds import CommandKinds
from ferraris.headend.collect.target import SUB_METER, Target
from ferraris.headend.collect.visits import out_of_reach, targets_of
from ferraris.headend.errors import ConflictError
from ferraris.headend.store import changes
from ferraris.headend.store.tables.collecting import COMMAND
from ferraris.headend.store.tables.inventory import METER

__all__ = [
    "ENDED",
    "Command",
    "Ending",
    "behind_of",
    "cancel_command",
    "commands",
    "commands_of",
    "expire_commands",
    "finish_commands",
    "put_command",
    "queued_commands",
    "start_commands",
]

ENDED: Final = frozenset({"done", "failed", "unknown", "cancelled"})
_LONGEST_RESULT: Final = 200_000
_VISITED: Final = case((METER.c.kind == SUB_METER, METER.c.behind), else_=METER.c.id)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it stands; `result` is what it brought, `message` why it failed.

    `visited` is who is spoken to: the meter itself, or the host of a sub-meter.
    """

    number: int
    meter: int
    external_id: str
    visited: int
    kind: str
    parameters: Mapping[str, Any]
    priority: int
    state: str
    requested_by: str
    requested_s: float
    not_after_s: float | None = None
    started_s: float | None = None
    ended_s: float | None = None
    result: Any = None
    message: str = ""


@dataclass(slots=True)
class Ending:
    """How a command ended."""

    command: Command
    state: str
    result: Any = None
    message: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def put_command(
    connection: Connection,
    tenant: int,
    meter: int,
    kind: str,
    parameters: Mapping[str, Any],
    *,
    kinds: CommandKinds,
    requested_by: str,
    now: float,
    not_after_s: float | None = None,
    priority: int = 0,
) -> int:
    """Queue a command and return its number; `UsageError` for an unknown kind or bad parameters.

    After `not_after_s` it is no longer begun. `ConflictError` when it never could be, as things
    stand: the meter is retired, or its host or gateway not active.
    """
    known = kinds.find(kind)
    checked = known.check(parameters)
    target = targets_of(connection, tenant, [meter]).get(meter)
    if target is not None and target.host:
        checked = known.at_channel(target, checked)
    if (why := out_of_reach(connection, tenant, [meter]).get(meter)) is not None:
        raise ConflictError(why, where="command")
    if not 0 <= priority <= 9:
        raise UsageError("priority is a number from 0 to 9", where="command")
    if not_after_s is not None and not_after_s <= now:
        raise UsageError("the command would be over before it is begun", where="command")
    number = connection.execute(
        insert(COMMAND)
        .values(
            tenant=tenant, meter=meter, kind=kind, parameters=json.dumps(checked),
            priority=priority, state="queued", requested_by=requested_by, requested_s=now,
            not_after_s=not_after_s, changes=int(known.changes),
        )
        .returning(COMMAND.c.id)
    ).scalar_one()  # fmt: skip
    (row,) = connection.execute(_select(tenant).where(COMMAND.c.id == number))
    _tell(connection, tenant, _command(row), "queued", now)
    return int(number)


def commands(
    connection: Connection,
    tenant: int,
    *conditions: ColumnElement[bool],
    before: int | None = None,
    limit: int = 100,
) -> list[Command]:
    """Commands of a tenant, newest first."""
    wanted = _select(tenant).where(*conditions).order_by(COMMAND.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(COMMAND.c.id < before)
    return [_command(row) for row in connection.execute(wanted)]


def queued_commands(connection: Connection, tenant: int, *, limit: int = 500) -> list[Command]:
    """What is to be done, the most urgent first."""
    wanted = _select(tenant).where(COMMAND.c.state == "queued")
    order = (COMMAND.c.priority, COMMAND.c.id)
    return [_command(row) for row in connection.execute(wanted.order_by(*order).limit(limit))]


def commands_of(
    connection: Connection, tenant: int, meters: Sequence[int], state: str
) -> dict[int, list[Command]]:
    """The commands in a state for which these meters are visited, by who is visited, in order."""
    if not meters:
        return {}
    found: dict[int, list[Command]] = {}
    wanted = _select(tenant).where(COMMAND.c.state == state, _VISITED.in_(sorted(meters)))
    for row in connection.execute(wanted.order_by(COMMAND.c.priority, COMMAND.c.id)):
        found.setdefault(row.visited, []).append(_command(row))
    return found


def behind_of(
    connection: Connection, tenant: int, listed: Iterable[Sequence[Command]]
) -> dict[int, Target]:
    """The sub-meters that commands are for, by their numbers."""
    meters = {each.meter for those in listed for each in those if each.meter != each.visited}
    return targets_of(connection, tenant, meters)


def start_commands(
    connection: Connection, worker: int, wanted: Sequence[Command], *, now: float
) -> list[Command]:
    """Mark commands as running; returns those that were still queued."""
    begun = []
    for command in sorted(wanted, key=lambda each: each.number):
        same = (COMMAND.c.id == command.number) & (COMMAND.c.state == "queued")
        changed = update(COMMAND).where(same).values(state="running", worker=worker, started_s=now)
        if connection.execute(changed).rowcount:
            begun.append(command)
    return begun


def finish_commands(
    connection: Connection, tenant: int, endings: Sequence[Ending], *, now: float
) -> None:
    """Write how commands ended; one with the state "queued" is to be done once more."""
    for ending in endings:
        text = json.dumps(ending.result) if ending.result is not None else ""
        if len(text) > _LONGEST_RESULT:
            text = json.dumps({"cut": True})
        over = ending.state in ENDED
        connection.execute(
            update(COMMAND)
            .where(COMMAND.c.id == ending.command.number, COMMAND.c.state != "cancelled")
            .values(
                state=ending.state, result=text, message=ending.message[:500], worker=None,
                ended_s=now if over else None,
            )
        )  # fmt: skip
        _tell(connection, tenant, ending.command, ending.state, now)


def expire_commands(connection: Connection, tenant: int, *, now: float) -> int:
    """End what was not begun in time; returns how many."""
    late = (
        (COMMAND.c.tenant == tenant)
        & (COMMAND.c.state == "queued")
        & COMMAND.c.not_after_s.is_not(None)
        & (COMMAND.c.not_after_s <= now)
    )
    found = [_command(row) for row in connection.execute(_select(tenant).where(late))]
    message = "it could not be begun in time"
    finish_commands(
        connection, tenant, [Ending(each, "failed", message=message) for each in found], now=now
    )
    return len(found)


def cancel_command(connection: Connection, tenant: int, number: int, *, now: float) -> bool:
    """Cancel a command that is not begun yet; False when it is too late, or there is none."""
    queued = (COMMAND.c.tenant == tenant) & (COMMAND.c.state == "queued")
    changed = (
        update(COMMAND)
        .where(queued, COMMAND.c.id == bindparam("which"))
        .values(state="cancelled", ended_s=now)
    )
    if not connection.execute(changed, {"which": number}).rowcount:
        return False
    (row,) = connection.execute(_select(tenant).where(COMMAND.c.id == number))
    _tell(connection, tenant, _command(row), "cancelled", now)
    return True


def _select(tenant: int) -> Any:
    return (
        select(COMMAND, METER.c.external_id, _VISITED.label("visited"))
        .join(METER, METER.c.id == COMMAND.c.meter)
        .where(COMMAND.c.tenant == tenant)
    )


def _command(row: Row[Any]) -> Command:
    return Command(
        row.id, row.meter, row.external_id, row.visited, row.kind, json.loads(row.parameters),
        row.priority, row.state, row.requested_by, row.requested_s, row.not_after_s,
        row.started_s, row.ended_s,
        json.loads(row.result) if row.result else None, row.message,
    )  # fmt: skip


def _tell(connection: Connection, tenant: int, command: Command, state: str, now: float) -> None:
    detail = {"meter": command.external_id, "kind": command.kind, "state": state}
    changes.note(connection, tenant, "command", str(command.number), at_s=now, detail=detail)
