"""Whom a system title or a logical device name belongs to, as far as the inventory of a tenant
tells: a claim, which only an association under the meter's keys proves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from ferraris.headend.inventory import dialled, key_id
from ferraris.headend.store.tables.inventory import METER, TENANT

__all__ = [
    "KeyName",
    "Known",
    "Reason",
    "Verdict",
    "called",
    "known_by_number",
    "known_meters",
    "recognise",
    "verdict",
]

_HOST = METER.alias("host")

KeyName = Callable[[str, str], str]
"""From the names of tenant and meter to the id under which its secrets are kept."""


class Reason(StrEnum):
    """Why somebody is a stranger."""

    UNKNOWN = "unknown"
    RETIRED = "retired"
    SUSPENDED = "suspended"
    WRONG_KEY = "wrong key"
    """The keys that are known for it do not fit, or a message was altered: one cannot tell."""
    CERTIFICATE = "certificate"
    """Its certificate leads to no trusted root, was revoked, ran out, is another's or missing."""
    OTHER_IDENTITY = "another identity"
    """It has the keys of one meter and the name, number or title of another."""
    UNPROTECTED = "unprotected"
    REPLAY = "replay"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True)
class Known:
    """A meter of the inventory, as far as speaking with it needs; `key_id` names its secrets."""

    number: int
    tenant: int
    external_id: str
    key_id: str
    state: str
    system_title: bytes
    logical_device_name: str
    serial_number: str
    zone: str
    address: str
    contact: str
    client: int
    server: int
    authentication: str
    suite: int
    ciphering: str
    first_authentication: str
    first_client: int | None
    companion: str
    model: str
    kind: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who it claims to be, if the inventory has such a meter, and why it is a stranger if it is."""

    known: Known | None = None
    reason: Reason | None = None


def known_meters(
    connection: Connection, where: ColumnElement[bool], key_name: KeyName = key_id
) -> list[Known]:
    """The meters that fulfil a condition on `METER`."""
    rows = connection.execute(
        select(METER, TENANT.c.name.label("tenant_name"), _HOST.c.address.label("host_address"))
        .join(TENANT, TENANT.c.id == METER.c.tenant)
        .outerjoin(_HOST, _HOST.c.id == METER.c.behind)
        .where(where)
    )
    return [_known(row, key_name) for row in rows]


def known_by_number(
    connection: Connection, number: int, key_name: KeyName = key_id
) -> Known | None:
    """The meter with this surrogate number."""
    found = known_meters(connection, METER.c.id == number, key_name)
    return found[0] if found else None


def recognise(
    connection: Connection,
    tenant: int,
    *,
    system_title: bytes = b"",
    name: str = "",
    key_name: KeyName = key_id,
) -> Verdict:
    """Who claims to be there, by title or name; title and name of two meters are a lie."""
    by_title = by_name = None
    if system_title:
        condition = (METER.c.tenant == tenant) & (METER.c.system_title == system_title)
        by_title = _only(known_meters(connection, condition, key_name))
    if name:
        condition = (METER.c.tenant == tenant) & called((name,))
        by_name = _only(known_meters(connection, condition, key_name))
    return verdict(by_title, by_name, system_title)


def called(names: Sequence[str]) -> ColumnElement[bool]:
    """The condition on meters that call themselves so: by the logical device name that is known of
    them, by their external id as long as none is."""
    is_nameless = METER.c.logical_device_name == ""
    by_id = is_nameless & METER.c.external_id.in_(names)
    return METER.c.logical_device_name.in_(names) | by_id


def verdict(by_title: Known | None, by_name: Known | None, system_title: bytes = b"") -> Verdict:
    """What is to be thought of somebody whose title belongs to one and whose name to another."""
    known = by_title or by_name
    if known is None:
        return Verdict(None, Reason.UNKNOWN)
    two = by_title is not None and by_name is not None and by_title.number != by_name.number
    other = bool(system_title and known.system_title) and known.system_title != system_title
    if two or other:
        return Verdict(known, Reason.OTHER_IDENTITY)
    if known.state == "retired":
        return Verdict(known, Reason.RETIRED)
    if known.state == "suspended":
        return Verdict(known, Reason.SUSPENDED)
    return Verdict(known, None)


def _only(found: list[Known]) -> Known | None:
    """The one that lives, where an exchange left a retired one with the same title."""
    living = [each for each in found if each.state != "retired"]
    return next(iter(living or found), None)


def _known(row: Row[Any], key_name: KeyName) -> Known:
    return Known(
        row.id,
        row.tenant,
        row.external_id,
        key_name(row.tenant_name, row.external_id),
        row.state,
        bytes(row.system_title),
        row.logical_device_name,
        row.serial_number,
        row.zone,
        dialled(row.address, row.host_address),
        row.contact,
        row.client,
        row.server,
        row.authentication,
        row.suite,
        row.ciphering,
        row.first_authentication,
        row.first_client,
        row.companion,
        row.model,
        row.template,
    )
