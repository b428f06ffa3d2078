"""One meter at work: what it is read for, the commands for it, and whoever waits for the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ferraris.core.errors import Error, LineError, SecurityError
from ferraris.headend.collect.command_kinds import CommandKinds, Order
from ferraris.headend.collect.commands import Command, Ending
from ferraris.headend.collect.gaps import AtWork, MeterGaps
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.plan import Item
from ferraris.headend.collect.segments import Ticket
from ferraris.headend.collect.session import Report
from ferraris.headend.store.records import Brought

__all__ = ["Job", "carry_out"]

Clock = Callable[[], float]

_BROKEN = (LineError, SecurityError, TimeoutError, OSError)  # the association is no more


@dataclass(slots=True, eq=False)
class Job:
    """A claimed meter, until its session is stored."""

    found: MeterGaps
    work: list[AtWork]
    items: Mapping[int, Item]
    occasion: str = "plan"
    commands: list[Command] = field(default_factory=list)
    unknown: list[Command] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    ticket: Ticket | None = None
    task: asyncio.Task[None] | None = None
    report: Report | None = None
    stored: asyncio.Future[None] | None = None

    @property
    def meter(self) -> int:
        """The number of the meter."""
        return self.found.target.meter


async def carry_out(
    job: Job, kinds: CommandKinds, clock: Clock, face: MeterFace, report: Report
) -> None:
    """Do the commands of a job in order; how each ended is in `endings`.

    What was not begun when the association broke has failed.
    """
    for command in job.unknown:
        await _read_back(job, command, kinds, clock, face)
    for place, command in enumerate(job.commands):
        kind = kinds.find(command.kind)
        order = Order(job.found.target, command.parameters, clock)
        try:
            answer = await kind.run(face, order)
        except Exception as error:
            unknown = kind.changes and (
                (isinstance(error, Error) and error.outcome_unknown) or not isinstance(error, Error)
            )
            state = "unknown" if unknown else "failed"
            job.endings.append(Ending(command, state, message=_says(error)))
            if isinstance(error, _BROKEN):
                text = f"not begun: {_says(error)}"
                rest = job.commands[place + 1 :]
                job.endings += [Ending(each, "failed", message=text) for each in rest]
                raise
            continue
        _bring(report, answer.brought)
        state = "done" if answer.done else "failed"
        job.endings.append(Ending(command, state, answer.result))


async def _read_back(
    job: Job, command: Command, kinds: CommandKinds, clock: Clock, face: MeterFace
) -> None:
    """Find out what became of a command that was left without an answer."""
    kind = kinds.find(command.kind)
    if kind.read_back is None:
        return
    order = Order(job.found.target, command.parameters, clock)
    try:
        answer = await kind.read_back(face, order)
    except _BROKEN:
        raise
    except Exception:  # noqa: BLE001 - it stays unknown
        return
    state, message = (
        ("done", "read back: it was carried out")
        if answer.done
        else ("failed", "read back: it was not carried out")
    )
    job.endings.append(Ending(command, state, answer.result, message))


def _bring(report: Report, brought: Brought) -> None:
    for name in ("blocks", "reads", "undated", "events"):
        getattr(report.brought, name).extend(getattr(brought, name))


def _says(error: BaseException) -> str:
    return str(error) if isinstance(error, Error | OSError) else f"internal: {type(error).__name__}"
