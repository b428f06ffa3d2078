"""Operations on collection: plans, what is missing, read success, sessions, commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.collect import overview
from ferraris.headend.collect.collection import Collection
from ferraris.headend.collect.command_kinds import CommandKinds
from ferraris.headend.collect.commands import Command, cancel_command, commands, put_command
from ferraris.headend.collect.plan import plan_of
from ferraris.headend.collect.plans import (
    KnownPlan,
    check_group,
    delete_plan,
    find_plan,
    plans,
    put_plan,
)
from ferraris.headend.collect.standard_kinds import standard_kinds
from ferraris.headend.collect.windows import local_day
from ferraris.headend.inventory import group_selection
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import ConflictError, NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after, page
from ferraris.headend.operations.privacy import look
from ferraris.headend.privacy import concerns_customer, look_detail
from ferraris.headend.store.tables.collecting import COMMAND, SESSION
from ferraris.headend.store.tables.inventory import METER

__all__ = [
    "CommandView",
    "MissingView",
    "NewCommand",
    "PlanDocument",
    "PlanView",
    "ReadAgain",
    "Released",
    "SessionView",
    "SuccessPart",
    "SuccessView",
    "known_plan",
]

_EPOCH = date(1970, 1, 1)
_MOST_DAYS = 400
_STATES = ("queued", "running", "done", "failed", "unknown", "cancelled")


@dataclass(frozen=True, slots=True)
class ProfileLine:
    """A load profile and its capture period, as 15 min."""

    profile: str
    period: str = "15 min"


@dataclass(frozen=True, slots=True)
class BillingLine:
    """A billing profile, and which local periods it closes: day, week, month or year."""

    profile: str
    each: str = "month"


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """A plan: what is read from which group, when, by when and how far back."""

    group: Annotated[str, "A group of meters; all of them when empty."] = ""
    zone: Annotated[str, "IANA name of the time zone of all times here."] = "UTC"
    priority: Annotated[int, "0 first, 9 last."] = 4
    active: bool = True
    profiles: list[ProfileLine] = field(default_factory=list)
    registers: Annotated[list[str], "OBIS codes."] = field(default_factory=list)
    billing: list[BillingLine] = field(default_factory=list)
    logs: Annotated[list[str], "OBIS codes of event logs."] = field(default_factory=list)
    windows: Annotated[
        list[dict[str, str | list[str]]],
        'Each {"from": "00:15", "until": "05:00"}; "on": ["mon"], "every": "4 h" and "for": "1 h".',
    ] = field(default_factory=lambda: [{"from": "00:00", "until": "24:00"}])
    deadline: Annotated[str, "A time of day."] = "06:00"
    deadline_days: Annotated[int, "0 for the day that is read, 1 for the day after."] = 1
    back_days: Annotated[int, "How far back what is missing is asked for."] = 30
    reach: Annotated[str, "day: to local midnight; utc day; now: whatever is there."] = "day"
    before_days: Annotated[int, "Days before a meter became active that are due as well."] = 0


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan, and whether its window is open now."""

    name: str
    plan: PlanDocument
    changed: datetime
    open: bool
    opens_next: datetime


@dataclass(frozen=True, slots=True)
class MissingView:
    """A meter of which something is missing, why, and what it waits for."""

    meter: str
    gaps: int
    oldest_day: date
    state: str
    reason: str
    message: str
    tries: int
    not_before: datetime | None
    heard: datetime | None
    days_silent: int | None


@dataclass(frozen=True, slots=True)
class SuccessView:
    """Of `due` meters, how many had everything of a day in time, and how many later.

    Of those that are `lost` registers of the day were not read, which nobody can do any more.
    """

    day: date
    due: int
    in_time: int
    late: int
    missing: int
    lost: int
    deadline: datetime
    counted: datetime
    final: bool


