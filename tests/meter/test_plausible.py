"""Values for what nothing brings to life: of the right type, whatever the type."""

from __future__ import annotations

from typing import Any

import pytest

from ferraris.data import axdr
from ferraris.data.kinds import Tag
from ferraris.data.obis import Obis
from ferraris.meter.templates.plausible import of_shape, of_type, with_value
from ferraris.model import registry
from ferraris.model.companion import Shape
from ferraris.model.interface_class import InterfaceClass


@pytest.mark.parametrize("declared", registry.classes(), ids=lambda each: each.__name__)
def test_every_attribute_of_every_class_has_a_value_that_loads(
    declared: type[InterfaceClass],
) -> None:
    for attribute in declared.attributes.values():
        kind: Any = attribute.type
        data = of_type(kind)
        assert axdr.decode(axdr.encode(data)) == data
        kind.load(data)


@pytest.mark.parametrize(
    "words", ["unsigned", "bit-string", "array of long", "structure {enum, octet-string}", "date"]
)
def test_a_value_of_a_shape_fits_the_shape(words: str) -> None:
    shape = Shape.parse(words)
    assert shape.fits(of_shape(shape))


@pytest.mark.parametrize("tag", Tag)
def test_every_kind_has_a_value_that_can_be_sent(tag: Tag) -> None:
    data = of_shape(Shape(int(tag)))
    assert axdr.decode(axdr.encode(data)) == data


def test_a_value_that_a_specification_states() -> None:
    assert with_value((17, 0), 60) == (17, 60)
    assert with_value((3, False), 1) == (3, True)
    assert with_value((9, b""), Obis.parse("0-0:43.0.0*255")) == (9, bytes((0, 0, 43, 0, 0, 255)))
