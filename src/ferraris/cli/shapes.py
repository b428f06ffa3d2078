"""APDUs and COSEM data as plain shapes: what `decode` prints, as JSON or as text.

Names are those of the standard. Octets stay octets here; the writer shows them as hex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC
from enum import IntEnum
from typing import Any

from ferraris.core.errors import Error
from ferraris.data import axdr, compact
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import BitString, CompactArray, Data
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.apdu import Apdu, tag_name
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection

__all__ = [
    "apdu_shape",
    "data_shape",
    "encoded_shape",
    "logical_name_shape",
    "moment",
    "plain_symbol",
]

Open = Callable[[Any, str], Any]
"""Shows a field that holds another APDU, or a protected one: takes the APDU and the field."""

# Fields that hold encoded Data, alone or in lists.
_DATA = {"data", "parameter", "body", "values", "value", "results", "result_data", "outcomes"}
_NESTED = {"user_information", "content", "apdu"}
_TIMES = {"date_time", "time"}


def apdu_shape(apdu: Apdu, show_nested: Open) -> dict[str, Any]:
    """All fields of an APDU by name; `show_nested` shows what is nested or protected in it."""
    shape: dict[str, Any] = {"apdu": _apdu_name(apdu)}
    for field in fields(apdu):
        value = getattr(apdu, field.name)
        if value is None or field.name == "tag":
            continue
        if field.name in _NESTED and isinstance(value, bytes):
            shape[field.name] = show_nested(apdu, field.name)
        elif field.name == "invoke_id_and_priority":
            shape |= _invoke_id(value)
        else:
            shape[field.name] = _field(field.name, value)
    return shape


def data_shape(data: Data) -> Any:
    """COSEM data as numbers, texts, octets and lists; what the kinds were is not kept."""
    tag, value = data
    if tag in (1, 2):
        return [data_shape(each) for each in value]
    if isinstance(value, CompactArray):
        return [data_shape(each) for each in compact.elements(value)]
    if isinstance(value, BitString):
        return value.text
    if tag in (25, 26, 27):
        return str(value)
    return value


def logical_name_shape(logical_name: bytes) -> dict[str, Any]:
    """An OBIS code and its name, when there is one."""
    from ferraris.model import obis_names

    code = Obis(logical_name)
    shape = {"obis": str(code)}
    if name := obis_names.name(code):
        shape["name"] = name
    return shape


def _apdu_name(apdu: Apdu) -> str:
    """`GetRequestNormal` is `get-request-normal`; ciphered services go by their tag."""
    tag = getattr(apdu, "tag", None)
    if isinstance(tag, int):
        return tag_name(tag)
    name = type(apdu).__name__
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def _invoke_id(octet: int) -> dict[str, Any]:
    return {
        "invoke_id": octet & 0x0F,
        "service_class": "confirmed" if octet & 0x40 else "unconfirmed",
        "priority": "high" if octet & 0x80 else "normal",
    }


def _field(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return _octets(name, value)
    if isinstance(value, Conformance):
        return {"bits": value.to_octets(), "services": value.words}
    if isinstance(value, IntEnum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, AttributeDescriptor):
        return _described(value, "attribute", value.attribute)
    if isinstance(value, MethodDescriptor):
        return _described(value, "method", value.method)
    if isinstance(value, Selection):
        return {"selector": value.selector, "parameter": encoded_shape(value.parameter)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        pairs = value._asdict().items()
        return {n: _field(n, each) for n, each in pairs if each is not None}
    if isinstance(value, list | tuple):
        return [_field(name, each) for each in value]
    if is_dataclass(value):
        shape = {"kind": _apdu_name(value)}  # type: ignore[arg-type] # named like an APDU
        return shape | {f.name: _field(f.name, getattr(value, f.name)) for f in fields(value)}
    return value


def _octets(name: str, value: bytes) -> Any:
    if name in _TIMES and len(value) == 12:
        return str(DateTime(value))
    if name in _DATA and value:
        return encoded_shape(value)
    return value


def encoded_shape(octets: bytes) -> Any:
    """Data where it can be read, else its octets: a block may end in the middle."""
    try:
        return data_shape(axdr.decode(octets))
    except Error:
        return octets


def _described(
    descriptor: AttributeDescriptor | MethodDescriptor, kind: str, index: int
) -> dict[str, Any]:
    from ferraris.model import registry

    class_id = descriptor.class_id
    versions = registry.versions(class_id)
    shape: dict[str, Any] = {"class_id": class_id}
    class_name = versions[0].__name__ if versions else registry.name(class_id)
    if class_name:
        shape["class"] = class_name
    if not versions:
        shape["layout"] = "not known"
    shape |= logical_name_shape(descriptor.logical_name)
    shape[kind] = index
    # Which version it is, no APDU tells: the latest one with this index names it.
    for declared in versions:
        member = getattr(declared, f"{kind}s").get(index)
        if member is not None:
            shape[f"{kind}_name"] = member.name
            break
    return shape


def plain_symbol(symbol: str) -> str:
    """A unit without raised digits, as programs like it: m3, not m³."""
    return symbol.replace("³", "3").replace("²", "2").replace("⁻¹", "^-1")


def moment(stamp: DateTime) -> str:
    """A date-time as ISO 8601, with its offset when it has one; its own words when indefinite."""
    try:
        if stamp.deviation is not None:
            return stamp.to_datetime().isoformat()
        return stamp.to_datetime(UTC).replace(tzinfo=None).isoformat()
    except Error:
        return str(stamp)
