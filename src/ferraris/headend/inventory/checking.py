"""What values of the inventory may be, whoever brings them.

Errors do not repeat values: in a file whose columns are shifted, one may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from ferraris.core.errors import UsageError
from ferraris.headend.inventory.awake import hours_of
from ferraris.headend.inventory.records import (
    FIRST_WAYS,
    HOSTS,
    MEDIA,
    SUITES,
    Authentication,
    Ciphering,
    Contact,
    Kind,
    NewMeter,
)
from ferraris.line.url import parse_url

__all__ = [
    "MOST_LABELS",
    "check_label",
    "check_meter",
    "check_name",
    "check_security",
    "check_value",
    "check_zone",
    "checked_fields",
]

MOST_LABELS = 50
_NAME_CHARACTERS = 128
_TEXT_CHARACTERS = 200
_MOST_SAP = 0xFFFF
_MOST_CHANNEL = 255
_TITLE_OCTETS = 8
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")

Word = TypeVar("Word", bound=StrEnum)


def check_name(name: object, what: str = "name") -> str:
    """A name: 1 to 128 printable characters, no slash, no blanks around it."""
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= _NAME_CHARACTERS
        or name.strip() != name
        or "/" in name
        or not name.isprintable()
    ):
        raise UsageError(
            f"the {what} has 1 to {_NAME_CHARACTERS} printable characters, no slash and no blanks "
            "around it"
        )
    return name


def check_zone(name: object) -> str:
    """The name of a time zone that is known here."""
    if not isinstance(name, str) or not _is_zone(name):
        raise UsageError("no such time zone: an IANA name is needed, as in Europe/Berlin or UTC")
    return name


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        return ZoneInfo(name).key == name
    except (KeyError, ValueError, OSError):  # a folder, or a path out of the database of zones
        return False


def check_label(name: object, value: object) -> tuple[str, str]:
    """Name and value of a label."""
    if not isinstance(name, str) or not _LABEL.fullmatch(name):
        raise UsageError(
            "the name of a label has 1 to 50 letters, digits, - and _, and begins with a letter"
        )
    return name, _text(value)


def check_value(field: str, value: object) -> Any:
    """The value of a field of `NewMeter` as it is stored; `UsageError` says what it can be."""
    try:
        return _CHECKS[field](value)
    except UsageError as error:
        raise UsageError(f"{field}: {error.message}") from None


def checked_fields(meter: NewMeter) -> dict[str, Any]:
    """The fields of a meter whose values were checked one by one before."""
    return {field: getattr(meter, field) for field in _CHECKS}


def check_meter(meter: NewMeter) -> dict[str, Any]:
    """The fields of a new meter, checked one by one and against each other."""
    checked = {field: check_value(field, getattr(meter, field)) for field in _CHECKS}
    check_place(meter.external_id, checked)
    check_security(checked)
    return checked


def check_place(external_id: str, values: Mapping[str, Any]) -> None:
    """Whether `kind`, `behind`, `channel` and `node` go together."""
    kind, behind, channel = values["kind"], values["behind"], values["channel"]
    if behind is None and kind is Kind.SUB_METER:
        raise UsageError(f"{external_id}: behind: a sub-meter is behind a meter or a gateway")
    if behind is not None and not HOSTS[kind]:
        raise UsageError(f"{external_id}: behind: a gateway is behind nothing")
    if behind == external_id:
        raise UsageError(f"{external_id}: behind: nothing is behind itself")
    if channel is None and kind is Kind.SUB_METER:
        raise UsageError(f"{external_id}: channel: a sub-meter has a channel at its host")
    if channel is not None and behind is None:
        raise UsageError(f"{external_id}: channel: there is no host to have channels")
    if values["node"] is not None and behind is not None:
        raise UsageError(
            f"{external_id}: node: what is behind a host hangs at the node of the host"
        )


def check_security(values: Mapping[str, Any]) -> None:
    """Whether `authentication`, `suite`, `ciphering` and the first way go together.

    The error begins with the name of the field.
    """
    way, suite, ciphering = values["authentication"], values["suite"], values["ciphering"]
    form, _, signed = ciphering.partition("+")
    if way is Authentication.ECDSA and not suite:
        raise UsageError("suite: ecdsa signs, which suite 0 cannot: 1 or 2")
    if (signed or form in (Ciphering.ONE_PASS, Ciphering.STATIC)) and not suite:
        raise UsageError(f"suite: {ciphering} needs key pairs, which suite 0 has not: 1 or 2")
    if way is Authentication.ECDSA and ciphering is Ciphering.NONE:
        raise UsageError("ciphering: a meter of ecdsa protects its APDUs")
    first = values["first_authentication"]
    if (values["first_client"] is None) != (not first):
        raise UsageError("first_client: goes with first_authentication, and this with it")
    if first and way not in (Authentication.GMAC, Authentication.ECDSA):
        raise UsageError("first_authentication: it is given keys, so its own way is gmac or ecdsa")


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_CHARACTERS or not value.isprintable():
        raise UsageError(f"at most {_TEXT_CHARACTERS} printable characters")
    return value


def _name_or_none(value: object) -> str | None:
    return None if value is None else check_name(value)


def _title(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) not in (0, _TITLE_OCTETS):
        raise UsageError(f"a system title has {_TITLE_OCTETS} octets")
    return value


def _medium(value: object) -> str:
    if value not in MEDIA:
        raise UsageError(f"one of {', '.join(MEDIA)}")
    return str(value)


def _address(value: object) -> str:
    url = _text(value)
    if url:
        # What begins with ? completes the address of the gateway in front of the meter.
        parse_url(f"tcp://gateway{url}" if url.startswith("?") else url)
    return url


def _sap_or_none(value: object) -> int | None:
    return None if value is None else _sap(value)


def _suite(value: object) -> int:
    if isinstance(value, bool) or value not in SUITES:
        raise UsageError("a security suite is 0, 1 or 2")
    assert isinstance(value, int)
    return value


def _first(value: object) -> str:
    if value not in ("", *FIRST_WAYS):
        raise UsageError(f"one of {', '.join(FIRST_WAYS)}, or empty")
    return str(value)


def _awake(value: object) -> str:
    text = _text(value)
    hours_of(text)
    return text


def _sap(value: object) -> int:
    return _whole(value, _MOST_SAP)


def _channel(value: object) -> int | None:
    if value is None:
        return None
    if value == 0:
        raise UsageError("channels are counted from 1")
    return _whole(value, _MOST_CHANNEL)


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise UsageError(f"a whole number up to {most}")
    return value


def _labels(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise UsageError("labels have names and values")
    if len(value) > MOST_LABELS:
        raise UsageError(f"at most {MOST_LABELS} labels")
    return dict(check_label(*each) for each in value.items())


def _digest(value: object) -> bytes | None:
    if value is not None and not isinstance(value, bytes):
        raise UsageError("a digest is octets")
    return value


def _word(kind: type[Word]) -> Callable[[object], Word]:
    def check(value: object) -> Word:
        try:
            return kind(value)  # type: ignore[arg-type] # ValueError is caught
        except ValueError:
            words = ", ".join(each.value for each in kind)
            raise UsageError(f"one of {words}") from None

    return check


_CHECKS: Final[Mapping[str, Callable[[object], Any]]] = {
    "external_id": lambda value: check_name(value, "external id"),
    "kind": _word(Kind),
    "behind": _name_or_none,
    "channel": _channel,
    "node": _name_or_none,
    "system_title": _title,
    "logical_device_name": _text,
    "serial_number": _text,
    "maker": _text,
    "model": _text,
    "medium": _medium,
    "zone": check_zone,
    "address": _address,
    "contact": _word(Contact),
    "awake": _awake,
    "client": _sap,
    "server": _sap,
    "authentication": _word(Authentication),
    "suite": _suite,
    "ciphering": _word(Ciphering),
    "first_authentication": _first,
    "first_client": _sap_or_none,
    "companion": _text,
    "template": _text,
    "firmware": _text,
    "firmware_wanted": _text,
    "configuration": _text,
    "configuration_wanted": _text,
    "labels": _labels,
    "delivered": _digest,
}
