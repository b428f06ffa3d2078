"""The table of APDUs: services of short names [asn1]."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.messaging.dlms import (
    short_name,
)
from ferraris.messaging.dlms.enumerations import (
    DataAccessResult,
)
from ferraris.messaging.dlms.names import Selection
from ferraris.messaging.dlms.translation.building import (
    DATA_LIST,
    DATA_OR_RESULT,
    OCTETS,
    RESULT,
    SHORT_BLOCK,
    SUCCESS,
    Layout,
    single,
)
from ferraris.messaging.dlms.translation.data import DATA
from ferraris.messaging.dlms.translation.kinds import (
    FLAG,
    SHORT,
    U8,
    U16,
    Nothing,
)
from ferraris.messaging.dlms.translation.records import (
    Alternative,
    Choice,
    Field,
    Items,
    ListOf,
    Record,
    Wrapped,
    any_value,
    of_type,
)

__all__ = ["SHORT_NAMES"]

_VARIABLE = (
    Alternative(
        "Variable-Access-Specification",
        any_value,
        Choice(
            (
                Alternative(
                    "variable-name",
                    of_type(short_name.VariableName),
                    Wrapped(short_name.VariableName, "name", SHORT),
                ),
                Alternative(
                    "parameterized-access",
                    of_type(short_name.ParameterisedAccess),
                    Record(
                        lambda name, selector, parameter: short_name.ParameterisedAccess(
                            name, Selection(selector, parameter)
                        ),
                        (
                            Field("name", "variable-name", SHORT),
                            Field("selector", "selector", U8),
                            Field("parameter", "parameter", DATA),
                        ),
                        view=lambda value: _Parameterized(value.name, *value.selection),
                    ),
                ),
                Alternative(
                    "block-number-access",
                    of_type(short_name.BlockNumberAccess),
                    Record(
                        short_name.BlockNumberAccess,
                        (Field("block_number", "block-number", U16),),
                    ),
                ),
                Alternative(
                    "read-data-block-access",
                    of_type(short_name.ReadDataBlockAccess),
                    Record(
                        short_name.ReadDataBlockAccess,
                        (*SHORT_BLOCK, Field("raw_data", "raw-data", OCTETS)),
                    ),
                ),
                Alternative(
                    "write-data-block-access",
                    of_type(short_name.WriteDataBlockAccess),
                    Record(short_name.WriteDataBlockAccess, SHORT_BLOCK),
                ),
            )
        ),
    ),
)


class _Parameterized(NamedTuple):
    name: int
    selector: int
    parameter: bytes


_BLOCK_NUMBER_RESULT = Alternative(
    "block-number",
    of_type(short_name.BlockNumberResult),
    Wrapped(short_name.BlockNumberResult, "block_number", U16),
)
_VARIABLES = Field("variables", "variable-access-specification", ListOf(_VARIABLE))
_WRITTEN = Field("data", "list-of-data", DATA_LIST)
SHORT_NAMES: tuple[tuple[type, Layout], ...] = (
    single(short_name.ReadRequest, "readRequest", Items("variables", _VARIABLE), listed=True),
    single(
        short_name.ReadResponse,
        "readResponse",
        Items(
            "results",
            (
                DATA_OR_RESULT[0],
                Alternative("data-access-error", of_type(DataAccessResult), RESULT),
                Alternative(
                    "data-block-result",
                    of_type(short_name.DataBlockResult),
                    Record(
                        short_name.DataBlockResult,
                        (*SHORT_BLOCK, Field("raw_data", "raw-data", OCTETS)),
                    ),
                ),
                _BLOCK_NUMBER_RESULT,
            ),
        ),
        listed=True,
    ),
    single(short_name.WriteRequest, "writeRequest", _VARIABLES, _WRITTEN),
    single(
        short_name.WriteResponse,
        "writeResponse",
        Items(
            "results",
            (
                Alternative("success", lambda value: value == SUCCESS, Nothing(SUCCESS)),
                Alternative("data-access-error", of_type(DataAccessResult), RESULT),
                _BLOCK_NUMBER_RESULT,
            ),
        ),
        listed=True,
    ),
    single(short_name.UnconfirmedWriteRequest, "unconfirmedWriteRequest", _VARIABLES, _WRITTEN),
    single(
        short_name.InformationReportRequest,
        "informationReportRequest",
        Field("current_time", "current-time", OCTETS, absent=None),
        Field("cosem_time", "cosem-time", FLAG, absent=False),
        _VARIABLES,
        _WRITTEN,
    ),
)
