"""How far registrations are, in the store: asked for, claimed, moved on by that worker alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.registration.recognition import Known
from ferraris.headend.registration.states import ENDS, WAY, Happening, Step, step
from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.inventory import METER, REGISTRATION
from ferraris.headend.store.upsert import add

__all__ = [
    "LostClaimError",
    "Progress",
    "ask",
    "ask_keys",
    "claim",
    "claim_due",
    "move",
    "progress_of",
    "put_off",
    "release",
]

_CHUNK = 400
_DONE = tuple(each.value for each in ENDS)


class LostClaimError(UsageError):
    """Another worker has this registration by now; what this one did is found out by that one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the registration of a meter stands."""

    meter: int
    step: Step
    occasion: str
    peer: str
    asked_by: str
    since_s: float
    changed_s: float
    tries: int
    not_before_s: float
    counter_asked: bool
    clock_offset_s: int | None
    findings: str
    message: str


def progress_of(connection: Connection, meter: int) -> Progress | None:
    """The row of a meter, None when it was never registered here."""
    row = connection.execute(
        select(REGISTRATION).where(REGISTRATION.c.meter == meter)
    ).one_or_none()  # fmt: skip
    return None if row is None else _progress(row)


def ask(
    connection: Connection, known: Known, occasion: str, by: str, at_s: float, *, peer: str = ""
) -> Step:
    """Begin a registration, or hurry one that is under way; returns where it stands.

    Raises `UsageError` for a meter that is suspended or retired.
    """
    if known.state in ("suspended", "retired"):
        raise UsageError(f"{known.external_id} is {known.state}", where="registration")
    found = progress_of(connection, known.number)
    if found is not None and found.step not in ENDS:
        values: dict[str, Any] = {"not_before_s": min(found.not_before_s, at_s)}
        if occasion == "operator":
            values |= {"asked_by": by, "occasion": occasion}
        _update(connection, known.number, values)
        return found.step
    fresh = _begun(occasion, by, at_s) | {
        "step": Step.ASKED.value if found is None else step(found.step, Happening.ASK).value,
        "peer": peer,
        "clock_offset_s": None,
        "findings": "[]",
    }
    if found is None:
        row = {"tenant": known.tenant, "meter": known.number, **fresh}
        connection.execute(insert(REGISTRATION).values(row))
    else:
        _update(connection, known.number, fresh)
    _tell(connection, known, Step.ASKED, at_s)
    return Step.ASKED


def ask_keys(connection: Connection, meters: Sequence[Known], by: str, at_s: float) -> int:
    """Active meters get new keys, and nothing else of a registration; returns how many will.

    Those that are registered anyway, or quarantined, are left out.
    """
    asked = 0
    chosen = {each.number: each for each in meters if each.state == "active"}
    for start in range(0, len(chosen), _CHUNK):
        some = list(chosen)[start : start + _CHUNK]
        rows = connection.execute(
            select(REGISTRATION.c.meter, REGISTRATION.c.step).where(REGISTRATION.c.meter.in_(some))
        )
        steps = {row.meter: Step(row.step) for row in rows}
        there = [n for n in some if n in steps and Happening.RENEW in WAY[steps[n]]]
        fresh = _begun("operator", by, at_s) | {"step": Step.TIMED.value}
        if there:
            connection.execute(
                update(REGISTRATION).where(REGISTRATION.c.meter.in_(there)).values(fresh)
            )
        new = [chosen[number] for number in some if number not in steps]
        add(
            connection,
            REGISTRATION,
            [{"tenant": each.tenant, "meter": each.number, **fresh} for each in new],
        )
        for each in [*(chosen[number] for number in there), *new]:
            _tell(connection, each, Step.TIMED, at_s)
        asked += len(there) + len(new)
    return asked


def claim(connection: Connection, meter: int, worker: str, now: float, until_s: float) -> bool:
    """Have a registration that is under way for oneself; False when another has it."""
    changed = connection.execute(
        update(REGISTRATION)
        .where(
            REGISTRATION.c.meter == meter,
            REGISTRATION.c.step.not_in(_DONE),
            or_(
                REGISTRATION.c.claimed_until_s.is_(None),
                REGISTRATION.c.claimed_until_s <= now,
                REGISTRATION.c.claimed_by == worker,
            ),
        )
        .values(claimed_by=worker, claimed_until_s=until_s)
    )
    return bool(changed.rowcount)


def claim_due(
    connection: Connection, worker: str, now: float, until_s: float, most: int
) -> list[int]:  # fmt: skip
    """Claim registrations that are due, of meters that can be called; their numbers."""
    rows = connection.execute(
        select(REGISTRATION.c.meter)
        .join(METER, METER.c.id == REGISTRATION.c.meter)
        .where(
            REGISTRATION.c.step.not_in(_DONE),
            REGISTRATION.c.not_before_s <= now,
            or_(REGISTRATION.c.claimed_until_s.is_(None), REGISTRATION.c.claimed_until_s <= now),
            METER.c.address != "",
        )
        .order_by(REGISTRATION.c.not_before_s)
        .limit(most)
    )
    found = [row.meter for row in rows]
    return [meter for meter in found if claim(connection, meter, worker, now, until_s)]


def release(connection: Connection, meters: Iterable[int], worker: str) -> None:
    """Give claims back."""
    for meter in meters:
        connection.execute(
            update(REGISTRATION)
            .where(REGISTRATION.c.meter == meter, REGISTRATION.c.claimed_by == worker)
            .values(claimed_by="", claimed_until_s=None)
        )


def move(
    connection: Connection,
    known: Known,
    happening: Happening,
    worker: str,
    *,
    at_s: float,
    until_s: float,
    message: str = "",
    values: dict[str, Any] | None = None,
) -> Step:
    """Go on by one happening; an end gives the claim back. Raises `LostClaimError`."""
    found = progress_of(connection, known.number)
    if found is None:
        raise LostClaimError(f"nobody registers {known.external_id}", where="registration")
    following = step(found.step, happening)
    ended = following in ENDS
    changes: dict[str, Any] = {
        "step": following.value,
        "changed_s": at_s,
        "tries": 0,
        "message": message[:500],
        "claimed_by": "" if ended else worker,
        "claimed_until_s": None if ended else until_s,
        **(values or {}),
    }
    changed = connection.execute(
        update(REGISTRATION)
        .where(
            REGISTRATION.c.meter == known.number,
            REGISTRATION.c.step == found.step.value,
            REGISTRATION.c.claimed_by == worker,
        )
        .values(changes)
    )
    if not changed.rowcount:
        raise LostClaimError(
            f"another worker goes on with {known.external_id}", where="registration"
        )
    _tell(connection, known, following, at_s)
    return following


def put_off(
    connection: Connection,
    known: Known,
    worker: str,
    *,
    not_before_s: float,
    tries: int,
    message: str = "",
) -> None:
    """Not now: the registration rests where it is, and anybody may go on with it afterwards."""
    values: dict[str, Any] = {"message": message[:500]} if message else {}
    connection.execute(
        update(REGISTRATION)
        .where(REGISTRATION.c.meter == known.number, REGISTRATION.c.claimed_by == worker)
        .values(
            tries=tries,
            not_before_s=not_before_s,
            claimed_by="",
            claimed_until_s=None,
            **values,
        )
    )


def _begun(occasion: str, by: str, at_s: float) -> dict[str, Any]:
    return {
        "occasion": occasion,
        "asked_by": by,
        "since_s": at_s,
        "changed_s": at_s,
        "tries": 0,
        "not_before_s": at_s,
        "claimed_by": "",
        "claimed_until_s": None,
        "counter_asked": 0,
        "message": "",
    }


def _update(connection: Connection, meter: int, values: dict[str, Any]) -> None:
    connection.execute(
        update(REGISTRATION).where(REGISTRATION.c.meter == meter).values(values)
    )  # fmt: skip


def _tell(connection: Connection, known: Known, reached: Step, at_s: float) -> None:
    detail = {"registration": reached.value}
    note(connection, known.tenant, "meter", known.external_id, at_s=at_s, detail=detail)


def _progress(row: Row[Any]) -> Progress:
    return Progress(
        row.meter,
        Step(row.step),
        row.occasion,
        row.peer,
        row.asked_by,
        row.since_s,
        row.changed_s,
        row.tries,
        row.not_before_s,
        bool(row.counter_asked),
        row.clock_offset_s,
        row.findings,
        row.message,
    )
