"""Operations on personal data: a customer's archive, erasure, and looks that are audited."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final

from sqlalchemy import Row

from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.streams import Stream
from ferraris.headend.privacy import (
    PERSONAL_DATA,
    CustomerSealer,
    Erasure,
    complete,
    concerns_customer,
    customer_sealer,
    erase,
    hand_out,
    look_detail,
)

__all__ = [
    "ErasureDocument",
    "ErasureView",
    "TreatmentView",
    "erase_customer",
    "export_customer",
    "list_personal_data",
    "look",
    "look_among",
    "sealer_of",
    "settle_erasures",
]

_CHUNK: Final = 1 << 16
_IN_MEMORY: Final = 8 << 20
_ANY_TIME: Final = (-(1 << 47), 1 << 47)


@dataclass(frozen=True, slots=True)
class ErasureDocument:
    """Why a customer is erased, such as the number of their request."""

    reason: str


@dataclass(frozen=True, slots=True)
class ErasureView:
    """What an erasure did; `rows` were written over or deleted beside what lay under the key."""

    customer: str
    erased_at: datetime
    meters: int
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class TreatmentView:
    """What one table of the store tells about customers, and what an erasure does with it."""

    table: str
    at_erasure: str
    exported: bool
    holds: str


@operation("GET /customers/{customer}/archive", command="customers export", right=Right.PRIVACY)
def export_customer(desk: Desk, customer: str) -> Stream:
    """Give a customer's readings and what else is kept of them, as a zip for them."""
    desk.demand_everywhere(Right.PRIVACY)
    target = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (the chunks close it)
    try:
        handed = hand_out(
            desk.connection,
            sealer_of(desk),
            desk.tenant,
            customer,
            target,
            at_s=desk.now,
            finals=_finals(desk),
        )
    except BaseException:
        target.close()
        raise
    desk.looks |= {customer: {}} | {
        meter: look_detail(min(since, int(desk.now)), min(until, int(desk.now)))
        for meter, (since, until) in handed.times.items()
    }
    desk.detail |= {"meters": len(handed.times), "values": handed.values}
    target.seek(0)
    return Stream("application/zip", _Chunks(target), f"{_plain(customer)}.zip")


@operation("POST /customers/{customer}/erasure", command="customers erase", right=Right.PRIVACY)
def erase_customer(desk: Desk, customer: str, body: ErasureDocument) -> ErasureView:
    """Erase a customer's readings for good: their key is destroyed."""
    desk.demand_everywhere(Right.PRIVACY)
    done = erase(
        desk.connection, sealer_of(desk), desk.tenant, customer, reason=body.reason, at_s=desk.now
    )
    desk.detail |= {"reason": body.reason, "meters": done.meters, "rows": dict(done.rows)}
    return _view(done)


@operation("POST /customers/erasures", command="customers settle", right=Right.PRIVACY)
def settle_erasures(desk: Desk) -> list[ErasureView]:
    """Finish erasures that the database or the key store does not know of, as after a restore.

    `restore` does this by itself, and a head-end that runs at its start and once a day.
    """
    desk.demand_everywhere(Right.PRIVACY)
    desk.subject = "erasures"
    done = complete(
        desk.connection,
        sealer_of(desk),
        at_s=desk.now,
        journal=desk.house.journal.write,
        tenant=desk.tenant,
        thorough=True,
    )
    return [_view(each) for each in done]


@operation("GET /personal-data", command="customers data", right=Right.SEE_METERS)
def list_personal_data(desk: Desk) -> list[TreatmentView]:
    """Tell of each table of the store what it tells about customers."""
    del desk
    return [
        TreatmentView(table, str(told.fate), told.exported, told.told)
        for table, told in sorted(PERSONAL_DATA.items())
    ]


def sealer_of(desk: Desk) -> CustomerSealer:
    """What opens readings of customers: one for the whole process."""
    given = desk.house.parts.get(CustomerSealer)
    if isinstance(given, CustomerSealer):
        return given
    return customer_sealer(desk.house.engine, desk.house.keys)


def look(desk: Desk, meter: Row[Any], span: tuple[int, int] | None = None) -> None:
    """Have a look at readings of a meter audited where it concerns a customer.

    `span` is from when the readings are, in seconds UTC; without it any time counts.
    """
    if concerns_customer(desk.connection, [meter.id], *(span or _ANY_TIME)):
        desk.looks[meter.external_id] = {}
        if span is not None:
            desk.detail |= look_detail(*span)


def look_among(
    desk: Desk, name: str, meters: Collection[int], span: tuple[int, int]
) -> None:  # fmt: skip
    """The same of many meters at once, in one line under a name, such as that of their group."""
    if concerns_customer(desk.connection, meters, *span):
        desk.looks[name] = {}
        desk.among = meters
        desk.detail |= look_detail(*span)


def _view(done: Erasure) -> ErasureView:
    erased_at = datetime.fromtimestamp(done.erased_s, UTC)
    return ErasureView(done.customer, erased_at, done.meters, dict(done.rows))


def _finals(desk: Desk) -> Any:
    try:
        from ferraris.headend.operations.columns_final import (  # noqa: PLC0415  (optional)
            ValidatedValues,
        )
    except ImportError:
        return None
    return ValidatedValues(sealer_of(desk))


class _Chunks(Iterator[bytes]):
    """The octets of a file that is gone afterwards, also when nobody took any."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target

    def __next__(self) -> bytes:
        chunk = b"" if self._target.closed else self._target.read(_CHUNK)
        if not chunk:
            self.close()
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Let go of the file."""
        self._target.close()


def _plain(name: str) -> str:
    """A name for a file, of letters and digits."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)
