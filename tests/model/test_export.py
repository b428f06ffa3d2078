"""The registry for other languages: complete, plain, and as its schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferraris.model import registry
from ferraris.model.export import class_shape, registry_shape, schema, type_shape
from ferraris.model.management import ImageTransfer
from ferraris.model.mbus import MBusClient
from ferraris.model.payment import Charge
from ferraris.model.push import PushSetupV2
from ferraris.model.time_control import Clock

SCHEMA = schema()
SHAPE = json.loads(json.dumps(registry_shape()))

KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def faults(rule: dict[str, Any], value: Any, where: str = "$") -> list[str]:
    """What JSON Schema, as far as ours uses it, finds wrong; other words of it raise."""
    found: list[str] = []
    for word, told in rule.items():
        if word in ("$schema", "$defs", "title", "description"):
            continue
        if word == "$ref":
            found += faults(SCHEMA["$defs"][told.removeprefix("#/$defs/")], value, where)
        elif word == "type":
            names = [told] if isinstance(told, str) else told
            fits = any(
                type(value) is int if name == "integer" else isinstance(value, KINDS[name])
                for name in names
            )
            found += [] if fits else [f"{where}: {told} expected"]
        elif word == "const":
            found += [] if value == told else [f"{where}: {told!r} expected"]
        elif word == "enum":
            found += [] if value in told else [f"{where}: one of {told} expected"]
        elif word == "minimum":
            found += [] if value is None or value >= told else [f"{where}: below {told}"]
        elif word == "maximum":
            found += [] if value is None or value <= told else [f"{where}: above {told}"]
        elif word in ("minLength", "minItems"):
            found += [] if len(value) >= told else [f"{where}: too short"]
        elif word == "items":
            for number, each in enumerate(value):
                found += faults(told, each, f"{where}[{number}]")
        elif word == "properties":
            for name in set(told) & set(value):
                found += faults(told[name], value[name], f"{where}.{name}")
        elif word == "required":
            found += [f"{where}: {name} is missing" for name in told if name not in value]
        elif word == "additionalProperties":
            assert told is False
            found += [
                f"{where}: {name} is strange" for name in set(value) - set(rule["properties"])
            ]
        elif word == "oneOf":
            fitting = sum(not faults(each, value, where) for each in told)
            found += [] if fitting == 1 else [f"{where}: fits {fitting} of {len(told)}"]
        else:
            raise AssertionError(f"the schema uses {word}")
        if found and word in ("type", "$ref"):
            return found
    return found


def test_the_export_is_as_its_schema_says() -> None:
    assert faults(SCHEMA, SHAPE) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("classes", 0, "class_id"), 0),
        (("classes", 0, "version"), True),
        (("classes", 3, "provenance"), "guess"),
        (("classes", 3, "attributes", 0, "type"), {"kind": "octets"}),
        (("classes", 3, "attributes", 0, "type"), {"kind": "array"}),
        (("classes", 3, "attributes", 0, "type", "more"), 1),
        (("classes", 3, "methods", 0, "returns"), "null-data"),
        (("known_by_name", 0, "name"), ""),
        (("groups", 0, "class_ids"), None),
    ],
)
def test_the_schema_refuses(path: tuple[str | int, ...], value: object) -> None:
    shape = json.loads(json.dumps(SHAPE))
    inner = shape
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert faults(SCHEMA, shape)


def test_every_class_and_member_is_in_it() -> None:
    shapes = {(each["class_id"], each["version"]): each for each in SHAPE["classes"]}
    assert len(shapes) == len(SHAPE["classes"]) == len(registry.classes())
    for declared in registry.classes():
        shape = shapes[declared.class_id, declared.version]
        assert [each["name"] for each in shape["attributes"]] == [
            each.name for each in declared.attributes.values()
        ]
        assert [each["name"] for each in shape["methods"]] == [
            each.name for each in declared.methods.values()
        ]
        assert shape["description"]
    listed = {each for group in SHAPE["groups"] for each in group["class_ids"]}
    assert listed == {class_id for class_id, _ in shapes}
    assert not listed & {each["class_id"] for each in SHAPE["known_by_name"]}
    assert {each["class_id"] for each in SHAPE["later_versions"]} <= listed


def test_types_are_told_in_full() -> None:
    assert type_shape(Clock.time.type) == {"kind": "date-time"}
    assert type_shape(PushSetupV2.last_confirmation_date_time.type) == {
        "kind": "date-time",
        "tagged": True,
    }
    assert type_shape(ImageTransfer.image_block_transfer.type) == {
        "kind": "structure",
        "name": "ImageBlock",
        "fields": [
            {"name": "number", "type": {"kind": "double-long-unsigned"}},
            {"name": "value", "type": {"kind": "octet-string"}},
        ],
    }
    assert type_shape(Charge.charge_configuration.type) == {
        "kind": "bit-string",
        "length": 2,
        "name": "ChargeBit",
        "bits": [{"bit": 0, "name": "percentage-based"}, {"bit": 1, "name": "continuous"}],
    }
    install = class_shape(MBusClient)["methods"][0]
    assert install["parameter"] == {
        "kind": "choice",
        "of": [{"kind": "unsigned"}, {"kind": "integer"}],
    }
    assert install["short_name_offset"] == 0x60
    clock = class_shape(Clock)["attributes"][8]
    assert clock["type"]["members"][2] == {"value": 2, "name": "mains-50-hz"}
    assert clock["short_name_offset"] == 0x40
