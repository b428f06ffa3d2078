"""Operations on who becomes a meter: registrations, strangers, and new keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import Row, Select, select, update

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.inventory import Contact, NewMeter
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import ConflictError, NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after, page
from ferraris.headend.registration.key_states import key_states
from ferraris.headend.registration.progress import ask, ask_keys
from ferraris.headend.registration.recognition import Known, known_by_number, known_meters
from ferraris.headend.registration.states import Step
from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.inventory import METER, REGISTRATION, STRANGER

__all__ = [
    "Admission",
    "KeyView",
    "RegistrationView",
    "Renewed",
    "StrangerView",
    "admit_stranger",
    "commission_meter",
    "list_registrations",
    "list_strangers",
    "refuse_stranger",
    "renew_keys_of_group",
    "renew_keys_of_meter",
    "show_keys",
    "show_registration",
]

_KEYS = ("encryption_key", "authentication_key", "broadcast_key", "master_key")
_KEY_OCTETS = (16, 32)
_MOST_KEY_FILE = 4096


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
class StrangerView:
    """Somebody who is not known, or not who it says; `identity` is what it said."""

    number: int
    identity: str
    reason: str
    peer: str
    message: str
    first: datetime
    last: datetime
    times: int
    decision: str


@dataclass(frozen=True, slots=True)
class Admission:
    """How a stranger becomes a known meter."""

    external_id: Annotated[str, "Its name in the inventory; one that is there gets these keys."]
    keys: Annotated[
        bytes,
        "JSON with encryption_key, authentication_key, master_key in hexadecimal; @FILE on the "
        "command line.",
    ] = field(default=b"", repr=False)
    address: Annotated[str, "Where it is called, as in tcp://10.1.2.3:4059."] = ""
    contact: Annotated[Contact, "Who calls whom."] = Contact.CALLED
    model: str = ""
    companion: Annotated[str, "The companion specification that it is checked against."] = ""
    client: int = 1
    server: int = 1
    zone: str = "UTC"


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
    ask(desk.connection, _known(desk, row.id), "operator", desk.caller.name, desk.now)
    return _registration(desk, row.id)


@operation(
    "GET /meters/{meter}/registration", command="meters registration", right=Right.SEE_METERS
)
def show_registration(desk: Desk, meter: str) -> RegistrationView:
    """Show how far the registration of a meter is, and how it differs from its specification."""
    return _registration(desk, desk.meter(meter, Right.SEE_METERS).id)


@operation("GET /meters/{meter}/keys", command="meters keys", right=Right.SEE_METERS)
def show_keys(desk: Desk, meter: str) -> list[KeyView]:
    """Show which keys of a meter there are, and whether new ones are on their way; never the keys.

    A renewal that was sent has an unknown outcome until an answer proves which key the meter has.
    """
    known = _known(desk, desk.meter(meter, Right.SEE_METERS).id)
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
    known = _known(desk, row.id)
    if known.state != "active":
        raise ConflictError(f"{meter} is {known.state}, not active: commission it")
    if not ask_keys(desk.connection, [known], desk.caller.name, desk.now):
        raise ConflictError(f"{meter} is being registered, or is quarantined")
    return _registration(desk, row.id)


@operation("POST /groups/{group}/renew-keys", command="groups renew-keys", right=Right.MANAGE_KEYS)
def renew_keys_of_group(desk: Desk, group: str) -> Renewed:
    """Give all active meters of a group new operational keys, some at a time."""
    members = inventory.group_selection(desk.connection, desk.tenant, group)
    condition = desk.visible(Right.MANAGE_KEYS) & METER.c.id.in_(members)
    chosen = known_meters(desk.connection, condition & (METER.c.state == "active"))
    meters = ask_keys(desk.connection, chosen, desk.caller.name, desk.now)
    desk.detail["meters"] = meters
    return Renewed(meters)


# -- strangers --------------------------------------------------------------------------------


@operation("GET /strangers", command="strangers list", right=Right.SEE_METERS)
def list_strangers(
    desk: Desk,
    reason: str = "",
    decision: Annotated[str, "admitted, refused; by default those without."] = "",
    after: str = "",
    limit: int = 100,
) -> Page[StrangerView]:
    """List who announced itself or called in and was turned away."""
    desk.demand_everywhere(Right.SEE_METERS)
    wanted = select(STRANGER).where(
        STRANGER.c.tenant == desk.tenant,
        STRANGER.c.decision == decision,
        STRANGER.c.id > number_after(after),
    )
    if reason:
        wanted = wanted.where(STRANGER.c.reason == reason)
    rows = desk.connection.execute(
        wanted.order_by(STRANGER.c.id).limit(checked_limit(limit) + 1)
    ).all()
    return page(rows, limit, _stranger_view, lambda row: row.id)


@operation("POST /strangers/{stranger}/admit", command="strangers admit", right=Right.MANAGE_METERS)
def admit_stranger(desk: Desk, stranger: int, body: Admission) -> RegistrationView:
    """Make a stranger a known meter with keys, and register it.

    Its identity must still be proved under these keys.
    """
    desk.demand_everywhere(Right.MANAGE_METERS)
    row = _stranger(desk, stranger)
    secrets = _secrets(body.keys)
    number = _enrolled(desk, row, body)
    known = _known(desk, number)
    if secrets:
        if known.state not in ("known", "installed"):
            raise ConflictError(f"{known.external_id} is {known.state}: its keys stay")
        desk.house.keys.put_many((known.key_id, kind, secret) for kind, secret in secrets)
    ask(desk.connection, known, "operator", desk.caller.name, desk.now)
    _decide(desk, row, "admitted")
    desk.detail |= {"identity": row.identity, "meter": body.external_id, "keys": len(secrets)}
    return _registration(desk, number)


@operation(
    "POST /strangers/{stranger}/refuse", command="strangers refuse", right=Right.MANAGE_METERS
)
def refuse_stranger(desk: Desk, stranger: int) -> StrangerView:
    """Decide that a stranger stays one; it is counted still, and no longer listed."""
    desk.demand_everywhere(Right.MANAGE_METERS)
    row = _stranger(desk, stranger)
    _decide(desk, row, "refused")
    desk.detail["identity"] = row.identity
    return _stranger_view(_stranger(desk, stranger))


# -- inside -----------------------------------------------------------------------------------


def _known(desk: Desk, number: int) -> Known:
    known = known_by_number(desk.connection, number)
    if known is None:
        raise NotFoundError("no such meter")
    return known


def _registrations() -> Select[Any]:
    return select(REGISTRATION, METER.c.external_id, METER.c.state).join(
        METER, METER.c.id == REGISTRATION.c.meter
    )


def _registration(desk: Desk, number: int) -> RegistrationView:
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
        _moment(row.since_s),
        _moment(row.changed_s),
        row.tries,
        _moment(row.not_before_s),
        row.message,
        row.clock_offset_s,
        [Difference(**each) for each in json.loads(row.findings)],
    )


def _stranger(desk: Desk, number: int) -> Row[Any]:
    row = desk.connection.execute(
        select(STRANGER).where(STRANGER.c.tenant == desk.tenant, STRANGER.c.id == number)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"no stranger {number}")
    return row


def _decide(desk: Desk, row: Row[Any], decision: str) -> None:
    """All that is counted of this identity is decided."""
    desk.connection.execute(
        update(STRANGER)
        .where(STRANGER.c.tenant == desk.tenant, STRANGER.c.identity == row.identity)
        .values(decision=decision)
    )
    detail = {"decision": decision}
    note(desk.connection, desk.tenant, "stranger", row.identity, at_s=desk.now, detail=detail)


def _enrolled(desk: Desk, row: Row[Any], body: Admission) -> int:
    """The row of the meter, made if it is not there."""
    query = select(METER.c.id).where(
        METER.c.tenant == desk.tenant, METER.c.external_id == body.external_id
    )
    found = desk.connection.execute(query).scalar()
    if found is not None:
        return int(found)
    title = _title(row.identity)
    new = NewMeter(
        external_id=body.external_id,
        system_title=title,
        address=body.address,
        contact=body.contact,
        model=body.model,
        companion=body.companion,
        client=body.client,
        server=body.server,
        zone=body.zone,
    )
    numbers = inventory.enrol(
        desk.connection, desk.tenant, [new], at_s=desk.now, by=desk.caller.name, reason="admitted"
    )
    number = numbers[body.external_id]
    if not title and row.identity != body.external_id:
        desk.connection.execute(
            update(METER).where(METER.c.id == number).values(logical_device_name=row.identity)
        )
    return number


def _title(identity: str) -> bytes:
    """The system title, where that is how the stranger is known."""
    try:
        octets = bytes.fromhex(identity)
    except ValueError:
        return b""
    return octets if len(octets) == 8 else b""


def _secrets(document: bytes) -> Sequence[tuple[str, bytes]]:
    """Kinds and keys; an error never repeats what is in the document."""
    if not document:
        return ()
    wrong = UsageError("the keys are a JSON object with keys of 16 or 32 octets in hexadecimal")
    if len(document) > _MOST_KEY_FILE:
        raise wrong
    try:
        shape = json.loads(document)
        found = [(kind, bytes.fromhex(shape[kind])) for kind in _KEYS if kind in shape]
    except (ValueError, TypeError, RecursionError):
        raise wrong from None
    if not found or any(len(secret) not in _KEY_OCTETS for _, secret in found):
        raise wrong
    return found


def _stranger_view(row: Row[Any]) -> StrangerView:
    return StrangerView(
        row.id,
        row.identity,
        row.reason,
        row.peer,
        row.message,
        _moment(row.first_s),
        _moment(row.last_s),
        row.times,
        row.decision,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
