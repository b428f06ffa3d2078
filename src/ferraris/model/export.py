"""The registry as plain values, for JSON, the manual and tables: every class, all that is known.

`classes.schema.json` beside this module says in JSON Schema what they look like; `VERSION` grows
when something changes its meaning or goes, not when something is added.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ferraris.data.kinds import kind_name
from ferraris.data.types import (
    AnyData,
    AnyOf,
    ArrayOf,
    BitStringType,
    Choice,
    DataType,
    DateTimeTagged,
    DateTimeType,
    DateType,
    Enum,
    LogicalName,
    Structure,
    TimeType,
)
from ferraris.model import registry
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, Trait
from ferraris.model.known_by_name import LATER_VERSIONS, NAMED_CLASSES
from ferraris.model.short_names import SHORT_NAME_STEP

__all__ = ["FORMAT", "VERSION", "class_shape", "registry_shape", "schema", "type_shape"]

FORMAT = "ferraris-interface-classes"
VERSION = 1

_SCHEMA = "classes.schema.json"
_OWN_NAMES: dict[DataType[Any], str] = {
    LogicalName: "logical-name",
    DateTimeType: "date-time",
    DateTimeTagged: "date-time",
    DateType: "date",
    TimeType: "time",
}


def registry_shape() -> dict[str, Any]:
    """Everything that is declared, and what is known by name alone."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "groups": [
            {
                "title": group.title,
                "class_ids": sorted(each for ids in group.modules.values() for each in ids),
            }
            for group in registry.GROUPS
        ],
        "classes": [class_shape(each) for each in registry.classes()],
        "known_by_name": [each._asdict() for each in NAMED_CLASSES.values()],
        "later_versions": [each._asdict() for each in LATER_VERSIONS.values()],
    }


def class_shape(declared: type[InterfaceClass]) -> dict[str, Any]:
    """One class in one version; offsets count in octets of short names from the base name."""
    group = registry.group_of(declared.class_id)
    return {
        "class_id": declared.class_id,
        "version": declared.version,
        "name": declared.__name__,
        "words": declared.words(),
        "description": _description(declared),
        "group": "" if group is None else group.title,
        "source": declared.source,
        "provenance": declared.provenance,
        "attributes": [_attribute(each) for each in declared.attributes.values()],
        "methods": [_method(declared, each) for each in declared.methods.values()],
    }


def type_shape(kind: DataType[Any]) -> dict[str, Any]:
    """A type: its kind, and what belongs to it."""
    name = _OWN_NAMES.get(kind)
    if name is not None:
        return {"kind": name, "tagged": True} if kind is DateTimeTagged else {"kind": name}
    if kind is AnyData:
        return {"kind": "any"}
    if isinstance(kind, AnyOf):
        return {"kind": "any", "of": [kind_name(tag) for tag in sorted(kind.tags)]}
    if isinstance(kind, Choice):
        return {"kind": "choice", "of": [type_shape(kind.first), type_shape(kind.second)]}
    if isinstance(kind, ArrayOf):
        return {"kind": "array", "element": type_shape(kind.element)}
    if isinstance(kind, Structure):
        pairs = zip(kind.made._fields, kind.fields, strict=True)
        fields = [{"name": each, "type": type_shape(field)} for each, field in pairs]
        return {"kind": "structure", "name": kind.made.__name__, "fields": fields}
    if isinstance(kind, Enum):
        members = [{"value": each.value, "name": _spoken(each.name)} for each in kind.members]
        return {"kind": "enum", "name": kind.members.__name__, "members": members}
    if isinstance(kind, BitStringType):
        return _bit_string(kind)
    (tag,) = kind.tags
    shape: dict[str, Any] = {"kind": kind_name(tag)}
    length = getattr(kind, "length", None)
    return shape if length is None else {**shape, "length": length}


def schema() -> dict[str, Any]:
    """The JSON Schema of `registry_shape`."""
    text = files(__package__ or "ferraris.model").joinpath(_SCHEMA).read_text(encoding="utf-8")
    shape: dict[str, Any] = json.loads(text)
    return shape


def _bit_string(kind: BitStringType) -> dict[str, Any]:
    shape: dict[str, Any] = {"kind": "bit-string"}
    if kind.bits is not None:
        shape["length"] = kind.bits
    if kind.names is not None:
        shape["name"] = kind.names.__name__
        shape["bits"] = [{"bit": each.value, "name": _spoken(each.name)} for each in kind.names]
    return shape


def _description(declared: type[InterfaceClass]) -> str:
    """What the class is for, in one paragraph a line."""
    text = declared.__doc__ or ""
    _, _, rest = text.partition(": ")
    paragraphs = [" ".join(each.split()) for each in rest.split("\n\n")]
    return "\n".join(each for each in paragraphs if each)


def _attribute(item: Attribute[Any]) -> dict[str, Any]:
    return {
        "index": item.index,
        "name": item.name,
        "type": type_shape(item.type),
        "words": item.type.describe(),
        "is_static": item.is_static,
        "is_dynamic": Trait.DYNAMIC in item.traits,
        "is_optional": item.is_optional,
        "is_verified": Trait.UNVERIFIED not in item.traits,
        "short_name_offset": SHORT_NAME_STEP * (item.index - 1),
        "selectors": [
            {"selector": number, "type": type_shape(kind), "words": kind.describe()}
            for number, kind in sorted(item.selectors.items())
        ],
    }


def _method(declared: type[InterfaceClass], item: Method[Any, Any]) -> dict[str, Any]:
    returns = item.returns
    return {
        "index": item.index,
        "name": item.name,
        "parameter": type_shape(item.type),
        "parameter_words": item.type.describe(),
        "returns": None if returns is None else type_shape(returns),
        "returns_words": None if returns is None else returns.describe(),
        "is_optional": item.is_optional,
        "is_verified": Trait.UNVERIFIED not in item.traits,
        "short_name_offset": declared.method_offset(item.index),
    }


def _spoken(name: str) -> str:
    return name.lower().replace("_", "-")
