"""Operations on readings in bulk: columns of groups of meters as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from sqlalchemy import Select, select

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.export import Choice, Gathering, Selection
from ferraris.headend.export.csv_text import csv_long, csv_wide
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.privacy import look, look_among, sealer_of
from ferraris.headend.operations.streams import Stream
from ferraris.headend.store.tables.inventory import METER

__all__ = ["Form", "export_readings"]


class Form(StrEnum):
    """What bulk readings look like."""

    ARROW = "arrow"
    """An Arrow IPC stream: one row a value."""
    PARQUET = "parquet"
    """A Parquet file: one row a value."""
    CSV = "csv"
    """One row a value."""
    CSV_WIDE = "csv-wide"
    """One row a time, one column a channel."""


_MEDIA: Final = {
    Form.ARROW: ("application/vnd.apache.arrow.stream", "arrows"),
    Form.PARQUET: ("application/vnd.apache.parquet", "parquet"),
    Form.CSV: ("text/csv; charset=utf-8", "csv"),
    Form.CSV_WIDE: ("text/csv; charset=utf-8", "csv"),
}


@operation("GET /readings", command="readings export", right=Right.SEE_READINGS)
def export_readings(
    desk: Desk,
    since: Annotated[datetime, "The first interval begins here."],
    until: Annotated[datetime, "The last interval ends here."],
    form: Form = Form.ARROW,
    group: Annotated[str, "Of these meters; all that may be seen otherwise."] = "",
    meter: Annotated[list[str] | None, "Of these meters."] = None,
    profile: Annotated[list[str] | None, "Of these profiles only."] = None,
    channel: Annotated[list[str] | None, "Of these channels only."] = None,
    values: Annotated[Choice, "What meters said, what validation made of it, or both."] = (
        Choice.RAW
    ),
    registers: Annotated[bool, "Register reads as well."] = False,
) -> Stream:
    """Give readings of many meters as columns; looks at those of customers are audited."""
    chosen = Selection(
        desk.tenant,
        int(since.timestamp()),
        int(until.timestamp()),
        _meters(desk, group, meter or []),
        tuple(profile or ()),
        tuple(channel or ()),
        values,
        registers,
    )
    finals = None
    if values is not Choice.RAW:
        finals = _finals(desk)
    gathering = Gathering(desk.house.engine, sealer_of(desk), chosen, finals)
    span = chosen.since_s, chosen.until_s
    if meter:
        for name in dict.fromkeys(meter):
            look(desk, desk.meter(name, Right.SEE_READINGS), span)
    else:
        look_among(desk, group or "all meters", gathering.meters, span)
    media_type, ending = _MEDIA[form]
    name = f"readings-{since:%Y%m%d}-{until:%Y%m%d}.{ending}"
    return Stream(media_type, _maker(form)(gathering), name)


def _meters(desk: Desk, group: str, names: list[str]) -> Select[Any]:
    seen = select(METER.c.id).where(desk.visible(Right.SEE_READINGS))
    if group:
        seen = seen.where(
            METER.c.id.in_(inventory.group_selection(desk.connection, desk.tenant, group))
        )
    if names:
        for name in names:
            desk.meter(name, Right.SEE_READINGS)  # one that may not be seen is not there
        seen = seen.where(METER.c.external_id.in_(names))
    return seen


def _maker(form: Form) -> Callable[[Gathering], Iterator[bytes]]:
    if form is Form.CSV:
        return csv_long
    if form is Form.CSV_WIDE:
        return csv_wide
    try:
        from ferraris.headend.export import columns_files  # noqa: PLC0415  (optional)
    except ImportError as error:
        raise UsageError(f"this form needs the `data` extra: no {error.name}") from None
    return columns_files.arrow_stream if form is Form.ARROW else columns_files.parquet_stream


def _finals(desk: Desk) -> Any:
    from ferraris.headend.operations.columns_final import ValidatedValues  # noqa: PLC0415

    return ValidatedValues(sealer_of(desk))
