"""Erasing a customer: the key is destroyed, what no key covers is deleted, the others keep theirs.

Bodies under the key stay where they are and never open again, in the database and in every copy of
it. Bodies of the customer's time that lie in the clear or under another key - the assignment was
noted late, or put right - are written over. On a day that the customer shares with others, the
others' rows are taken out and sealed for them. `personal` lists what happens with each table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.audit import Audit
from ferraris.headend.errors import NotFoundError
from ferraris.headend.privacy.derived import drop_derived
from ferraris.headend.privacy.edges import Case, take_apart
from ferraris.headend.privacy.holding import Spans, assignments, spans_of
from ferraris.headend.privacy.sealer import CustomerSealer
from ferraris.headend.privacy.validated import settle_final
from ferraris.headend.store import changes
from ferraris.headend.store.tables.inventory import CUSTOMER
from ferraris.headend.store.tables.inventory import SERVICE_POINT_METER as ASSIGNMENT

__all__ = ["Erasure", "complete", "customer_row", "erase", "spans_of_customer"]

_SWEEP_S = 7 * 86_400
_SCAN = 500


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did: to whom, when, and how many rows by table were written over or deleted.

    Bodies under the customer's key are not counted: they are erased by what happened to the key.
    """

    customer: str
    erased_s: float
    meters: int
    rows: Mapping[str, int]


def erase(
    connection: Connection,
    sealer: CustomerSealer,
    tenant: int,
    name: str,
    *,
    reason: str,
    at_s: float,
    journal: Audit | None = None,
    principal: str = "",
) -> Erasure:
    """Erase a customer's readings for good; again, it completes what was left over.

    The key is destroyed last, when nothing else can fail but the commit; `complete` finishes what
    a commit that fails leaves undone. `journal` is `Journal.write`, for callers whose request is
    not audited anyway. Raises `NotFoundError` for an unknown customer, `UsageError` when it is not
    said why.
    """
    if not reason.strip():
        raise UsageError("say why: an erasure cannot be taken back", where="privacy")
    row = customer_row(connection, tenant, name)
    since = row["erased_s"] or sealer.erased_s(row["id"]) or at_s
    spans = spans_of_customer(connection, row["id"])
    counts = _settle(connection, sealer, tenant, row["id"], spans)
    connection.execute(update(CUSTOMER).where(CUSTOMER.c.id == row["id"]).values(erased_s=since))
    done = Erasure(name, since, len(spans), counts)
    detail = {"reason": reason, "meters": done.meters, "rows": dict(counts)}
    changes.note(connection, tenant, "readings", name, at_s=at_s, detail={"erased": True})
    if journal is not None:
        journal(
            connection,
            tenant=tenant,
            principal=principal,
            action="erase_customer",
            subject=name,
            detail=detail,
            at_s=at_s,
        )
    sealer.destroy(connection, row["id"], since)
    return done


def complete(
    connection: Connection,
    sealer: CustomerSealer,
    *,
    at_s: float,
    journal: Audit,
    tenant: int | None = None,
    thorough: bool = False,
) -> list[Erasure]:
    """Finish erasures that database or key store do not know of: at the start, and once a day.

    A restored database learns from the key store who was erased since it was copied, and a
    restored key store from the database. What came in while a customer was being erased goes, too.
    Of all tenants, or of one; returns those that the database did not know of. As long as both know
    of equally many, nobody is compared one by one unless it is to be `thorough`.
    """
    known = CUSTOMER.c.erased_s.is_not(None)
    rows = connection.execute(
        select(CUSTOMER.c.id, CUSTOMER.c.tenant, CUSTOMER.c.name, CUSTOMER.c.erased_s).where(known)
    ).all()
    done = []
    if thorough or len(rows) != sealer.destructions():
        for row in rows:
            sealer.destroy(connection, row.id, row.erased_s)
        reason = "erased before this copy of the database came back"
        for whose, name in _unmarked(connection, sealer, tenant):
            done.append(
                erase(
                    connection, sealer, whose, name, reason=reason, at_s=at_s, journal=journal,
                    principal="head-end",
                )
            )  # fmt: skip
    for row in rows:
        if row.tenant == (tenant or row.tenant) and (row.erased_s > at_s - _SWEEP_S or done):
            spans = spans_of_customer(connection, row.id)
            _settle(connection, sealer, row.tenant, row.id, spans)
    return done


def customer_row(connection: Connection, tenant: int, name: str) -> Mapping[str, Any]:
    """The row of a customer; `NotFoundError` when the tenant has none of that name."""
    found = connection.execute(
        select(CUSTOMER).where(CUSTOMER.c.tenant == tenant, CUSTOMER.c.name == name)
    ).one_or_none()
    if found is None:
        raise NotFoundError(f"no customer {name!r}")
    return dict(found._mapping)


def spans_of_customer(connection: Connection, customer: int) -> dict[int, Spans]:
    """The customer's times at each meter."""
    meters = connection.execute(
        select(ASSIGNMENT.c.meter).where(ASSIGNMENT.c.customer == customer).distinct()
    ).scalars()
    return spans_of(assignments(connection, meters), customer)


def _settle(
    connection: Connection,
    sealer: CustomerSealer,
    tenant: int,
    customer: int,
    spans: Mapping[int, Spans],
) -> dict[str, int]:
    """Everything but the key and the mark: each step finds nothing to do when it was done."""
    counts: dict[str, int] = {}
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # freed pages hold readings, too
    assigned = assignments(connection, spans)
    for meter, theirs in spans.items():
        case = Case(connection, sealer, tenant, meter, customer, theirs, assigned[meter])
        for step in (take_apart, settle_final, drop_derived):
            for table, count in step(case).items():
                counts[table] = counts.get(table, 0) + count
    return {table: count for table, count in counts.items() if count}


def _unmarked(
    connection: Connection, sealer: CustomerSealer, tenant: int | None
) -> list[tuple[int, str]]:
    """Customers whose key is destroyed, and the database does not say so."""
    found: list[tuple[int, str]] = []
    wanted = select(CUSTOMER.c.id, CUSTOMER.c.tenant, CUSTOMER.c.name).where(
        CUSTOMER.c.erased_s.is_(None)
    )
    if tenant is not None:
        wanted = wanted.where(CUSTOMER.c.tenant == tenant)
    last = 0
    while True:
        rows = connection.execute(
            wanted.where(CUSTOMER.c.id > last).order_by(CUSTOMER.c.id).limit(_SCAN)
        ).all()
        if not rows:
            return found
        last = rows[-1].id
        found += [(row.tenant, row.name) for row in rows if sealer.erased_s(row.id) is not None]
