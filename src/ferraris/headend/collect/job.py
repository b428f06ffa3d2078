"""One meter at work: what it is read for, the commands for it, and whoever waits for the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ferraris.core.errors import Error, LineError, RefusedError, SecurityError, UsageError
from ferraris.headend.collect.channels import ChannelFace
from ferraris.headend.collect.command_kinds import CommandKinds, Order
from ferraris.headend.collect.commands import Command, Ending
from ferraris.headend.collect.gaps import AtWork, MeterGaps
from ferraris.headend.collect.meter_face import MeterFace
from ferraris.headend.collect.plan import Item
from ferraris.headend.collect.segments import Ticket
from ferraris.headend.collect.session import Report, wrong_device
from ferraris.headend.collect.target import Target
from ferraris.headend.store.records import Brought

__all__ = ["Job", "carry_out"]

Clock = Callable[[], float]

_BROKEN = (LineError, SecurityError, TimeoutError, OSError)  # the association is no more


@dataclass(slots=True, eq=False)
class Job:
    """A claimed meter, until its session is stored.

    Commands are for it, or for sub-meters behind it, whose `targets` are by the number of those.
    """

    found: MeterGaps
    work: list[AtWork]
    items: Mapping[int, Item]
    occasion: str = "plan"
    commands: list[Command] = field(default_factory=list)
    unknown: list[Command] = field(default_factory=list)
    targets: Mapping[int, Target] = field(default_factory=dict)
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
    visit = _Visit(job, kinds, clock, face, report)
    for command in job.unknown:
        await _read_back(visit, command)
    for place, command in enumerate(job.commands):
        kind, begun = kinds.find(command.kind), False
        try:
            there = await visit.place(command)
            begun = True
            answer = await kind.run(there.face, there.order)
        except Exception as error:
            unknown = (
                begun and kind.changes and (not isinstance(error, Error) or error.outcome_unknown)
            )
            state = "unknown" if unknown else "failed"
            message = _says(error) if begun else f"not begun: {_says(error)}"
            job.endings.append(Ending(command, state, message=message))
            if isinstance(error, _BROKEN):
                text = f"not begun: {_says(error)}"
                rest = job.commands[place + 1 :]
                job.endings += [Ending(each, "failed", message=text) for each in rest]
                raise
            continue
        _bring(there.report, answer.brought)
        state = "done" if answer.done else "failed"
        job.endings.append(Ending(command, state, answer.result))


class _Place(NamedTuple):
    """Where a command is carried out, and whose report has what it brings."""

    face: MeterFace
    order: Order
    report: Report


class _Visit:
    """One association with a meter, at which its own commands and those of its sub-meters are."""

    def __init__(
        self, job: Job, kinds: CommandKinds, clock: Clock, face: MeterFace, report: Report
    ) -> None:
        self.job = job
        self.kinds = kinds
        self._clock = clock
        self._face = face
        self._report = report

    async def place(self, command: Command) -> _Place:
        """Where a command is carried out; raises where that is not the meter that is meant."""
        if command.meter == self.job.meter:
            order = Order(self.job.found.target, command.parameters, self._clock)
            return _Place(self._face, order, self._report)
        target = self.job.targets.get(command.meter)
        if target is None or target.host != self.job.meter:
            host = self.job.found.target.external_id
            raise UsageError(f"{command.external_id} is not behind {host} any more")
        parameters = self.kinds.find(command.kind).at_channel(target, command.parameters)
        report = self._report_of(target)
        if report.device is None:
            report.device = await self._face.read_device(target.channel)
        if (wrong := wrong_device(target, report.device)) is not None:
            raise RefusedError(wrong.message)
        report.reached = True
        order = Order(target, parameters, self._clock)
        return _Place(ChannelFace(self._face, target.channel), order, report)

    def _report_of(self, target: Target) -> Report:
        """That of a sub-meter, from which nothing else may be due."""
        for each in self._report.behind:
            if each.meter == target.meter:
                return each
        made = Report(MeterGaps(target, priority=0), self._report.occasion, self._clock())
        self._report.behind.append(made)
        return made


async def _read_back(visit: _Visit, command: Command) -> None:
    """Find out what became of a command that was left without an answer."""
    kind = visit.kinds.find(command.kind)
    if kind.read_back is None:
        return
    try:
        there = await visit.place(command)
        answer = await kind.read_back(there.face, there.order)
    except _BROKEN:
        raise
    except Exception:  # noqa: BLE001 - it stays unknown
        return
    state, message = (
        ("done", "read back: it was carried out")
        if answer.done
        else ("failed", "read back: it was not carried out")
    )
    visit.job.endings.append(Ending(command, state, answer.result, message))


def _bring(report: Report, brought: Brought) -> None:
    for name in ("blocks", "reads", "undated", "events"):
        getattr(report.brought, name).extend(getattr(brought, name))


def _says(error: BaseException) -> str:
    return str(error) if isinstance(error, Error | OSError) else f"internal: {type(error).__name__}"
