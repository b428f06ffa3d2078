"""The table of APDUs: ACCESS, and what comes unasked [asn1]."""

from __future__ import annotations

from functools import partial

from ferraris.messaging.dlms import (
    access,
    notify,
)
from ferraris.messaging.dlms.translation.building import (
    ACTION_RESULT,
    ATTRIBUTE,
    ATTRIBUTE_FIELD,
    DATA_LIST,
    DATE_TIME,
    LONG_INVOKE,
    METHOD,
    OCTETS,
    RESULT,
    SELECTION,
    Layout,
    single,
)
from ferraris.messaging.dlms.translation.data import DATA
from ferraris.messaging.dlms.translation.kinds import (
    FLAG,
)
from ferraris.messaging.dlms.translation.records import (
    Alternative,
    Choice,
    Field,
    Group,
    ListOf,
    Part,
    Record,
    any_value,
)

__all__ = ["ACCESS"]


def _specification(choice: access.AccessChoice) -> Alternative:
    """One thing that ACCESS does, by its choice."""
    name = choice.name.lower().replace("_", "-")
    method = choice is access.AccessChoice.ACTION
    descriptor = Field(
        "descriptor",
        "cosem-method-descriptor" if method else "cosem-attribute-descriptor",
        METHOD if method else ATTRIBUTE,
    )
    parts: tuple[Part, ...] = (descriptor,)
    if choice >= access.AccessChoice.GET_WITH_SELECTION:
        parts = (descriptor, Field("selection", "access-selection", SELECTION))
    return Alternative(
        f"access-request-{name}",
        lambda value: value.choice == choice,
        Record(partial(access.AccessSpecification, choice), parts),
    )


def _access_result(choice: access.AccessChoice) -> Alternative:
    kind = ACTION_RESULT if choice is access.AccessChoice.ACTION else RESULT
    return Alternative(
        f"access-response-{choice.name.lower()}",
        lambda value: value.choice == choice,
        Record(partial(access.AccessResult, choice), (Field("result", "result", kind),)),
    )


def _wrapped(element: str, *alternatives: Alternative) -> ListOf:
    """A list of choices, each in an element of its own."""
    return ListOf((Alternative(element, any_value, Choice(alternatives)),))


_SPECIFICATIONS = _wrapped(
    "Access-Request-Specification", *map(_specification, access.AccessChoice)
)
_ACCESS_RESULTS = _wrapped(
    "Access-Response-Specification",
    *(_access_result(choice) for choice in access.AccessChoice if choice.value <= 3),
)
_ACCESS: tuple[tuple[type, Layout], ...] = (
    single(
        access.AccessRequest,
        "access-request",
        LONG_INVOKE,
        DATE_TIME,
        Group(
            "access-request-body",
            (
                Field("specifications", "access-request-specification", _SPECIFICATIONS),
                Field("data", "access-request-list-of-data", DATA_LIST),
            ),
        ),
    ),
    single(
        access.AccessResponse,
        "access-response",
        LONG_INVOKE,
        DATE_TIME,
        Group(
            "access-response-body",
            (
                Field(
                    "specifications", "access-request-specification", _SPECIFICATIONS, absent=None
                ),
                Field("data", "access-response-list-of-data", DATA_LIST),
                Field("results", "access-response-specification", _ACCESS_RESULTS),
            ),
        ),
    ),
)

_NOTIFICATIONS: tuple[tuple[type, Layout], ...] = (
    single(
        notify.DataNotification,
        "data-notification",
        LONG_INVOKE,
        DATE_TIME,
        Field("date_time_tagged", "date-time-tagged", FLAG, absent=False),
        Group("notification-body", (Field("body", "data-value", DATA),)),
    ),
    single(notify.DataNotificationConfirm, "data-notification-confirm", LONG_INVOKE, DATE_TIME),
    single(
        notify.EventNotification,
        "event-notification-request",
        Field("time", "time", OCTETS, absent=None),
        ATTRIBUTE_FIELD,
        Field("data", "attribute-value", DATA),
    ),
)

ACCESS = (*_ACCESS, *_NOTIFICATIONS)
