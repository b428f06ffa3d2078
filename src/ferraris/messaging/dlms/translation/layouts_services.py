"""The table of APDUs: GET, SET and ACTION [asn1]."""

from __future__ import annotations

from ferraris.messaging.dlms import (
    action,
    get,
)
from ferraris.messaging.dlms import set as set_service
from ferraris.messaging.dlms.translation.building import (
    ACTION_RESULT,
    ATTRIBUTE_FIELD,
    ATTRIBUTES_FIELD,
    BLOCK_NUMBER,
    DATA_LIST,
    DATA_OR_RESULT,
    DATABLOCK,
    INVOKE,
    METHOD_FIELD,
    METHODS_FIELD,
    OCTETS,
    PBLOCK,
    RESULT,
    RESULTS,
    SELECTION_FIELD,
    SUCCESS,
    Layout,
    chosen,
)
from ferraris.messaging.dlms.translation.data import DATA
from ferraris.messaging.dlms.translation.kinds import (
    FLAG,
)
from ferraris.messaging.dlms.translation.records import (
    Alternative,
    Field,
    Group,
    ListOf,
    OneOf,
    Part,
    Record,
    any_value,
)

__all__ = ["SERVICES"]

_OUTCOME: tuple[Part, ...] = (
    Field("result", "result", ACTION_RESULT),
    OneOf(
        "return-parameters",
        (
            Field("data", "data", DATA),
            Field("data_result", "data-access-result", RESULT),
        ),
        {"data": None, "data_result": None},
        optional=True,
    ),
)
SERVICES: tuple[tuple[type, Layout], ...] = (
    chosen(
        get.GetRequestNormal,
        "get-request",
        "get-request-normal",
        INVOKE,
        ATTRIBUTE_FIELD,
        SELECTION_FIELD,
    ),
    chosen(get.GetRequestNext, "get-request", "get-request-next", INVOKE, BLOCK_NUMBER),
    chosen(
        get.GetRequestWithList, "get-request", "get-request-with-list", INVOKE, ATTRIBUTES_FIELD
    ),
    chosen(
        get.GetResponseNormal,
        "get-response",
        "get-response-normal",
        INVOKE,
        OneOf(
            "result",
            (Field("data", "data", DATA), Field("result", "data-access-result", RESULT)),
            {"data": None, "result": SUCCESS},
        ),
    ),
    chosen(
        get.GetResponseWithBlock,
        "get-response",
        "get-response-with-datablock",
        INVOKE,
        Group(
            "result",
            (
                Field("last_block", "last-block", FLAG),
                BLOCK_NUMBER,
                OneOf(
                    "result",
                    (
                        Field("raw_data", "raw-data", OCTETS),
                        Field("result", "data-access-result", RESULT),
                    ),
                    {"raw_data": None, "result": SUCCESS},
                ),
            ),
        ),
    ),
    chosen(
        get.GetResponseWithList,
        "get-response",
        "get-response-with-list",
        INVOKE,
        Field("results", "result", ListOf(DATA_OR_RESULT)),
    ),
    chosen(
        set_service.SetRequestNormal,
        "set-request",
        "set-request-normal",
        INVOKE,
        ATTRIBUTE_FIELD,
        SELECTION_FIELD,
        Field("data", "value", DATA),
    ),
    chosen(
        set_service.SetRequestFirstBlock,
        "set-request",
        "set-request-with-first-datablock",
        INVOKE,
        ATTRIBUTE_FIELD,
        SELECTION_FIELD,
        DATABLOCK,
    ),
    chosen(
        set_service.SetRequestBlock,
        "set-request",
        "set-request-with-datablock",
        INVOKE,
        DATABLOCK,
    ),
    chosen(
        set_service.SetRequestWithList,
        "set-request",
        "set-request-with-list",
        INVOKE,
        ATTRIBUTES_FIELD,
        Field("data", "value-list", DATA_LIST),
    ),
    chosen(
        set_service.SetRequestListFirstBlock,
        "set-request",
        "set-request-with-list-and-first-datablock",
        INVOKE,
        ATTRIBUTES_FIELD,
        DATABLOCK,
    ),
    chosen(
        set_service.SetResponseNormal,
        "set-response",
        "set-response-normal",
        INVOKE,
        Field("result", "result", RESULT),
    ),
    chosen(
        set_service.SetResponseBlock,
        "set-response",
        "set-response-datablock",
        INVOKE,
        BLOCK_NUMBER,
    ),
    chosen(
        set_service.SetResponseLastBlock,
        "set-response",
        "set-response-last-datablock",
        INVOKE,
        Field("result", "result", RESULT),
        BLOCK_NUMBER,
    ),
    chosen(
        set_service.SetResponseLastBlockWithList,
        "set-response",
        "set-response-last-datablock-with-list",
        INVOKE,
        Field("results", "result", RESULTS),
        BLOCK_NUMBER,
    ),
    chosen(
        set_service.SetResponseWithList,
        "set-response",
        "set-response-with-list",
        INVOKE,
        Field("results", "result", RESULTS),
    ),
    chosen(
        action.ActionRequestNormal,
        "action-request",
        "action-request-normal",
        INVOKE,
        METHOD_FIELD,
        Field("data", "method-invocation-parameters", DATA, absent=None),
    ),
    chosen(
        action.ActionRequestNextBlock,
        "action-request",
        "action-request-next-pblock",
        INVOKE,
        BLOCK_NUMBER,
    ),
    chosen(
        action.ActionRequestWithList,
        "action-request",
        "action-request-with-list",
        INVOKE,
        METHODS_FIELD,
        Field("data", "method-invocation-parameters", DATA_LIST),
    ),
    chosen(
        action.ActionRequestFirstBlock,
        "action-request",
        "action-request-with-first-pblock",
        INVOKE,
        METHOD_FIELD,
        PBLOCK,
    ),
    chosen(
        action.ActionRequestListFirstBlock,
        "action-request",
        "action-request-with-list-and-first-pblock",
        INVOKE,
        METHODS_FIELD,
        PBLOCK,
    ),
    chosen(
        action.ActionRequestBlock,
        "action-request",
        "action-request-with-pblock",
        INVOKE,
        PBLOCK,
    ),
    chosen(
        action.ActionResponseNormal,
        "action-response",
        "action-response-normal",
        INVOKE,
        Group("single-response", _OUTCOME),
    ),
    chosen(
        action.ActionResponseBlock,
        "action-response",
        "action-response-with-pblock",
        INVOKE,
        PBLOCK,
    ),
    chosen(
        action.ActionResponseWithList,
        "action-response",
        "action-response-with-list",
        INVOKE,
        Field(
            "results",
            "list-of-responses",
            ListOf(
                (
                    Alternative(
                        "Action-Response-With-Optional-Data",
                        any_value,
                        Record(action.ActionOutcome, _OUTCOME),
                    ),
                )
            ),
        ),
    ),
    chosen(
        action.ActionResponseNextBlock,
        "action-response",
        "action-response-next-pblock",
        INVOKE,
        BLOCK_NUMBER,
    ),
)
