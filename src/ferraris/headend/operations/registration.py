"""Operations on who becomes a meter: registrations, and new keys."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, select

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import ConflictError, NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after, page
from ferraris.headend.registration.key_states import key_states
from ferraris.headend.registration.progress import ask, ask_keys
from ferraris.headend.registration.recognition import Known, known_by_number, known_meters
from ferraris.headend.registration.states import Step
from ferraris.headend.store.tables.inventory import METER, REGISTRATION

__all__ = [
    "KeyView",
    "RegistrationView",
    "Renewed",
    "commission_meter",
    "known_meter",
    "list_registrations",
    "moment",
    "registration_of",
    "renew_keys_of_group",
    "renew_keys_of_meter",
    "show_keys",
    "show_registration",
]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a meter is not as its companion specification says."""

    verdict: str
    class_id: int
    obis: str
    attribute: int
    what: str
    expected: str
    found: str
    rests_on: str
    tolerable: bool


@dataclass(frozen=True, slots=True)
class RegistrationView:
    """How far a meter is on its way to being active; `message` says why it stopped, if it did."""

    meter: str
    state: str
    step: str
    occasion: str
    asked_by: str
    since: datetime
    changed: datetime
    tries: int
    next_try: datetime
    message: str
    clock_offset_s: int | None = None
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KeyView:
    """One kind of key of a meter: settled, prepared, sent, accepted, ...; never the key."""

    kind: str
    there: bool
    renewal: str
    previous: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """How many meters will get new keys."""

    meters: int


# -- registrations ----------------------------------------------------------------------------


@operation(
    "POST /meters/{meter}/commission", command="meters commission", right=Right.MANAGE_METERS
)
def commission_meter(desk: Desk, meter: str) -> RegistrationView:
    """Register a meter: prove its identity, check it, set its time, renew its keys, activate it.

    One that is held or quarantined begins anew. It is done as soon as the meter is reached.
    """
    row = desk.meter(meter, Right.MANAGE_METERS)
    ask(desk.connection, known_meter(desk, row.id), "operator", desk.caller.name, desk.now)
    return registration_of(desk, row.id)


@operation(
    "GET /meters/{meter}/registration", command="meters registration", right=Right.SEE_METERS
)
def show_registration(desk: Desk, meter: str) -> RegistrationView:
    """Show how far the registration of a meter is, and how it differs from its specification."""
    return registration_of(desk, desk.meter(meter, Right.SEE_METERS).id)


@operation("GET /meters/{meter}/keys", command="meters keys", right=Right.SEE_METERS)
def show_keys(desk: Desk, meter: str) -> list[KeyView]:
    """Show which keys of a meter there are, and whether new ones are on their way; never the keys.

    A renewal that was sent has an unknown outcome until an answer proves which key the meter has.
    """
    known = known_meter(desk, desk.meter(meter, Right.SEE_METERS).id)
    return [
        KeyView(each.kind, each.there, each.renewal.value, each.previous)
        for each in key_states(desk.house.keys, known.key_id)
    ]


@operation("GET /registrations", command="registrations list", right=Right.SEE_METERS)
def list_registrations(
    desk: Desk, step: str = "", after: str = "", limit: int = 100
) -> Page[RegistrationView]:
    """List registrations, by meter; `step` as in held, quarantined, asked for."""
    wanted = _registrations().where(desk.visible(Right.SEE_METERS))
    if step:
        if step not in list(Step):
            raise UsageError(f"no step {step!r}; there are {', '.join(Step)}")
        wanted = wanted.where(REGISTRATION.c.step == step)
    wanted = wanted.where(REGISTRATION.c.meter > number_after(after)).order_by(REGISTRATION.c.meter)
    rows = desk.connection.execute(wanted.limit(checked_limit(limit) + 1)).all()
    return page(rows, limit, _registration_view, lambda row: row.meter)


@operation("POST /meters/{meter}/renew-keys", command="meters renew-keys", right=Right.MANAGE_KEYS)
def renew_keys_of_meter(desk: Desk, meter: str) -> RegistrationView:
    """Give an active meter new operational keys; the old ones are kept until they are proved."""
    row = desk.meter(meter, Right.MANAGE_KEYS)
    known = known_meter(desk, row.id)
    if known.state != "active":
        raise ConflictError(f"{meter} is {known.state}, not active: commission it")
    if not ask_keys(desk.connection, [known], desk.caller.name, desk.now):
        raise ConflictError(f"{meter} is being registered, or is quarantined")
    return registration_of(desk, row.id)


@operation("POST /groups/{group}/renew-keys", command="groups renew-keys", right=Right.MANAGE_KEYS)
def renew_keys_of_group(desk: Desk, group: str) -> Renewed:
    """Give all active meters of a group new operational keys, some at a time."""
    members = inventory.group_selection(desk.connection, desk.tenant, group)
    condition = desk.visible(Right.MANAGE_KEYS) & METER.c.id.in_(members)
    chosen = known_meters(desk.connection, condition & (METER.c.state == "active"))
    meters = ask_keys(desk.connection, chosen, desk.caller.name, desk.now)
    desk.detail["meters"] = meters
    return Renewed(meters)


# -- inside -----------------------------------------------------------------------------------


def known_meter(desk: Desk, number: int) -> Known:
    """A meter by its number; `NotFoundError`."""
    known = known_by_number(desk.connection, number)
    if known is None:
        raise NotFoundError("no such meter")
    return known


def _registrations() -> Select[Any]:
    return select(REGISTRATION, METER.c.external_id, METER.c.state).join(
        METER, METER.c.id == REGISTRATION.c.meter
    )


def registration_of(desk: Desk, number: int) -> RegistrationView:
    """How far a meter is; `NotFoundError` when it was never registered."""
    row = desk.connection.execute(
        _registrations().where(REGISTRATION.c.meter == number)
    ).one_or_none()
    if row is None:
        raise NotFoundError("this meter was never registered here")
    return _registration_view(row)


def _registration_view(row: Row[Any]) -> RegistrationView:
    return RegistrationView(
        row.external_id,
        row.state,
        row.step,
        row.occasion,
        row.asked_by,
        moment(row.since_s),
        moment(row.changed_s),
        row.tries,
        moment(row.not_before_s),
        row.message,
        row.clock_offset_s,
        [Difference(**each) for each in json.loads(row.findings)],
    )


def moment(seconds: float) -> datetime:
    """Epoch seconds as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
