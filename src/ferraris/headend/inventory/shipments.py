"""Import of shipment files: meters and their wrapped keys, all of a file or nothing.

Every row is checked before anything is written. Then the rows are written, and last the secrets, in
one transaction of the key store, just before the caller commits. Whatever breaks in between, the
inventory is as it was; secrets of meters that it does not have may lie in the key store, where the
next import of the file puts the same ones again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection, bindparam, delete, insert, update

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.chains import Trust
from ferraris.crypto.wrap import unwrap, unwrap_padded
from ferraris.headend.errors import ConflictError
from ferraris.headend.inventory.changing import put_in_place
from ferraris.headend.inventory.checking import check_name, checked_fields
from ferraris.headend.inventory.meters import enrol_checked
from ferraris.headend.inventory.records import Meter
from ferraris.headend.inventory.shipment_check import Sorted, sort_out
from ferraris.headend.inventory.shipment_columns import (
    COLUMNS,
    Checking,
    Draft,
    Unwrap,
    Unwrapping,
    drafted,
)
from ferraris.headend.inventory.shipment_file import read_rows
from ferraris.headend.inventory.shipment_report import Findings, Report
from ferraris.headend.inventory.tenants import key_id, tenant_name, transport_key_id
from ferraris.headend.store.changes import note_many
from ferraris.headend.store.tables.inventory import LABEL, METER
from ferraris.keys import Keys
from ferraris.keys.wallet import token_label

__all__ = ["Progress", "import_shipment"]

Progress = Callable[[str, int, int], None]
"""Called with what is done (`check` or `write`), how many rows are through, and of how many."""

_STEP = 500
_KEK_OCTETS = (16, 24, 32)
_PLACES: Final = ("behind", "channel", "node")
_WORDS: Final = ("kind", "contact", "authentication", "ciphering")


def import_shipment(
    connection: Connection,
    tenant: int,
    keys: Keys,
    source: BinaryIO | bytes,
    *,
    at_s: float,
    by: str = "",
    transport_key: str = "",
    plain_keys: bool = False,
    update: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Take the meters of a shipment file into the inventory, their keys into the key store.

    `transport_key` names the key under which secrets are wrapped: a `master_key` in the key store
    (`transport_key_id`). Plain keys are taken only with `plain_keys`. A row that is there already
    changes nothing; one that differs is an error, or with `update` a change. With `dry_run`, or
    when there is any error, nothing is written. Errors of the store pass through.
    """
    tell = progress or _nobody_asks
    findings = Findings()
    rows = read_rows(source, COLUMNS, findings)
    name = tenant_name(connection, tenant)
    opening = Unwrapping(_finder(keys, name), transport_key, plain_keys)
    if transport_key and opening.key(transport_key) is None:
        what = f"there is no transport key {transport_key[:40]!r}"
        findings.add(0, "transport_key", what, "put it into the key store first")
    checking = Checking(_trust_of(keys), datetime.fromtimestamp(at_s, UTC))
    drafts: list[Draft] = []
    for place, row in enumerate(rows):
        if not place % _STEP:
            tell("check", place, len(rows))
        draft = drafted(row, opening, checking, findings)
        if draft is not None:
            drafts.append(draft)
    tell("check", len(rows), len(rows))
    if opening.failed == opening.tried > 1:
        what = f"none of {opening.tried} secrets unwraps"
        findings.put_first("transport_key", what, "probably another transport key")
    found = sort_out(
        connection,
        tenant,
        drafts,
        keys,
        lambda external_id: key_id(name, external_id),
        update=update,
        findings=findings,
    )
    written = not dry_run and not findings.count
    if written:
        tell("write", 0, len(rows))
        _write(connection, tenant, found, at_s=at_s, by=by)
        if found.secrets:
            keys.put_many(found.secrets)
        if found.certificates:
            keys.put_certificates(found.certificates)
        tell("write", len(rows), len(rows))
    return Report(
        rows=len(rows),
        new=len(found.new),
        changed=len(found.changed),
        unchanged=found.unchanged,
        keys=len(found.secrets),
        kept=found.kept,
        errors=tuple(findings.errors),
        error_count=findings.count,
        counted=findings.counted,
        written=written,
    )


