"""Companion specifications: the shipped ones hold together, malformed ones say where and what."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from ferraris.core.errors import UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import array, date_time, octet_string, structure, unsigned
from ferraris.data.obis import Obis
from ferraris.model import companion, events, registry
from ferraris.model.companion import READABLE, WRITABLE, CompanionColumn, CompanionObject, Shape

ALL = companion.names()
SOURCES = Path(__file__).resolve().parents[2] / "docs" / "sources.md"


def rows(name: str, kind: str | None = None) -> dict[tuple[int, str], CompanionObject]:
    expected = companion.companion(name).expected(kind)
    found = {(row.class_id, row.pattern): row for row in expected}
    assert len(found) == len(expected)
    return found


def test_the_specifications_of_the_road_are_there():
    assert set(ALL) >= {
        *("dsmr-2.2", "dsmr-4.2.2", "smr-4.3", "smr-5.0", "smr-5.1", "smr-5.2", "smr-5.5"),
        *("idis-like", "is-15959-single-phase", "is-15959-three-phase"),
        *("t5", "italy-gas", "saudi"),
    }


@pytest.mark.parametrize("name", ALL)
def test_a_specification_is_whole(name):
    specification = companion.companion(name)
    cited = SOURCES.read_text()
    assert specification.name == name
    for kind in specification.kinds:
        expected = rows(name, kind)
        for row in expected.values():
            assert row.name
            assert f"\n## {row.source}\n" in cited
            for profile in (row.profile, row.usual):
                for column in profile.columns or ():
                    there = expected[column.class_id, column.name]
                    declared = registry.newest(there.class_id)
                    assert declared is None or column.attribute in declared.attributes


@pytest.mark.parametrize("name", ALL)
def test_shapes_do_not_contradict_the_declared_classes(name):
    for row in rows(name).values():
        for version in row.versions:
            declared = registry.find(row.class_id, version)
            for index, shapes in row.shapes.items():
                if declared is not None:
                    tags = declared.attributes[index].type.tags
                    assert any(shape.tag in tags for shape in shapes)


@pytest.mark.parametrize("name", ALL)
def test_logs_refer_to_tables_of_events_that_exist(name):
    for row in companion.companion(name).objects:
        if row.events:
            family, _, log = row.events.partition("/")
            numbers = {each.key: each.number for each in events.logs(family)}
            assert numbers[log] == row.logical_name.e
            assert events.events(family, log)


def test_a_later_specification_has_what_the_earlier_one_had():
    chain = ["smr-5.0", "smr-5.1", "smr-5.2", "smr-5.5"]
    counts = []
    for earlier, later in pairwise(chain):
        before, after = rows(earlier), rows(later)
        assert before.keys() < after.keys()
        counts.append(len(after) - len(before))
    assert counts == [7, 39, 4]  # four channels of the one new object for each in 5.1


def test_a_later_row_takes_the_place_of_the_earlier_one():
    old = rows("smr-5.1")[7, "0-1:94.31.6*255"].profile.selectable
    new = rows("smr-5.2")[7, "0-1:94.31.6*255"].profile.selectable
    lte = CompanionColumn(47, "0-2:25.6.0*255", 0)
    assert lte in new
    assert lte not in old


def test_a_single_phase_meter_has_no_other_phases():
    one, three = rows("smr-5.0", "single-phase"), rows("smr-5.0", "three-phase")
    assert (3, "1-0:52.7.0*255") in three
    assert (3, "1-0:52.7.0*255") not in one
    chosen = one[7, "1-0:99.1.2*255"].profile.selectable
    assert CompanionColumn(3, "1-0:32.24.0*255", 2) in chosen
    assert not any(".52." in f".{column.name}" for column in chosen)


def test_channels_have_objects_of_their_own():
    specification = companion.companion("smr-5.0")
    hourly = {row.pattern: row for row in specification.expected(channels=2)}
    assert "0-2:24.3.0*255" in hourly
    assert "0-3:24.3.0*255" not in hourly
    assert hourly["0-2:24.3.0*255"].profile.columns == (
        CompanionColumn(8, "0-0:1.0.0*255", 2),
        CompanionColumn(1, "0-2:96.10.3*255", 2),
        CompanionColumn(4, "0-2:24.2.2*255", 2),
        CompanionColumn(4, "0-2:24.2.2*255", 5),
    )


def test_a_shared_profile_has_the_columns_of_all_channels_in_turn():
    combined = rows("dsmr-4.2.2")[7, "1-0:99.2.0*255"].profile.columns
    assert combined is not None
    assert [(column.name, column.attribute) for column in combined[6:10]] == [
        ("0-1:24.2.1*255", 2),
        ("0-1:24.2.1*255", 5),
        ("0-2:24.2.1*255", 2),
        ("0-2:24.2.1*255", 5),
    ]
    assert len(combined) == 14


def test_what_a_row_says_is_what_the_file_says():
    row = rows("dsmr-4.2.2")[3, "1-0:1.8.1*255"]
    assert (row.scalers, row.units, row.shapes[2]) == (
        (0,),
        (30,),
        (Shape.parse("double-long-unsigned"),),
    )
    clock = rows("smr-5.2")[8, "0-0:1.0.0*255"]
    assert clock.rights[2] == READABLE | WRITABLE
    assert clock.rights[9] == READABLE
    assert clock.values == {7: 60, 9: 1}
    log = rows("smr-5.2")[7, "0-0:99.98.5*255"]
    assert (log.profile.period_s, log.profile.entries, log.events) == (0, 100, "smr/power-quality")
    assert rows("smr-5.2")[15, "0-0:40.0.0*255"].values[9] == Obis.parse("0-0:43.0.0*255")


def test_rights_that_no_source_states_are_absent():
    for name in ("t5", "saudi", "italy-gas", "idis-like", "is-15959-three-phase"):
        assert companion.companion(name).client is None
        assert not any(row.rights for row in companion.companion(name).objects)


def test_unknown_names_kinds_and_channels():
    with pytest.raises(
        UsageError, match=r"no companion specification 'smr-9'; there are: .*smr-5\.2"
    ):
        companion.companion("smr-9")
    with pytest.raises(UsageError, match=r"nowhere\.toml: No such file"):
        companion.companion("nowhere.toml")
    specification = companion.companion("smr-5.2")
    with pytest.raises(UsageError, match="knows no 'gas'; it knows: single-phase, three-phase"):
        specification.expected("gas")
    with pytest.raises(UsageError, match="up to 4 channels, not 5"):
        specification.expected(channels=5)


OWN = """
name = "our-town"
extends = "smr-5.2"
drop = ["47/0-1:25.6.0*255"]

