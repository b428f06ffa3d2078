"""The operation that takes a shipment file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk, Progress
from ferraris.headend.operations.operation import operation

__all__ = ["ShipmentDocument", "ShipmentProblem", "ShipmentView", "import_shipment"]


@dataclass(frozen=True, slots=True)
class ShipmentDocument:
    """A shipment file and how it is to be taken."""

    file: Annotated[bytes, "CSV or JSON; @FILE on the command line."]
    transport_key: Annotated[str, "Name of the key under which its keys are wrapped."] = ""
    plain_keys: Annotated[bool, "Take keys that are not wrapped."] = False
    update: Annotated[bool, "Rows that differ change what is there."] = False
    dry_run: Annotated[bool, "Check and write nothing."] = False


@dataclass(frozen=True, slots=True)
class ShipmentProblem:
    """What is wrong in which row (0: the whole file) and column, and what helps."""

    row: int
    column: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ShipmentView:
    """What came of it: `keys` secrets are new, those of `kept` meters are in use and stay."""

    written: bool
    rows: int
    new: int
    changed: int
    unchanged: int
    keys: int
    kept: int
    errors: int
    problems: list[ShipmentProblem]


MOST_OCTETS: Final = 64 << 20
"""How long a document with a shipment file may be: 48 MiB of the file, as it travels in base64."""


@operation(
    "POST /shipments",
    command="shipments import",
    right=Right.MANAGE_METERS,
    most_octets=MOST_OCTETS,
)
def import_shipment(desk: Desk, body: ShipmentDocument) -> ShipmentView:
    """Take the meters of a shipment file into the inventory and their keys into the key store.

    All of it or nothing: a row that is wrong refuses the file. With a dry run all that is wrong
    is listed.
    """
    desk.demand_everywhere(Right.MANAGE_METERS)
    progress: Progress | None = desk.house.parts.get(Progress)
    report = inventory.import_shipment(
        desk.connection,
        desk.tenant,
        desk.house.keys,
        body.file,
        at_s=desk.now,
        by=desk.caller.name,
        transport_key=body.transport_key,
        plain_keys=body.plain_keys,
        update=body.update,
        dry_run=body.dry_run,
        progress=None if progress is None else lambda what, done, of: progress.tell(done, of, what),
    )
    if report.errors and not body.dry_run:
        raise inventory.ShipmentError(report)
    names = ("rows", "new", "changed", "unchanged", "keys")
    desk.detail |= {name: getattr(report, name) for name in names}
    desk.detail["dry run"] = body.dry_run
    return ShipmentView(
        report.written,
        report.rows,
        report.new,
        report.changed,
        report.unchanged,
        report.keys,
        report.kept,
        report.error_count,
        [ShipmentProblem(each.row, each.column, each.what, each.remedy) for each in report.errors],
    )
