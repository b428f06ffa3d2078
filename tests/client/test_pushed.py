"""Pushed lists: names, values, scalers, in the forms that meters send."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from ferraris.client.pushed import pushed_values
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import (
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    null_data,
    octet_string,
    structure,
    unsigned,
    visible_string,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms import apdu
from ferraris.messaging.dlms.notify import DataNotification

IMPORT = Obis.parse("1-0:1.8.0*255")
VOLTAGE = Obis.parse("1-0:32.7.0*255")
CLOCK = Obis.parse("0-0:1.0.0*255")
NOON = DateTime.of(2026, 3, 1, 7, 12, 0, 0)


def test_structures_of_name_value_scaler_unit():
    pushed = array(
        structure(octet_string(VOLTAGE), long_unsigned(2307), structure(integer(-1), enum(35))),
        structure(octet_string(CLOCK), octet_string(NOON)),
    )
    voltage, clock = pushed_values(pushed)
    assert (voltage.name, voltage.value, voltage.unit.symbol) == (VOLTAGE, Decimal("230.7"), "V")
    assert (clock.name, clock.value, clock.unit) == (CLOCK, NOON, None)


def test_flat_lists_with_scaler_and_unit():
    pushed = structure(
        octet_string(CLOCK),
        octet_string(NOON),
        octet_string(IMPORT),
        double_long_unsigned(12),
        structure(integer(3), enum(30)),
        null_data(),
    )
    assert [each.value for each in pushed_values(pushed)] == [NOON, 12000]


def test_flat_lists_of_a_known_maker_are_scaled():
    pushed = structure(
        visible_string("Kamstrup_V0001"),
        octet_string(IMPORT),
        double_long_unsigned(7745250),
        octet_string(Obis.parse("1-0:31.7.0*255")),
        double_long_unsigned(896),
    )
    energy, current = pushed_values(pushed)
    assert (energy.value, energy.unit.symbol) == (77452500, "Wh")
    assert (current.value, current.unit.symbol) == (Decimal("8.96"), "A")


def test_values_named_by_a_push_object_list():
    def captured(class_id, name):
        return structure(unsigned(class_id), octet_string(name), integer(2), unsigned(0))

    pushed = structure(
        array(captured(40, Obis.parse("0-0:25.9.0*255")), captured(3, IMPORT)),
        double_long_unsigned(5),
    )
    (value,) = pushed_values(pushed)
    assert (value.name, value.value, value.unit) == (IMPORT, 5, None)


def test_what_is_not_named_says_nothing():
    assert pushed_values(unsigned(1)) == []
    assert pushed_values(array()) == []
    assert pushed_values(structure(unsigned(1), octet_string(b"abcdefgh"))) == []
    assert pushed_values(structure(octet_string(IMPORT))) == []


# Names of the reader that the corpus quotes, and the codes they stand for.
_FIELDS = {
    "active_power_import": "1.7.0",
    "active_power_export": "2.7.0",
    "reactive_power_import": "3.7.0",
    "reactive_power_export": "4.7.0",
    "current_l1": "31.7.0",
    "current_l2": "51.7.0",
    "current_l3": "71.7.0",
    "voltage_l1": "32.7.0",
    "voltage_l2": "52.7.0",
    "voltage_l3": "72.7.0",
    "active_power_import_total": "1.8.0",
    "active_power_export_total": "2.8.0",
    "reactive_power_import_total": "3.8.0",
    "reactive_power_export_total": "4.8.0",
    "meter_id": "",
    "meter_type": "",
}


def test_recorded_pushes_say_what_another_reader_says(corpora: Path):
    compared = 0
    for line in (corpora / "han-pushes.jsonl").read_text().splitlines():
        row = json.loads(line)
        expected = row["expect"].get("amshan")
        if expected is None:
            continue
        octets = bytes.fromhex(row["hex"])
        if octets[:3] == b"\xe6\xe7\x00":
            push = apdu.decode(octets[3:])
            assert isinstance(push, DataNotification)
            octets = push.body
        values = pushed_values(axdr.decode(octets))
        named = {each.name.short: each.value for each in values}
        for field, code in _FIELDS.items():
            if field not in expected:
                continue
            compared += 1
            if code:
                assert float(named[code]) == expected[field], (row["name"], field)
            else:
                assert expected[field] in [str(each.value) for each in values]
    assert compared > 100
