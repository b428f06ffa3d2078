"""The list of meters: enrolled, found by name, read and paged through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    or_,
    select,
)
from sqlalchemy.exc import IntegrityError

from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory.checking import check_meter
from ferraris.headend.inventory.hosts import attach
from ferraris.headend.inventory.naming import chunks, node_numbers, numbers_of, owners_of, some
from ferraris.headend.inventory.records import (
    Authentication,
    Ciphering,
    Contact,
    Kind,
    Meter,
    NewMeter,
)
from ferraris.headend.inventory.states import State
from ferraris.headend.store.bulk import add_absent, add_all
from ferraris.headend.store.changes import note_many
from ferraris.headend.store.tables.inventory import LABEL, LIFE, METER, NODE

__all__ = ["count", "enrol", "enrol_checked", "meter", "meters", "named_like"]

_HOST = METER.alias("host")


def meter(connection: Connection, tenant: int, external_id: str) -> Meter:
    """A meter; `NotFoundError` when the tenant has no such meter."""
    asked = {"of_tenant": tenant, "name": external_id}
    row = connection.execute(_ONE, asked).one_or_none()
    if row is None:
        raise NotFoundError(f"no meter {external_id!r}")
    labels = connection.execute(_LABELS_OF_ONE, {"number": row.id})
    return _meter(row, {each.name: each.value for each in labels})


def meters(
    connection: Connection,
    tenant: int,
    *,
    where: ColumnElement[bool] | None = None,
    after: str = "",
    limit: int | None = 100,
) -> list[Meter]:
    """Meters in the order of their external ids, those behind `after`.

    `where` is a condition on the table of meters, as `compiled` makes one out of a query.
    """
    statement = _selected(tenant, where).order_by(METER.c.external_id).limit(limit)
    if after:
        statement = statement.where(METER.c.external_id > after)
    rows = connection.execute(statement).all()
    labels = _labels(connection, [row.id for row in rows])
    return [_meter(row, labels.get(row.id, {})) for row in rows]


def count(connection: Connection, tenant: int, where: ColumnElement[bool] | None = None) -> int:
    """How many meters there are."""
    statement = select(func.count()).select_from(METER).where(METER.c.tenant == tenant)
    if where is not None:
        statement = statement.where(where)
    return int(connection.execute(statement).scalar_one())


def named_like(search: str) -> ColumnElement[bool]:
    """The condition that id, serial number, model or segment of a meter have a text in them."""
    pattern = "%" + search.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"

    def fits(column: ColumnElement[str]) -> ColumnElement[bool]:
        return func.lower(column).like(pattern, escape="!")

    nodes = select(NODE.c.id).where(fits(NODE.c.name))
    own = (METER.c.external_id, METER.c.serial_number, METER.c.model)
    return or_(*(fits(column) for column in own), METER.c.node.in_(nodes))


def enrol(
    connection: Connection,
    tenant: int,
    new: Iterable[NewMeter],
    *,
    at_s: float,
    by: str = "",
    reason: str = "enrolled",
) -> dict[str, int]:
    """Add meters as `known`, all or none, and give their rows by external id.

    Hosts may be among them. Raises `ConflictError` for ids and system titles that exist or come
    twice.
    """
    return enrol_checked(
        connection,
        tenant,
        [check_meter(each) for each in new],
        at_s=at_s,
        by=by,
        reason=reason,
    )


def enrol_checked(
    connection: Connection,
    tenant: int,
    rows: Sequence[dict[str, Any]],
    *,
    at_s: float,
    by: str,
    reason: str,
) -> dict[str, int]:
    """`enrol` for what `check_meter` gave, or who checked as much."""
    names = [row["external_id"] for row in rows]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ConflictError(f"these external ids come twice: {some(twice)}")
    existing = numbers_of(connection, tenant, names)
    if existing:
        raise ConflictError(f"these meters exist already: {some(sorted(existing))}")
    if not rows:
        return {}
    _check_titles(connection, tenant, rows)
    nodes = node_numbers(connection, tenant, {row["node"] for row in rows} - {None})
    _insert_meters(connection, [_columns(row, tenant, nodes, int(at_s)) for row in rows])
    numbers = numbers_of(connection, tenant, names)
    attach(
        connection,
        tenant,
        {
            numbers[row["external_id"]]: (row["behind"], row["channel"])
            for row in rows
            if row["behind"] is not None
        },
    )
    _add_labels(connection, tenant, {numbers[row["external_id"]]: row["labels"] for row in rows})
    began = ("", State.KNOWN.value, float(at_s), reason, by)
    add_all(connection, LIFE, _LIVED, [(tenant, numbers[name], *began) for name in names])
    note_many(connection, tenant, "meter", names, at_s=at_s, detail={"state": State.KNOWN.value})
    return numbers


_LIVED = ("tenant", "meter", "before", "after", "at_s", "reason", "by")  # as in the table


def _insert_meters(connection: Connection, stored: Sequence[dict[str, Any]]) -> None:
    names = tuple(column.name for column in METER.c if column.name in stored[0])
    rows = [tuple([row[name] for name in names]) for row in stored]
    try:
        added = add_absent(connection, METER, names, rows, ("external_id",))
    except IntegrityError:
        added = set()
    if len(added) != len(rows):
        raise ConflictError("one of these meters was enrolled by somebody else just now")


def _check_titles(connection: Connection, tenant: int, rows: Sequence[dict[str, Any]]) -> None:
    titles = {row["system_title"]: row["external_id"] for row in rows if row["system_title"]}
    if len(titles) != sum(bool(row["system_title"]) for row in rows):
        raise ConflictError("two of these meters have the same system title")
    for title, name in owners_of(connection, tenant, titles):
        raise ConflictError(f"the system title of {titles[title]} is that of {name}")


def _columns(
    row: dict[str, Any], tenant: int, nodes: dict[str, int], at_s: int
) -> dict[str, Any]:  # fmt: skip
    kept = {name: value for name, value in row.items() if name not in ("labels", "behind")}
    for name in ("kind", "contact", "authentication", "ciphering"):
        kept[name] = kept[name].value
    kept["node"] = None if row["node"] is None else nodes[row["node"]]
    times = {"created_s": at_s, "changed_s": at_s}
    return kept | times | {"tenant": tenant, "state": State.KNOWN.value}


def _add_labels(
    connection: Connection, tenant: int, labels: dict[int, dict[str, str]]
) -> None:  # fmt: skip
    rows = [
        (tenant, number, name, value)
        for number, each in labels.items()
        for name, value in each.items()
    ]
    add_all(connection, LABEL, ("tenant", "meter", "name", "value"), rows)


def _labels(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for some_numbers in chunks(numbers):
        rows = connection.execute(
            select(LABEL.c.meter, LABEL.c.name, LABEL.c.value)
            .where(LABEL.c.meter.in_(some_numbers))
            .order_by(LABEL.c.name)
        )
        for number, name, value in rows:
            found.setdefault(number, {})[name] = value
    return found


def _selected(tenant: int | BindParameter[int], where: ColumnElement[bool] | None) -> Select[Any]:
    statement = (
        select(METER, _HOST.c.external_id.label("host_id"), NODE.c.name.label("node_name"))
        .outerjoin(_HOST, METER.c.behind == _HOST.c.id)
        .outerjoin(NODE, METER.c.node == NODE.c.id)
        .where(METER.c.tenant == tenant)
    )
    return statement if where is None else statement.where(where)


def _meter(row: Row[Any], labels: dict[str, str]) -> Meter:
    return Meter(
        external_id=row.external_id,
        kind=Kind(row.kind),
        behind=row.host_id,
        channel=row.channel,
        node=row.node_name,
        system_title=row.system_title,
        logical_device_name=row.logical_device_name,
        serial_number=row.serial_number,
        maker=row.maker,
        model=row.model,
        medium=row.medium,
        zone=row.zone,
        address=row.address,
        contact=Contact(row.contact),
        awake=row.awake,
        client=row.client,
        server=row.server,
        authentication=Authentication(row.authentication),
        suite=row.suite,
        ciphering=Ciphering(row.ciphering),
        first_authentication=row.first_authentication,
        first_client=row.first_client,
        companion=row.companion,
        template=row.template,
        firmware=row.firmware,
        firmware_wanted=row.firmware_wanted,
        configuration=row.configuration,
        configuration_wanted=row.configuration_wanted,
        labels=labels,
        delivered=row.delivered,
        number=row.id,
        state=State(row.state),
        created_s=row.created_s,
        changed_s=row.changed_s,
        version=row.version,
        heard_s=row.heard_s,
    )


# Made once: putting statements together costs more than SQLite needs to answer them.
_ONE = _selected(bindparam("of_tenant", type_=METER.c.tenant.type), None).where(
    METER.c.external_id == bindparam("name")
)
_LABELS_OF_ONE = (
    select(LABEL.c.name, LABEL.c.value)
    .where(LABEL.c.meter == bindparam("number"))
    .order_by(LABEL.c.name)
)
