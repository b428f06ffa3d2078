"""Shapes: what is read by a learnt shape is what the ordinary way reads, to the last digit."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ferraris.client.push_shapes import ShapedBody, Shapes
from ferraris.client.pushed import PushedList, PushedObject, pushed_values
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import (
    array,
    double_long_unsigned,
    enum,
    float32,
    integer,
    long,
    long64,
    long_unsigned,
    null_data,
    octet_string,
    structure,
    unsigned,
    visible_string,
)
from ferraris.data.obis import Obis
from ferraris.data.units import unit

ENERGY, VOLTAGE = Obis.parse("1-0:1.8.0*255"), Obis.parse("1-0:32.7.0*255")
CLOCK, NUMBER = Obis.parse("0-0:1.0.0*255"), Obis.parse("0-0:96.1.0*255")
SETUP = Obis.parse("0-0:25.9.0*255")


def stamp(random: Random) -> Any:
    hour, minute = random.randrange(24), random.randrange(60)
    return octet_string(DateTime.of(2026, 3, 1, 7, hour, minute, 0, deviation=0, status=0))


def of_structures(random: Random) -> Any:
    return array(
        structure(octet_string(NUMBER), visible_string("735999")),
        structure(
            octet_string(ENERGY),
            double_long_unsigned(random.randrange(1 << 32)),
            structure(integer(1), enum(30)),
        ),
        structure(
            octet_string(VOLTAGE),
            long_unsigned(random.randrange(1 << 16)),
            structure(integer(-1), enum(35)),
        ),
        structure(octet_string(CLOCK), stamp(random)),
    )


def flat(random: Random) -> Any:
    return structure(
        stamp(random),
        octet_string(ENERGY),
        long64(random.randrange(-(1 << 63), 1 << 63)),
        structure(integer(-3), enum(30)),
        octet_string(NUMBER),
        octet_string(b"%08d" % random.randrange(10**8)),
        octet_string(VOLTAGE),
        long(random.randrange(-(1 << 15), 1 << 15)),
        null_data(),
    )


def of_a_maker(random: Random) -> Any:
    return structure(
        octet_string(b"KFM_001"),
        octet_string(b"6970631402614476"),
        octet_string(b"MA304H3E"),
        *(double_long_unsigned(random.randrange(1 << 32)) for _ in range(10)),
    )


def with_its_list(random: Random) -> Any:
    def captured(class_id: int, name: Obis, attribute: int = 2) -> Any:
        parts = (long_unsigned(class_id), octet_string(name), integer(attribute), long_unsigned(0))
        return structure(*parts)

    return structure(
        array(
            captured(40, SETUP), captured(40, SETUP, 1), captured(3, ENERGY), captured(1, NUMBER)
        ),
        octet_string(SETUP),
        double_long_unsigned(random.randrange(1 << 32)),
        unsigned(random.randrange(256)),
    )


def alone(random: Random) -> Any:
    return structure(double_long_unsigned(random.randrange(1 << 32)), unsigned(3))


KNOWN = PushedList((PushedObject(ENERGY, 3, 2, -2, unit(30)), PushedObject(NUMBER, 1)))


@pytest.mark.parametrize("make", [of_structures, flat, of_a_maker, with_its_list, alone])
@pytest.mark.parametrize("known", [None, KNOWN])
def test_a_learnt_shape_reads_what_the_ordinary_way_reads(make: Any, known: PushedList | None):
    shapes, random = Shapes(), Random(5)
    for turn in range(20):
        body = axdr.encode(make(random))
        shaped = shapes.find("m", body, known)
        ordinary = pushed_values(axdr.decode(body), known)
        if shaped is None:
            assert turn < 2
            shapes.learn("m", body, known)
            continue
        assert [(v, type(v.value)) for v in shaped.values()] == [
            (v, type(v.value)) for v in ordinary
        ]
        assert [str(v.value) for v in shaped.values()] == [str(v.value) for v in ordinary]


def test_another_scaler_name_kind_or_list_is_not_read_by_the_shape():
    shapes = Shapes()
    body = axdr.encode(of_structures(Random(1)))
    for _ in range(2):
        shapes.learn("m", body)
    assert isinstance(shapes.find("m", body), ShapedBody)
    assert shapes.find("m", body, KNOWN) is None
    changed = 0
    for at in range(len(body)):
        other = body[:at] + bytes((body[at] ^ 0x80,)) + body[at + 1 :]
        shaped = shapes.find("m", other)
        if shaped is None:
            changed += 1
        else:
            assert shaped.values() == pushed_values(axdr.decode(other))
    assert changed > len(body) // 2


def test_what_cannot_be_learnt_is_left_to_the_ordinary_way():
    shapes = Shapes()
    body = axdr.encode(structure(octet_string(ENERGY), float32(1.5)))
    for _ in range(20):
        shapes.learn("m", body)
        assert shapes.find("m", body) is None


def test_a_list_that_always_changes_is_given_up():
    shapes, random = Shapes(), Random(2)
    for _ in range(20):
        body = axdr.encode(
            structure(octet_string(b"KFM_001"), octet_string(ENERGY), integer(random.randrange(99)))
        )
        shapes.learn("m", body)
    assert shapes.find("m", body) is None
    assert shapes.find("another", body) is None


def named_by_its_list(random: Random, name: bytes) -> Any:
    """The list first, then who it is: as most meters of the Blue Book push."""
    parts = [(40, SETUP), (1, NUMBER), (3, ENERGY)]
    listed = [
        structure(long_unsigned(kind), octet_string(code), integer(2), long_unsigned(0))
        for kind, code in parts
    ]
    energy = double_long_unsigned(random.randrange(1 << 32))
    return structure(array(*listed), octet_string(name), energy)


def test_a_list_that_names_its_elements_is_learnt_once_for_all_meters():
    shapes, random = Shapes(), Random(3)
    for number in range(50):
        body = axdr.encode(named_by_its_list(random, b"FRR%013d" % number))
        shaped = shapes.find(f"m{number}", body)
        ordinary = pushed_values(axdr.decode(body))
        if shaped is None:
            assert number < 2
            shapes.learn(f"m{number}", body)
        else:
            assert shaped.values() == ordinary
        assert ordinary[0].value == f"FRR{number:013d}"


def test_a_list_whose_first_text_says_what_follows_is_nobody_elses():
    shapes = Shapes()
    for _ in range(3):
        shapes.learn("m", axdr.encode(of_a_maker(Random(4))))
    other = axdr.encode(of_a_maker(Random(4))).replace(b"KFM_001", b"XYZ_001")
    assert shapes.find("m", other) is None
    assert shapes.find("another", axdr.encode(of_a_maker(Random(4)))) is None