def _nobody_asks(what: str, done: int, of: int) -> None:
    """No progress is told."""


def _trust_of(keys: Keys) -> Callable[[], Trust]:
    """Whom we trust, asked for once, and by no file without certificates."""

    @cache
    def trust() -> Trust:
        return keys.trust()

    return trust


def _finder(keys: Keys, tenant: str) -> Callable[[str], Unwrap]:
    def find(name: str) -> Unwrap:
        check_name(name)
        found = keys.get(transport_key_id(tenant, name), "master_key")
        label = token_label(found)
        if label is not None:  # it stays in the token, which does the unwrapping
            token = keys.token_keys()
            token.key_octets(label)  # there is such a key
            return partial(token.unwrap_any, under=label)
        if len(found) not in _KEK_OCTETS:
            raise UsageError("a transport key has 16, 24 or 32 octets")
        return partial(_unwrapped, found)

    return find


def _unwrapped(key: bytes, wrapped: bytes) -> bytes:
    """What is inside, whether it was padded or not [rfc3394, rfc5649]."""
    try:
        return unwrap(key, wrapped)
    except SecurityError:
        return unwrap_padded(key, wrapped)


def _write(connection: Connection, tenant: int, found: Sorted, *, at_s: float, by: str) -> None:
    news = [checked_fields(draft.meter) | {"delivered": draft.delivered} for draft in found.new]
    enrol_checked(connection, tenant, news, at_s=at_s, by=by, reason="delivered")
    if not found.changed:
        return
    columns = _columns(found.changed)
    rows = [
        {"own": meter.number, "seen": meter.version, **_values(draft, meter, columns)}
        for draft, meter in found.changed
    ]
    done = connection.execute(
        update(METER)
        .where(METER.c.id == bindparam("own"), METER.c.version == bindparam("seen"))
        .values(
            {name: bindparam(f"new_{name}") for name in columns}
            | {"version": METER.c.version + 1, "changed_s": int(at_s)}
        ),
        rows,
    )
    if done.rowcount not in (len(rows), -1):
        raise ConflictError("somebody changed one of these meters just now: import it again")
    _replace_labels(connection, tenant, found.changed)
    for draft, meter in found.changed:
        told = [name for name in _PLACES if name in draft.told]
        different: dict[str, Any] = {
            name: getattr(draft.meter, name)
            for name in told
            if getattr(draft.meter, name) != getattr(meter, name)
        }
        if different:
            put_in_place(connection, tenant, meter, different)
    names = [meter.external_id for _, meter in found.changed]
    note_many(connection, tenant, "meter", names, at_s=at_s, detail={"changed": ["shipment"]})


def _columns(changed: Sequence[tuple[Draft, Meter]]) -> list[str]:
    told: set[str] = set().union(*(draft.told for draft, _ in changed))
    return [*sorted(told - {*_PLACES, "labels", "kind"}), "delivered"]


def _values(draft: Draft, meter: Meter, columns: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {"new_delivered": draft.delivered}
    for name in columns:
        if name != "delivered":
            value = getattr(draft.meter if name in draft.told else meter, name)
            values[f"new_{name}"] = value.value if name in _WORDS else value
    return values


def _replace_labels(
    connection: Connection, tenant: int, changed: Sequence[tuple[Draft, Meter]]
) -> None:
    pairs = [
        (draft.meter.labels, meter.number)
        for draft, meter in changed
        if "labels" in draft.told and draft.meter.labels != meter.labels
    ]
    if not pairs:
        return
    connection.execute(
        delete(LABEL).where(LABEL.c.meter == bindparam("own")), [{"own": own} for _, own in pairs]
    )
    rows = [
        {"tenant": tenant, "meter": own, "name": name, "value": value}
        for labels, own in pairs
        for name, value in labels.items()
    ]
    if rows:
        connection.execute(insert(LABEL), rows)
