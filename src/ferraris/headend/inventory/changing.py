"""Changes to meters: one that must fit the version that was seen, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.errors import ConflictError
from ferraris.headend.inventory.checking import check_place, check_security, check_value
from ferraris.headend.inventory.hosts import attach, forget_lists, hang
from ferraris.headend.inventory.meters import meter
from ferraris.headend.inventory.naming import chunks, external_ids_of, node_numbers, owners_of
from ferraris.headend.inventory.records import Meter
from ferraris.headend.store.changes import note, note_many
from ferraris.headend.store.tables.inventory import LABEL, METER

__all__ = [
    "CHANGEABLE",
    "change",
    "place",
    "put_in_place",
    "set_awake",
    "set_known",
    "set_wanted",
]

CHANGEABLE: Final = (
    "system_title",
    "logical_device_name",
    "serial_number",
    "maker",
    "model",
    "medium",
    "zone",
    "address",
    "contact",
    "awake",
    "client",
    "server",
    "authentication",
    "suite",
    "ciphering",
    "first_authentication",
    "first_client",
    "companion",
    "template",
    "firmware",
    "firmware_wanted",
    "configuration",
    "configuration_wanted",
    "delivered",
    "behind",
    "channel",
    "node",
    "labels",
)
"""What can be changed; `state` has ways of its own (`move`), id and kind stay."""

_PLACED = ("behind", "channel", "node")
_SECURED = ("authentication", "suite", "ciphering", "first_authentication", "first_client")
_WORDS = ("contact", "authentication", "ciphering")


def change(
    connection: Connection,
    tenant: int,
    external_id: str,
    changes: Mapping[str, Any],
    *,
    at_s: float,
    version: int | None = None,
) -> Meter:
    """Give fields of a meter other values, and return it as it is now.

    Raises `ConflictError` when `version` is given and somebody else was quicker. Labels are
    replaced as a whole. What is not different changes nothing, not even the version.
    """
    wrong = sorted(changes.keys() - set(CHANGEABLE))
    if wrong:
        raise UsageError(f"{wrong[0]} cannot be changed; what can: {', '.join(CHANGEABLE)}")
    found = meter(connection, tenant, external_id)
    if version is not None and version != found.version:
        raise _outdated(external_id, version, found.version)
    wanted = {name: check_value(name, value) for name, value in changes.items()}
    if wanted.get("first_authentication") == "":
        wanted["first_client"] = None
    different = {name: value for name, value in wanted.items() if getattr(found, name) != value}
    if not different:
        return found
    if different.keys() & set(_SECURED):
        check_security({name: getattr(found, name) for name in _SECURED} | different)
    title = different.get("system_title")
    for _, name in owners_of(connection, tenant, [title] if title else ()):
        raise ConflictError(f"system_title: belongs to {name}")
    if different.keys() & set(_PLACED):
        put_in_place(connection, tenant, found, different)
    if found.serial_number and "serial_number" in different:
        forget_lists(connection, [found.number])
    if "labels" in different:
        _replace_labels(connection, tenant, found.number, different["labels"])
    columns = {
        name: value.value if name in _WORDS else value
        for name, value in different.items()
        if name not in (*_PLACED, "labels")
    }
    updated = connection.execute(
        update(METER)
        .where(METER.c.id == found.number, METER.c.version == found.version)
        .values(**columns, version=found.version + 1, changed_s=int(at_s))
    )
    if updated.rowcount != 1:
        raise _outdated(external_id, found.version, found.version + 1)
    names = sorted(different.keys() - {"delivered"})
    note(connection, tenant, "meter", external_id, at_s=at_s, detail={"changed": names})
    return meter(connection, tenant, external_id)


def place(
    connection: Connection, tenant: int, numbers: Iterable[int], node: str | None, *, at_s: float
) -> None:
    """Move many meters (rows) to a node, with all that stands behind them."""
    listed = list(numbers)
    found = None if node is None else node_numbers(connection, tenant, (node,))[node]
    _check_free(connection, listed)
    hang(connection, listed, found)
    _changed(connection, tenant, listed, ("node",), at_s)


def set_wanted(
    connection: Connection,
    tenant: int,
    numbers: Iterable[int],
    *,
    firmware: str | None = None,
    configuration: str | None = None,
    at_s: float,
) -> None:
    """Tell which firmware or configuration many meters (rows) should have; empty: none asked."""
    given = {"firmware_wanted": firmware, "configuration_wanted": configuration}
    _set_software(connection, tenant, numbers, given, at_s)


def set_awake(
    connection: Connection, tenant: int, numbers: Iterable[int], awake: str, *, at_s: float
) -> None:
    """Tell at which hours many meters (rows) can be called; empty for any."""
    _set_fields(connection, tenant, numbers, {"awake": awake}, at_s)


def set_known(
    connection: Connection,
    tenant: int,
    numbers: Iterable[int],
    *,
    firmware: str | None = None,
    configuration: str | None = None,
    at_s: float,
) -> None:
    """Keep which firmware or configuration meters (rows) have told."""
    given = {"firmware": firmware, "configuration": configuration}
    _set_software(connection, tenant, numbers, given, at_s)


def _set_software(
    connection: Connection,
    tenant: int,
    numbers: Iterable[int],
    given: Mapping[str, str | None],
    at_s: float,
) -> None:
    told = {name: each for name, each in given.items() if each is not None}
    if not told:
        raise UsageError("firmware or configuration, which one?")
    _set_fields(connection, tenant, numbers, told, at_s)


def _set_fields(
    connection: Connection,
    tenant: int,
    numbers: Iterable[int],
    told: Mapping[str, str],
    at_s: float,
) -> None:
    values = {name: check_value(name, each) for name, each in told.items()}
    differs = METER.c.id.is_(None)
    for name, each in values.items():
        differs |= METER.c[name] != each
    changed: list[int] = []
    for some_numbers in chunks(numbers):
        changed += connection.execute(
            update(METER)
            .where(METER.c.tenant == tenant, METER.c.id.in_(some_numbers), differs)
            .values(**values)
            .returning(METER.c.id)
        ).scalars()
    _changed(connection, tenant, changed, values, at_s)


def _changed(
    connection: Connection,
    tenant: int,
    numbers: list[int],
    fields: Iterable[str],
    at_s: float,
) -> None:
    for some_numbers in chunks(numbers):
        connection.execute(
            update(METER)
            .where(METER.c.id.in_(some_numbers))
            .values(version=METER.c.version + 1, changed_s=int(at_s))
        )
    names = external_ids_of(connection, numbers)
    detail = {"changed": sorted(fields)}
    note_many(connection, tenant, "meter", names.values(), at_s=at_s, detail=detail)


def put_in_place(
    connection: Connection, tenant: int, found: Meter, different: Mapping[str, Any]
) -> None:  # fmt: skip
    """Move one meter: behind another host, to another channel, to another node."""
    before = {name: getattr(found, name) for name in ("kind", *_PLACED)}
    if before["behind"] is not None or different.get("behind") is not None:
        before["node"] = None  # the host's
    after = {**before, **different}
    if after["behind"] is None and before["channel"] is not None and "channel" not in different:
        after["channel"] = None  # it went with the host
    check_place(found.external_id, after)
    if after["behind"] is not None:
        attach(connection, tenant, {found.number: (after["behind"], after["channel"])})
        return
    if found.behind is not None:
        query = update(METER).where(METER.c.id == found.number)
        connection.execute(query.values(behind=None, channel=None))
    if "node" in different:
        node = different["node"]
        number = None if node is None else node_numbers(connection, tenant, (node,))[node]
        hang(connection, (found.number,), number)


def _check_free(connection: Connection, numbers: list[int]) -> None:
    for some_numbers in chunks(numbers):
        hosted = connection.execute(
            select(METER.c.external_id)
            .where(METER.c.id.in_(some_numbers), METER.c.behind.is_not(None))
            .limit(1)
        ).scalar()
        if hosted is not None:
            raise UsageError(f"{hosted} is behind a host and hangs at its node")


def _replace_labels(
    connection: Connection, tenant: int, number: int, labels: Mapping[str, str]
) -> None:
    connection.execute(delete(LABEL).where(LABEL.c.meter == number))
    rows = [
        {"tenant": tenant, "meter": number, "name": name, "value": value}
        for name, value in labels.items()
    ]
    if rows:
        connection.execute(insert(LABEL), rows)


def _outdated(external_id: str, version: int, present: int) -> ConflictError:
    return ConflictError(
        f"{external_id} was changed meanwhile (version {present}, not {version}): look again"
    )