[[objects]]
class = 3
obis = "1-0:[41-42].8.0*255"
unit = "Wh"
types = { 2 = "double-long-unsigned" }
kinds = ["three-phase"]

[[objects]]
class = 1
obis = "0-x:96.1.0*255"
name = "Number of the device"
optional = true
rights = { R = [2] }
note = "as ordered"
"""


def test_a_new_one_is_a_file(tmp_path):
    file = tmp_path / "our-town.toml"
    file.write_text(OWN)
    specification = companion.companion(str(file))
    expected = {row.pattern: row for row in specification.expected()}
    assert expected["1-0:42.8.0*255"].units == (30,)
    assert expected["0-3:96.1.0*255"].name == "Number of the device, channel 3"
    assert expected["0-3:96.1.0*255"].optional
    assert expected["0-0:1.0.0*255"].source == "gxf-profiles"
    assert "0-1:25.6.0*255" not in expected
    assert specification.client == 1


def of_object(line: str) -> str:
    return f'name = "x"\n\n[[objects]]\nclass = 7\nobis = "1-0:99.1.0*255"\n{line}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name =", r"bad.toml: Invalid value"),
        ("", r"bad.toml, line 1: name: missing"),
        ('name = "x"\nspeed = 3', "line 2: speed: this key means nothing here"),
        ('name = "x"\nkinds = 3', "line 2: kinds: a list of texts expected, not 3"),
        ('name = "x"\nprovenance = "hearsay"', "line 2: provenance: one of two-sources, "),
        ('name = "x"\nextends = "y"', "line 2: extends: one of cosem, dsmr-2.2"),
        ('name = "x"\nextends = "cosem"\ndrop = ["1/1-0:1.8.0*255"]', "line 3: drop: 1/1-0:1.8.0"),
        (
            'name = "x"\n[[clients]]\nauthentication = "none"\naddress = 300\n',
            "line 4: clients.1..address: .* 0..127 ",
        ),
        ('name = "x"\n[[objects]]\nclass = 1\n', r"line 2: objects\[1\].obis: missing"),
        ('name = "x"\n[[objects]]\nclass = 0\nobis = "1.8.0"', "line 3: .*class: .* 1..65535 "),
        (of_object('colums = ["1/1.8.0/2"]'), "line 6: objects.1..colums: this key means nothing"),
        (of_object('columns = ["1-0:1.8.0"]'), "line 6: .*columns: CLASS/OBIS/ATTRIBUTE expected"),
        (of_object('columns = ["3/1-0:1.8/2"]'), "line 6: .*columns: not an OBIS code"),
        (of_object('unit = "kWs"'), "line 6: .*unit: no unit has the symbol 'kWs'"),
        (of_object('types = { 2 = "number" }'), "line 6: .*types: not a kind: 'number'"),
        (of_object('types = { two = "array" }'), "line 6: .*types: the index of an attribute"),
        (of_object("values = { 4 = 1.5 }"), "line 6: .*values: attribute 4 cannot be 1.5"),
        (of_object("rights = { X = [2] }"), "line 6: .*rights.X: this key means nothing here"),
        (of_object("rights = { R = [200] }"), "line 6: .*rights.R: a whole number 1..127 "),
        (of_object("usual = { pace = 3 }"), "line 6: .*usual.pace: this key means nothing here"),
        (of_object('kinds = ["gas"]'), "line 6: .*kinds: one of any expected, not 'gas'"),
        (of_object("optional = 1"), "line 6: .*optional: true or false expected, not 1"),
        (of_object("") + '[[objects]]\nclass = 7\nobis = "1-0:99.1.0*255"', "line 9: .*twice"),
    ],
)
def test_a_malformed_file_is_an_error_with_its_place(text, says):
    with pytest.raises(UsageError, match=says):
        companion.parse(text, "bad.toml")


@pytest.mark.parametrize(
    "words",
    [
        "unsigned",
        "array of unsigned",
        "structure {unsigned, bit-string}",
        "array of structure {array of long, octet-string}",
    ],
)
def test_shapes_say_what_they_were_made_of(words):
    assert str(Shape.parse(words)) == words


@pytest.mark.parametrize(
    "words",
    ["", "array of", "structure {", "structure {}", "unsigned,", "unsigned long", "9", "a" * 99],
)
def test_words_that_are_no_shape(words):
    with pytest.raises(UsageError, match="not a kind"):
        Shape.parse(words)


def test_a_shape_fits_data_of_its_kind_alone():
    shape = Shape.parse("array of structure {octet-string, unsigned}")
    assert shape.fits(array(structure(octet_string(b"x"), unsigned(1))))
    assert shape.fits(array())
    assert not shape.fits(array(structure(octet_string(b"x"))))
    assert not shape.fits(array(structure(unsigned(1), unsigned(1))))
    assert not shape.fits(unsigned(1))
    moment = date_time(DateTime(b"\xff" * 12))
    assert Shape.parse("date-time").fits(moment)
    assert Shape.parse("date-time").fits(octet_string(b"\xff" * 12))
    assert not Shape.parse("octet-string").fits(moment)