@dataclass(frozen=True, slots=True)
class SuccessPart:
    """Read success of a segment, model or firmware."""

    name: str
    due: int
    in_time: int
    late: int
    lost: int


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session with a meter; `clock_deviation_s` is how much its clock was ahead."""

    number: int
    meter: str
    started: datetime
    ended: datetime
    occasion: str
    outcome: str
    message: str
    intervals: int
    registers: int
    events: int
    clock_deviation_s: float | None


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command as it stands: queued, running, done, failed, unknown or cancelled."""

    number: int
    meter: str
    kind: str
    parameters: dict[str, Any]
    state: str
    requested_by: str
    requested: datetime
    not_after: datetime | None
    started: datetime | None
    ended: datetime | None
    message: str
    result: Any


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command to be; `parameters` is what its kind takes."""

    kind: Annotated[str, "read registers, read profile, set clock, disconnect, reconnect, ..."]
    parameters: Annotated[dict[str, Any], "As JSON."] = field(default_factory=dict)
    not_after: Annotated[datetime | None, "It is not begun later."] = None
    priority: Annotated[int, "0 first, 9 last, among commands."] = 0


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """Days (UTC) to be read once more, of all that a plan reads."""

    plan: str
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Released:
    """How many meters and gaps wait no longer."""

    number: int


@operation("GET /plans", command="plans list", right=Right.SEE_METERS)
def list_plans(desk: Desk) -> list[PlanView]:
    """List the plans of collection."""
    return [_plan_view(each, desk.now) for each in plans(desk.connection, desk.tenant)]


@operation("GET /plans/{plan}", command="plans show", right=Right.SEE_METERS)
def show_plan(desk: Desk, plan: str) -> PlanView:
    """Show a plan."""
    return _plan_view(known_plan(desk, plan), desk.now)


@operation("PUT /plans/{plan}", command="plans put", right=Right.PLAN)
def put_plan_document(desk: Desk, plan: str, body: PlanDocument) -> PlanView:
    """Make a plan, or put another in its place."""
    desk.demand_everywhere(Right.PLAN)
    made = plan_of({"name": plan, **_plain(body)})
    check_group(desk.connection, desk.tenant, made, group_selection)
    return _plan_view(put_plan(desk.connection, desk.tenant, made, now=desk.now), desk.now)


@operation("DELETE /plans/{plan}", command="plans delete", right=Right.PLAN)
def delete_plan_document(desk: Desk, plan: str) -> None:
    """Delete a plan and its read success; what was read stays."""
    desk.demand_everywhere(Right.PLAN)
    if not delete_plan(desk.connection, desk.tenant, plan, now=desk.now):
        raise NotFoundError(f"no plan {plan!r}")


@operation("GET /missing", command="missing", right=Right.SEE_METERS)
def list_missing(
    desk: Desk, plan: str = "", after: str = "", limit: int = 100
) -> Page[MissingView]:
    """List the meters of which something is missing, and why."""
    known = [known_plan(desk, plan)] if plan else plans(desk.connection, desk.tenant)
    found, at = overview.missing_meters(
        desk.connection,
        desk.tenant,
        known,
        now=desk.now,
        after=number_after(after),
        limit=checked_limit(limit),
        among=desk.visible(Right.SEE_METERS),
    )
    return Page([_missing_view(each) for each in found], "" if at is None else str(at))


@operation("GET /plans/{plan}/success", command="success list", right=Right.SEE_METERS)
def list_success(
    desk: Desk,
    plan: str,
    days: int = 30,
    by: Annotated[str, "segment, model or firmware: of the part that is named."] = "",
    part: str = "",
) -> list[SuccessView]:
    """List the read success of a plan by day, the last days that are over."""
    desk.demand_everywhere(Right.SEE_METERS)
    _check_days(days)
    known = known_plan(desk, plan)
    today = local_day(desk.now, known.plan.zone)
    found = overview.success_of_days(
        desk.connection,
        known.number,
        since_day=today - days,
        until_day=today,
        part=overview.success_part(desk.connection, desk.tenant, by, part) if by else None,
    )
    return [
        SuccessView(
            _date(each.day), each.due, each.in_time, each.late,
            each.due - each.in_time - each.late - each.lost, each.lost, _time(each.deadline_s),
            _time(each.counted_s), each.final,
        )
        for each in found
    ]  # fmt: skip


@operation("GET /plans/{plan}/success/{day}", command="success by", right=Right.SEE_METERS)
def list_success_parts(
    desk: Desk,
    plan: str,
    day: date,
    by: str = "segment",
    days: Annotated[int, "How many days together, of which the day is the last."] = 1,
) -> list[SuccessPart]:
    """List the read success of a day by segment, model or firmware."""
    desk.demand_everywhere(Right.SEE_METERS)
    _check_days(days)
    known = known_plan(desk, plan)
    found = overview.success_by(desk.connection, known.number, (day - _EPOCH).days, by, days=days)
    return [SuccessPart(each.name, each.due, each.in_time, each.late, each.lost) for each in found]


@operation("GET /sessions", command="sessions list", right=Right.SEE_METERS)
def list_sessions(
    desk: Desk, meter: str = "", outcome: str = "", after: str = "", limit: int = 100
) -> Page[SessionView]:
    """List sessions with meters, the newest first."""
    conditions = [desk.visible(Right.SEE_METERS)]
    if meter:
        conditions.append(SESSION.c.meter == desk.meter(meter, Right.SEE_METERS).id)
    if outcome:
        conditions.append(SESSION.c.outcome == outcome)
    found = overview.sessions(
        desk.connection,
        desk.tenant,
        *conditions,
        before=number_after(after) or None,
        limit=checked_limit(limit) + 1,
    )
    return page(found, limit, _session_view, lambda each: each.number)


@operation("POST /meters/{meter}/commands", command="commands put", right=Right.COMMAND)
def put_new_command(desk: Desk, meter: str, body: NewCommand) -> CommandView:
    """Queue a command to a meter; it goes before all plans."""
    row = desk.meter(meter, Right.COMMAND)
    number = put_command(
        desk.connection,
        desk.tenant,
        row.id,
        body.kind,
        body.parameters,
        kinds=_kinds(desk),
        requested_by=desk.caller.name,
        now=desk.now,
        not_after_s=None if body.not_after is None else body.not_after.timestamp(),
        priority=body.priority,
    )
    desk.detail["command"] = number
    return show_command(desk, number)


@operation("GET /commands", command="commands list", right=Right.SEE_METERS)
def list_commands(
    desk: Desk,
    meter: str = "",
    state: Annotated[str, "queued, running, done, failed, unknown or cancelled."] = "",
    results: Annotated[bool, "With what they brought; that is a look at readings."] = False,
    after: str = "",
    limit: int = 100,
) -> Page[CommandView]:
    """List commands, the newest first, with their results where that is wanted.

    Whether an *unknown* one was carried out nobody knows until it is read back: then it is done,
    or failed, and its message says so.
    """
    if state and state not in _STATES:
        raise UsageError(f"state: one of {', '.join(_STATES)}")
    conditions = [desk.visible(Right.SEE_METERS)]
    if meter:
        conditions.append(COMMAND.c.meter == desk.meter(meter, Right.SEE_METERS).id)
    if state:
        conditions.append(COMMAND.c.state == state)
    found = commands(
        desk.connection,
        desk.tenant,
        *conditions,
        before=number_after(after) or None,
        limit=checked_limit(limit) + 1,
    )
    shown = _looked_at(desk, found[:limit]) if results else set()
    return page(
        found,
        limit,
        lambda each: _command_view(each, each.result if each.number in shown else None),
        lambda each: each.number,
    )


def _looked_at(desk: Desk, listed: Sequence[Command]) -> set[int]:
    """The commands whose results the caller may see; a look at each meter is written down."""
    if Right.SEE_READINGS not in desk.caller.rights:
        return set()
    asked = {each.meter for each in listed if each.result is not None}
    among = METER.c.id.in_(asked), desk.visible(Right.SEE_READINGS)
    seen = set(desk.connection.execute(select(METER.c.id).where(*among)).scalars())
    shown = [each for each in listed if each.result is not None and each.meter in seen]
    spans: dict[int, tuple[int, int]] = {}
    for each in shown:
        since, until = _span(each)
        before = spans.get(each.meter, (since, until))
        spans[each.meter] = min(since, before[0]), max(until, before[1])
    names = {each.meter: each.external_id for each in shown}
    for number, span in spans.items():
        if concerns_customer(desk.connection, [number], *span):
            desk.looks[names[number]] = look_detail(*span)
    return {each.number for each in shown}


@operation("GET /commands/{number}", command="commands show", right=Right.COMMAND)
def show_command(desk: Desk, number: int) -> CommandView:
    """Show a command and what it brought."""
    command = _command(desk, number)
    if command.result is None or Right.SEE_READINGS not in desk.caller.rights:
        return _command_view(command, None)
    seen = METER.c.external_id == command.external_id, desk.visible(Right.SEE_READINGS)
    meter = desk.connection.execute(select(METER).where(*seen)).one_or_none()
    if meter is None:
        return _command_view(command, None)
    look(desk, meter, _span(command))
    return _command_view(command, command.result)


@operation("POST /commands/{number}/cancel", command="commands cancel", right=Right.COMMAND)
def cancel_queued_command(desk: Desk, number: int) -> CommandView:
    """Cancel a command that is not begun yet."""
    command = _command(desk, number)
    if not cancel_command(desk.connection, desk.tenant, number, now=desk.now):
        raise ConflictError(f"the command is {command.state}: too late to cancel it")
    return show_command(desk, number)


@operation("POST /meters/{meter}/read-again", command="read-again", right=Right.COMMAND)
def read_again(desk: Desk, meter: str, body: ReadAgain) -> None:
    """Mark days of a meter to be read once more, although they are there."""
    row = desk.meter(meter, Right.COMMAND)
    days = (body.last_day - body.first_day).days + 1
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"first_day to last_day are 1 to {_MOST_DAYS} days")
    overview.mark_to_read_again(
        desk.connection,
        desk.tenant,
        [row.id],
        known_plan(desk, body.plan).items,
        first_day=(body.first_day - _EPOCH).days,
        last_day=(body.last_day - _EPOCH).days,
        by=desk.caller.name,
        now=desk.now,
    )


@operation("POST /meters/{meter}/release", command="release", right=Right.COMMAND)
def release_meter(desk: Desk, meter: str) -> Released:
    """Let a meter wait no longer: what it is held or resting for is tried again at once."""
    row = desk.meter(meter, Right.COMMAND)
    return Released(overview.release(desk.connection, desk.tenant, [row.id]))


def _check_days(days: int) -> None:
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"days is 1 to {_MOST_DAYS}, not {days}")


def _kinds(desk: Desk) -> CommandKinds:
    """The kinds of the running collection, else those that every head-end knows."""
    running: Collection | None = desk.house.parts.get(Collection)
    if running is not None:
        running.wake_after_commit(desk.connection)
        return running.kinds
    return desk.house.parts.get(CommandKinds) or standard_kinds()


def known_plan(desk: Desk, name: str) -> KnownPlan:
    """A plan by name; `NotFoundError` when there is none."""
    found = find_plan(desk.connection, desk.tenant, name)
    if found is None:
        raise NotFoundError(f"no plan {name!r}")
    return found


def _command(desk: Desk, number: int) -> Command:
    mine = (COMMAND.c.id == number) & desk.visible(Right.COMMAND)
    for found in commands(desk.connection, desk.tenant, mine):
        desk.subject = found.external_id
        return found
    raise NotFoundError(f"no command {number}")


def _span(command: Command) -> tuple[int, int]:
    """From when what a command brought is: the time that was asked for, or when it was carried out.

    In seconds UTC.
    """
    asked = [command.parameters.get(name) for name in ("since", "until")]
    if all(isinstance(each, str) for each in asked):
        since, until = (int(datetime.fromisoformat(str(each)).timestamp()) for each in asked)
        return since, until
    return int(command.requested_s), int(command.ended_s or command.requested_s) + 1


def _plain(body: PlanDocument) -> dict[str, Any]:
    document = {name: getattr(body, name) for name in PlanDocument.__slots__}
    document["profiles"] = [{"profile": e.profile, "period": e.period} for e in body.profiles]
    document["billing"] = [{"profile": e.profile, "each": e.each} for e in body.billing]
    return document


def _plan_view(known: KnownPlan, now: float) -> PlanView:
    document = known.plan.document()
    name = document.pop("name")
    profiles = [ProfileLine(**each) for each in document.pop("profiles", [])]
    billing = [BillingLine(**each) for each in document.pop("billing", [])]
    return PlanView(
        name,
        PlanDocument(profiles=profiles, billing=billing, **document),
        _time(known.changed_s),
        known.plan.active and known.plan.opening(now) is not None,
        _time(known.plan.next_opening(now).start_s),
    )


def _missing_view(each: overview.MissingMeter) -> MissingView:
    return MissingView(
        each.external_id, each.gaps, _date(each.oldest_day), each.state, each.reason, each.message,
        each.tries, _time_or_none(each.not_before_s), _time_or_none(each.heard_s),
        each.days_silent,
    )  # fmt: skip


def _session_view(each: overview.Session) -> SessionView:
    return SessionView(
        each.number, each.external_id, _time(each.started_s), _time(each.ended_s), each.occasion,
        each.outcome, each.message, each.intervals, each.registers, each.events, each.deviation_s,
    )  # fmt: skip


def _command_view(each: Command, result: Any) -> CommandView:
    message = each.message
    if each.state == "unknown":
        message = f"{message}; whether it was carried out is unknown until it is read back"
    return CommandView(
        each.number, each.external_id, each.kind, dict(each.parameters), each.state,
        each.requested_by, _time(each.requested_s), _time_or_none(each.not_after_s),
        _time_or_none(each.started_s), _time_or_none(each.ended_s), message.removeprefix("; "),
        result,
    )  # fmt: skip


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
