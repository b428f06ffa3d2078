"""Telling the services: GET, SET, ACTION and ACCESS, notifications, short names, errors [asn1]."""

from __future__ import annotations

from ferraris.data.obis import Obis
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    ConfirmedService,
    DataAccessResult,
    ExceptionServiceError,
    ServiceErrorChoice,
    StateError,
)
from ferraris.messaging.dlms.errors import ConfirmedServiceError
from ferraris.messaging.dlms.explain_data import tell_data
from ferraris.messaging.dlms.tags import ApduTag
from ferraris.messaging.dlms.telling import (
    Part,
    Teller,
    boolean,
    choice,
    counted,
    each,
    enumerated,
    moment,
    number,
    optional,
    sequence,
    string,
)

__all__ = ["MOMENT", "SERVICE_PARTS"]


def _priority(value: int) -> str:
    confirmed = "confirmed" if value & 0x40 else "unconfirmed"
    return f"{value & 0x0F}, {confirmed}, {'high' if value & 0x80 else 'normal'} priority"


def _long_priority(value: int) -> str:
    words = [str(value & 0xFFFFFF), "confirmed" if value & 0x4000_0000 else "unconfirmed"]
    words += ["self-descriptive"] if value & 0x1000_0000 else []
    words += ["break on error"] if value & 0x2000_0000 else []
    words += ["high priority" if value & 0x8000_0000 else "normal priority"]
    return ", ".join(words)


def _moment_string(name: str) -> Part:
    return string(f"length of {name}", moment)


def _name(teller: Teller) -> None:
    teller.tell(6, lambda octets: f"logical name {Obis(octets)}")


def _signed(name: str) -> Part:
    def text(octets: bytes) -> str:
        return f"{name} {int.from_bytes(octets, 'big', signed=True)}"

    return lambda teller: (teller.tell(1, text), None)[1]


def _base_name(value: int) -> str:
    return f"{value:04x}"


def _nothing(teller: Teller) -> None:
    """A choice without content."""


def _labelled(name: str, part: Part) -> Part:
    def tell(teller: Teller) -> None:
        teller.say(name)
        with teller.deeper():
            part(teller)

    return tell


_SECRET_METHODS = {
    (15, 2): "change_hls_secret",
    (64, 2): "key_transfer",
    (72, 7): "set_encryption_key",
    (72, 8): "transfer_key",
}
"""Methods whose parameters are secrets or keys, the latter wrapped or not [facts-g]."""

_SECRET_ATTRIBUTES = {(15, 7): "secret"}


def _subject(kind: str, secrets: dict[tuple[int, int], str]) -> Part:
    """A descriptor of an attribute or a method; what follows a secret one is hidden."""
    parts = sequence(number(2, "class"), _name, _signed(kind))

    def tell(teller: Teller) -> None:
        octets = teller.octets[teller.position : teller.position + 9]
        parts(teller)
        if (octets[0] << 8 | octets[1], octets[8]) in secrets:
            teller.hiding = True

    return tell


_IIP = number(1, "invoke-id-and-priority", _priority)
_LONG_IIP = number(4, "long-invoke-id-and-priority", _long_priority)
_ATTRIBUTE = _subject("attribute", _SECRET_ATTRIBUTES)
_METHOD = _subject("method", _SECRET_METHODS)
_SELECTION = sequence(number(1, "access selector"), _labelled("parameter", tell_data))
_SELECTED = sequence(_ATTRIBUTE, optional("selective access", _SELECTION))
_DAR = enumerated("data-access-result", DataAccessResult)
_AR = enumerated("action-result", ActionResult)
_BLOCK_NUMBER = number(4, "block number")
_RAW = string("raw data")
_BLOCK = sequence(boolean("last block"), _BLOCK_NUMBER, _RAW)
_ATTRIBUTES = counted("attribute", _SELECTED)
_METHODS = counted("method", _METHOD)
_DATA_LIST = each("data", tell_data)
_DATA_OR_RESULT = choice({0: ("data", tell_data), 1: ("result", _DAR)})
_RAW_OR_RESULT = choice({0: ("raw data", _RAW), 1: ("result", _DAR)})
_OUTCOME = sequence(_AR, optional("return parameters", _DATA_OR_RESULT))
MOMENT = _moment_string("date-time")
"""Length and octets of a date-time; the length may be 0."""

# -- services ---------------------------------------------------------------------------------

