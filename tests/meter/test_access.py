"""Writes and actions of wrong type, size or right, over every object: exact answers, no change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from meter_asking import act, put, raw

from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, long64, long_unsigned, structure, unsigned, utf8_string
from ferraris.data.obis import Obis
from ferraris.data.types import AnyData, Enum
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.fleet import Fleet
from ferraris.meter.freezing import form_of
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.state import State
from ferraris.meter.templates import names, template
from ferraris.server.device import AccessMode

TEMPLATE = template("residential")
RIGHTS = TEMPLATE.associations[1].rights.objects
OBJECTS = sorted(key for key in TEMPLATE.objects if key in RIGHTS)
CLASSES = sorted({class_id for class_id, _ in OBJECTS})
_WHOLE = (Tag.INTEGER, Tag.LONG, Tag.DOUBLE_LONG, Tag.UNSIGNED, Tag.LONG_UNSIGNED, Tag.ENUM)
_WHOLE_KINDS = frozenset(int(tag) for tag in (*_WHOLE, Tag.DOUBLE_LONG_UNSIGNED))
_STRANGE = utf8_string("strange")
CHANGING = {(7, 2), (30, 2)}
"""Rows of profiles, and a buffer that is protected anew, under another counter, for each read."""


def snapshot(meter: SimulatedMeter) -> dict[tuple[Any, int], Any]:
    """Everything that clients can read, but for what changes by being read."""
    found = {}
    for client in (1, 2):
        for key, granted in meter.associations[client].rights.objects.items():
            for attribute, mode in granted.attributes.items():
                if int(mode) & AccessMode.READ and (key[0], attribute) not in CHANGING:
                    name = str(Obis(key[1]))
                    found[key, attribute] = raw(meter, name, key[0], attribute, client=client)
    return found


def others(data: Data) -> Iterator[Data]:
    """Data of another type or size than `data`, which the meter holds."""
    tag, value = data
    yield _STRANGE
    if tag in _WHOLE_KINDS:
        yield long64(1)
        yield unsigned(1) if tag != Tag.UNSIGNED else long_unsigned(1)
    if tag == Tag.STRUCTURE:
        yield structure(*value[:-1])
        yield structure(*value, unsigned(0))
        yield structure(*(_STRANGE for _ in value))
    if tag == Tag.ARRAY:
        yield (tag, [*value, _STRANGE])


@pytest.mark.parametrize("of_class", CLASSES)
def test_writes_of_the_wrong_kind_are_refused_exactly(of_class: int) -> None:
    meter = Fleet(TEMPLATE, 3, 7)[1]
    before = snapshot(meter)
    for key in OBJECTS:
        if key[0] == of_class:
            _write_wrongly(meter, key, before)
    assert snapshot(meter) == before


def _write_wrongly(
    meter: SimulatedMeter, key: tuple[int, bytes], before: dict[tuple[Any, int], Any]
) -> None:
    declared = TEMPLATE.objects[key].declaration
    assert declared is not None
    class_id, name = key[0], str(Obis(key[1]))
    granted = RIGHTS[key]
    denied = DataAccessResult.READ_WRITE_DENIED
    assert put(meter, name, class_id, max(declared.attributes) + 1, _STRANGE) == (
        DataAccessResult.OBJECT_UNDEFINED
    )
    assert put(meter, name, class_id, 0, _STRANGE) == denied
    assert put(meter, name, class_id + 20_000, 2, _STRANGE) == (
        DataAccessResult.OBJECT_CLASS_INCONSISTENT
    )
    for index in declared.attributes:
        mode = int(granted.attributes.get(index, 0))
        if not mode & AccessMode.WRITE:
            assert put(meter, name, class_id, index, _STRANGE) == denied
            continue
        present = before.get((key, index)) or raw(meter, name, class_id, index)
        assert isinstance(present, bytes)
        for wrong in others(axdr.decode(present)):
            result = put(meter, name, class_id, index, wrong)
            assert result == DataAccessResult.TYPE_UNMATCHED, (index, wrong)
        reader = meter.associations[2].rights.objects.get(key)
        if reader is not None and not int(reader.attributes.get(index, 0)) & AccessMode.WRITE:
            assert put(meter, name, class_id, index, axdr.decode(present), client=2) == denied


@pytest.mark.parametrize("of_class", CLASSES)
def test_actions_of_the_wrong_kind_are_refused_exactly(of_class: int) -> None:
    meter = Fleet(TEMPLATE, 3, 7)[1]
    before = snapshot(meter)
    for key in OBJECTS:
        if key[0] == of_class:
            _act_wrongly(meter, key)
    assert snapshot(meter) == before


def _act_wrongly(meter: SimulatedMeter, key: tuple[int, bytes]) -> None:
    declared = TEMPLATE.objects[key].declaration
    assert declared is not None
    class_id, name = key[0], str(Obis(key[1]))
    last = max(declared.methods, default=0)
    assert act(meter, name, class_id, last + 1, _STRANGE) == ActionResult.OBJECT_UNDEFINED
    for index, method in declared.methods.items():
        if not int(RIGHTS[key].methods.get(index, 0)):
            refused = act(meter, name, class_id, index, _STRANGE)
            assert refused == ActionResult.READ_WRITE_DENIED
        elif method.type is not AnyData and (class_id, index) != (15, 1):
            refused = act(meter, name, class_id, index, _STRANGE)
            assert refused == ActionResult.TYPE_UNMATCHED, index
        reader = meter.associations[2].rights.objects.get(key)
        if reader is None or not int(reader.methods.get(index, 0)):
            answer = act(meter, name, class_id, index, client=2)
            assert answer in (ActionResult.READ_WRITE_DENIED, ActionResult.OBJECT_UNDEFINED)


def test_an_object_that_is_not_there(fleet: Fleet) -> None:
    meter = fleet[0]
    undefined = DataAccessResult.OBJECT_UNDEFINED
    assert put(meter, "1-0:99.99.9*255", 3, 2, unsigned(0)) == undefined
    assert raw(meter, "1-0:99.99.9*255", 3) == undefined
    assert act(meter, "1-0:99.99.9*255", 3, 1) == ActionResult.OBJECT_UNDEFINED
    assert raw(meter, "0-0:1.0.0*255", 3) == DataAccessResult.OBJECT_CLASS_INCONSISTENT
    assert raw(meter, "0-0:1.0.0*255", 8, 10) == undefined
    assert raw(meter, "0-0:1.0.0*255", 8, 0) == DataAccessResult.READ_WRITE_DENIED


# -- every template ---------------------------------------------------------------------------

OTHERS = [name for name in names() if name not in ("residential", "residential-sn")]
SWITCHED = ("residential", "residential-three-phase", "idis-like")
UNBOUND = {(21, 2), (44, 3), (44, 4)}
"""Arrays whose elements a class leaves open: thresholds, options of PPP."""


def _wrong(data: Data) -> Iterator[Data]:
    """As `others`, but where nobody says what an empty structure is made of."""
    return others(data) if data != structure() else iter((_STRANGE,))


def kept(meter: SimulatedMeter) -> tuple[Any, Any]:
    """All that a state directory would keep of a meter, but for what reading alone changes."""
    state = form_of(State).freeze(replace(meter.state, due=0, next_counter=0))
    parts = meter.state.parts or {}
    return state, {which: form_of(which[0]).freeze(part) for which, part in parts.items()}


@pytest.mark.parametrize("name", OTHERS)
def test_no_template_takes_what_is_of_the_wrong_kind(name: str) -> None:
    """The client of every template that may most, at every attribute and method."""
    kind = template(name)
    client = kind.key_client
    rights = kind.associations[client].rights.objects
    meter = Fleet(kind, 3, 7)[1]
    raw(meter, "0-0:42.0.0*255", 1, client=client)  # its life has begun
    before = kept(meter)
    for (class_id, octets), granted in rights.items():
        where, declared = str(Obis(octets)), kind.objects[class_id, octets].declaration
        for index, mode in granted.attributes.items():
            due = DataAccessResult.TYPE_UNMATCHED
            wrong: list[Data] = [_STRANGE]
            if not int(mode) & AccessMode.WRITE:
                due = DataAccessResult.READ_WRITE_DENIED
            elif isinstance(present := raw(meter, where, class_id, index, client=client), bytes):
                wrong = list(_wrong(axdr.decode(present)))
                wrong = wrong[:1] if (class_id, index) in UNBOUND else wrong
            for data in wrong:
                found = put(meter, where, class_id, index, data, client=client)
                assert found == due, (class_id, where, index, data)
        for index, method in (declared.methods if declared else {}).items():
            refusal = act(meter, where, class_id, index, _STRANGE, client=client)
            if not int(granted.methods.get(index, 0)):
                assert refusal == ActionResult.READ_WRITE_DENIED
            elif method.type is not AnyData and (class_id, index) != (15, 1):
                assert refusal == ActionResult.TYPE_UNMATCHED, (class_id, where, index)
    assert kept(meter) == before


@pytest.mark.parametrize("name", [*OTHERS, "residential"])
def test_no_template_takes_an_enum_without_a_meaning(name: str) -> None:
    kind = template(name)
    client = kind.key_client
    meter = Fleet(kind, 1, 7)[0]
    tried: set[tuple[int, int]] = set()
    for (class_id, octets), granted in kind.associations[client].rights.objects.items():
        where, declared = str(Obis(octets)), kind.objects[class_id, octets].declaration
        for index, mode in granted.attributes.items():
            if declared is None or not int(mode) & AccessMode.WRITE:
                continue
            if not isinstance(declared.attributes[index].type, Enum):
                continue
            before = raw(meter, where, class_id, index, client=client)
            result = put(meter, where, class_id, index, (int(Tag.ENUM), 111), client=client)
            assert result == DataAccessResult.OTHER_REASON, (class_id, where, index)
            assert raw(meter, where, class_id, index, client=client) == before
            tried.add((class_id, index))
    assert (70, 4) in tried or name not in SWITCHED


@pytest.mark.parametrize(
    ("index", "wrong", "right"),
    [
        (3, unsigned(0), unsigned(7)),
        (4, unsigned(8), unsigned(1)),
        (5, long_unsigned(2031), long_unsigned(2030)),
        (6, long_unsigned(0), long_unsigned(128)),
    ],
)
def test_windows_and_sizes_of_frames_have_limits(index: int, wrong: Data, right: Data) -> None:
    meter, port = Fleet(template("idis-like"), 1, 7)[0], "0-0:22.0.0*255"
    before = raw(meter, port, 23, index)
    assert put(meter, port, 23, index, wrong) == DataAccessResult.OTHER_REASON
    assert raw(meter, port, 23, index) == before
    assert put(meter, port, 23, index, right) == DataAccessResult.SUCCESS
    assert raw(meter, port, 23, index) == axdr.encode(right)


def test_an_enum_within_a_structure_counts_too() -> None:
    meter, account = Fleet(template("prepayment"), 1, 7)[0], "0-0:19.0.0*255"
    before = raw(meter, account, 111, 2)
    assert isinstance(before, bytes)
    _, (_, status) = axdr.decode(before)
    wrong = structure((int(Tag.ENUM), 3), status)
    assert put(meter, account, 111, 2, wrong) == DataAccessResult.OTHER_REASON
    assert raw(meter, account, 111, 2) == before