_GET_REQUEST = choice(
    {
        1: ("get-request-normal", sequence(_IIP, _SELECTED)),
        2: ("get-request-next", sequence(_IIP, _BLOCK_NUMBER)),
        3: ("get-request-with-list", sequence(_IIP, _ATTRIBUTES)),
    }
)
_GET_RESPONSE = choice(
    {
        1: ("get-response-normal", sequence(_IIP, _DATA_OR_RESULT)),
        2: (
            "get-response-with-datablock",
            sequence(_IIP, boolean("last block"), _BLOCK_NUMBER, _RAW_OR_RESULT),
        ),
        3: ("get-response-with-list", sequence(_IIP, counted("result", _DATA_OR_RESULT))),
    }
)
_SET_REQUEST = choice(
    {
        1: ("set-request-normal", sequence(_IIP, _SELECTED, tell_data)),
        2: ("set-request-with-first-datablock", sequence(_IIP, _SELECTED, _BLOCK)),
        3: ("set-request-with-datablock", sequence(_IIP, _BLOCK)),
        4: ("set-request-with-list", sequence(_IIP, _ATTRIBUTES, _DATA_LIST)),
        5: ("set-request-with-list-and-first-datablock", sequence(_IIP, _ATTRIBUTES, _BLOCK)),
    }
)
_SET_RESPONSE = choice(
    {
        1: ("set-response-normal", sequence(_IIP, _DAR)),
        2: ("set-response-datablock", sequence(_IIP, _BLOCK_NUMBER)),
        3: ("set-response-last-datablock", sequence(_IIP, _DAR, _BLOCK_NUMBER)),
        4: (
            "set-response-last-datablock-with-list",
            sequence(_IIP, each("result", _DAR), _BLOCK_NUMBER),
        ),
        5: ("set-response-with-list", sequence(_IIP, each("result", _DAR))),
    }
)
_ACTION_REQUEST = choice(
    {
        1: (
            "action-request-normal",
            sequence(_IIP, _METHOD, optional("invocation parameters", tell_data)),
        ),
        2: ("action-request-next-pblock", sequence(_IIP, _BLOCK_NUMBER)),
        3: ("action-request-with-list", sequence(_IIP, _METHODS, _DATA_LIST)),
        4: ("action-request-with-first-pblock", sequence(_IIP, _METHOD, _BLOCK)),
        5: ("action-request-with-list-and-first-pblock", sequence(_IIP, _METHODS, _BLOCK)),
        6: ("action-request-with-pblock", sequence(_IIP, _BLOCK)),
    }
)
_ACTION_RESPONSE = choice(
    {
        1: ("action-response-normal", sequence(_IIP, _OUTCOME)),
        2: ("action-response-with-pblock", sequence(_IIP, _BLOCK)),
        3: ("action-response-with-list", sequence(_IIP, counted("result", _OUTCOME))),
        4: ("action-response-next-pblock", sequence(_IIP, _BLOCK_NUMBER)),
    }
)
_SPECIFICATION = choice(
    {
        1: ("get", _ATTRIBUTE),
        2: ("set", _ATTRIBUTE),
        3: ("action", _METHOD),
        4: ("get with selection", sequence(_ATTRIBUTE, _SELECTION)),
        5: ("set with selection", sequence(_ATTRIBUTE, _SELECTION)),
    }
)
_SPECIFICATIONS = counted("specification", _SPECIFICATION)
_ACCESS_RESULT = choice({1: ("get", _DAR), 2: ("set", _DAR), 3: ("action", _AR)})
_ACCESS_REQUEST = sequence(_LONG_IIP, MOMENT, _SPECIFICATIONS, _DATA_LIST)
_ACCESS_RESPONSE = sequence(
    _LONG_IIP,
    MOMENT,
    optional("specifications", _SPECIFICATIONS),
    _DATA_LIST,
    counted("result", _ACCESS_RESULT),
)


def _data_notification(teller: Teller) -> None:
    _LONG_IIP(teller)
    if teller.octets[teller.position : teller.position + 2] == b"\x09\x0c":
        teller.tell(1, "tag of octet-string, which does not belong here")
    MOMENT(teller)
    teller.say("notification body")
    with teller.deeper():
        tell_data(teller)


_EVENT_NOTIFICATION = sequence(
    optional("time", _moment_string("time")), _ATTRIBUTE, _labelled("value", tell_data)
)

_SECRET_NAMES = (b"\xfa\x40", b"\xfa\x48")
"""Methods of the Association SN in use that change its secrets [facts-g]."""

_SHORT_NAME = number(2, "short name", _base_name)


def _variable_name(teller: Teller) -> None:
    """A short name; what follows a secret one is hidden."""
    octets = teller.octets[teller.position : teller.position + 2]
    _SHORT_NAME(teller)
    if octets in _SECRET_NAMES:
        teller.hiding = True


_SHORT_BLOCK_NUMBER = number(2, "block number")
_SHORT_BLOCK = sequence(boolean("last block"), _SHORT_BLOCK_NUMBER)
_VARIABLES = counted(
    "variable",
    choice(
        {
            2: ("variable-name", _variable_name),
            4: ("parameterised-access", sequence(_variable_name, _SELECTION)),
            5: ("block-number-access", _SHORT_BLOCK_NUMBER),
            6: ("read-data-block-access", sequence(_SHORT_BLOCK, _RAW)),
            7: ("write-data-block-access", _SHORT_BLOCK),
        }
    ),
)
_READ_RESPONSE = counted(
    "result",
    choice(
        {
            0: ("data", tell_data),
            1: ("data-access-error", _DAR),
            2: ("data-block-result", sequence(_SHORT_BLOCK, _RAW)),
            3: ("block-number", _SHORT_BLOCK_NUMBER),
        }
    ),
)
_WRITE_RESPONSE = counted(
    "result",
    choice(
        {
            0: ("success", _nothing),
            1: ("data-access-error", _DAR),
            2: ("block-number", _SHORT_BLOCK_NUMBER),
        }
    ),
)
_WRITE_REQUEST = sequence(_VARIABLES, _DATA_LIST)


def _information_report(teller: Teller) -> None:
    if teller.peek() == 12:
        _moment_string("current-time")(teller)
    else:
        optional("current-time", string("current-time"))(teller)
    _WRITE_REQUEST(teller)


# -- association and errors -------------------------------------------------------------------


def _conformance(teller: Teller) -> None:
    start = teller.position
    teller.take(1)
    if teller.peek() == 0x1F:
        teller.take(1)
    teller.take(2)
    size, teller.position = teller.position - start, start
    teller.tell(size, "conformance: tag, length 4, unused bits 0")
    with teller.deeper():
        teller.tell(3, lambda octets: Conformance.from_octets(octets).words)


_QUALITY = optional("quality of service", _signed("quality of service"))
_INITIATE_REQUEST = sequence(
    optional("dedicated key", string("dedicated key", secret=True)),
    optional("response-allowed", boolean("response allowed")),
    _QUALITY,
    number(1, "DLMS version"),
    _conformance,
    number(2, "client max receive PDU size"),
)
_INITIATE_RESPONSE = sequence(
    _QUALITY,
    number(1, "DLMS version"),
    _conformance,
    number(2, "server max receive PDU size"),
    number(2, "VAA name", _base_name),
)


def _confirmed_service_error(teller: Teller) -> None:
    enumerated("service", ConfirmedService)(teller)
    kind = teller.peek()
    enumerated("error", ServiceErrorChoice)(teller)

    def words(value: int) -> str:
        choice_of = ServiceErrorChoice(kind or 0)
        return ConfirmedServiceError(ConfirmedService.INITIATE, choice_of, value).words

    number(1, "reason", words)(teller)


def _exception_response(teller: Teller) -> None:
    enumerated("state-error", StateError)(teller)
    enumerated("service-error", ExceptionServiceError)(teller)
    if teller.remaining == 4:
        number(4, "lowest acceptable invocation counter")(teller)


SERVICE_PARTS: dict[int, Part] = {
    ApduTag.INITIATE_REQUEST: _INITIATE_REQUEST,
    ApduTag.INITIATE_RESPONSE: _INITIATE_RESPONSE,
    ApduTag.READ_REQUEST: _VARIABLES,
    ApduTag.READ_RESPONSE: _READ_RESPONSE,
    ApduTag.WRITE_REQUEST: _WRITE_REQUEST,
    ApduTag.WRITE_RESPONSE: _WRITE_RESPONSE,
    ApduTag.UNCONFIRMED_WRITE_REQUEST: _WRITE_REQUEST,
    ApduTag.INFORMATION_REPORT_REQUEST: _information_report,
    ApduTag.CONFIRMED_SERVICE_ERROR: _confirmed_service_error,
    ApduTag.EXCEPTION_RESPONSE: _exception_response,
    ApduTag.DATA_NOTIFICATION: _data_notification,
    ApduTag.DATA_NOTIFICATION_CONFIRM: sequence(_LONG_IIP, MOMENT),
    ApduTag.EVENT_NOTIFICATION_REQUEST: _EVENT_NOTIFICATION,
    ApduTag.GET_REQUEST: _GET_REQUEST,
    ApduTag.GET_RESPONSE: _GET_RESPONSE,
    ApduTag.SET_REQUEST: _SET_REQUEST,
    ApduTag.SET_RESPONSE: _SET_RESPONSE,
    ApduTag.ACTION_REQUEST: _ACTION_REQUEST,
    ApduTag.ACTION_RESPONSE: _ACTION_RESPONSE,
    ApduTag.ACCESS_REQUEST: _ACCESS_REQUEST,
    ApduTag.ACCESS_RESPONSE: _ACCESS_RESPONSE,
}
"""Tag to part, for every service that is neither protected nor around another APDU."""
