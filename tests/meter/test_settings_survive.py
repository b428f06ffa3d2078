"""New firmware, and all the rest of the meter as a twin has it that never saw any."""

from __future__ import annotations

from typing import Any

import pytest
from meter_asking import NOW, act, put, raw

from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, boolean, double_long_unsigned, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import image
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import names, template
from ferraris.server.device import AccessMode

TRANSFER = (18, bytes(Obis.parse("0-0:44.0.0*255")))
UPDATED = [
    name for name in names() if TRANSFER in template(name).objects and name != "residential-sn"
]
LATER = NOW + 3600
WHOLE = (Tag.UNSIGNED, Tag.LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED)
PROTECTED = (30, 2)  # made anew for each read
NEW_VERSION = axdr.encode(octet_string(b"FRR-R9.0"))


def written(meter: SimulatedMeter, client: int) -> dict[Any, bytes]:
    """Write a little more, or less, than there is to whatever takes it."""
    kept = {}
    for key, granted in meter.associations[client].rights.objects.items():
        name = str(Obis(key[1]))
        for index, mode in granted.attributes.items():
            present = raw(meter, name, key[0], index, client=client)
            if key[0] in (18, 124) or not int(mode) & AccessMode.WRITE:
                continue
            changed = _other(present)
            if changed is None:
                continue
            if put(meter, name, key[0], index, changed, client=client) == DataAccessResult.SUCCESS:
                found = raw(meter, name, key[0], index, client=client)
                if isinstance(found, bytes) and found == axdr.encode(changed):
                    kept[key, index] = found
    return kept


def _other(present: bytes | DataAccessResult) -> Data | None:
    if not isinstance(present, bytes):
        return None
    tag, value = axdr.decode(present)
    if tag in WHOLE:
        return (tag, value - 1 if value else 1)
    if tag == Tag.OCTET_STRING and len(value) not in (4, 5, 6, 8, 12):
        return (tag, value + b"x")
    if tag == Tag.BOOLEAN:
        return boolean(not value)
    return None


def everything(meter: SimulatedMeter, client: int) -> dict[Any, Any]:
    return {
        (key, index): raw(meter, str(Obis(key[1])), key[0], index, client=client, now=LATER)
        for key, granted in meter.associations[client].rights.objects.items()
        for index in granted.attributes
        if (key[0], index) != PROTECTED
    }


def update(meter: SimulatedMeter, kind: str, client: int) -> None:
    name = str(Obis(TRANSFER[1]))
    octets = image.pack(kind, "FRR-R9.0", bytes(range(200)) * 9)
    size = axdr.decode(raw(meter, name, 18, 2, client=client))[1]  # type: ignore[arg-type] # may be read
    put(meter, name, 18, 5, boolean(True), client=client)
    wanted = structure(octet_string(b"R9"), double_long_unsigned(len(octets)))
    assert act(meter, name, 18, 1, wanted, client=client) == ActionResult.SUCCESS
    for number, start in enumerate(range(0, len(octets), size)):
        block = structure(double_long_unsigned(number), octet_string(octets[start : start + size]))
        assert act(meter, name, 18, 2, block, client=client) == ActionResult.SUCCESS
    act(meter, name, 18, 3, client=client)
    assert act(meter, name, 18, 4, client=client, now=NOW + 60) == ActionResult.SUCCESS


@pytest.mark.parametrize("name", UPDATED)
def test_settings_and_readings_survive_new_firmware(name: str) -> None:
    kind = template(name)
    client = kind.key_client
    meter, twin = Fleet(kind, 1, 7)[0], Fleet(kind, 1, 7)[0]
    kept = written(meter, client)
    assert kept == written(twin, client)
    update(meter, name, client)
    after, expected = everything(meter, client), everything(twin, client)
    assert {which: after[which] for which in kept} == {which: expected[which] for which in kept}
    assert len(kept) >= 9
    different = {which for which, value in expected.items() if after[which] != value}
    assert {after[which] for which in different if which[0][0] == 1} >= {NEW_VERSION}
    assert {(TRANSFER, 3), (TRANSFER, 6)} <= different
    assert [which for which in different if not _tells_of_firmware(*which)] == []


def _tells_of_firmware(key: tuple[int, bytes], index: int) -> bool:
    """Whether an attribute may change with the firmware: its names, and an event."""
    class_id, name = key[0], Obis(key[1])
    if class_id == 1:
        return (name.c, name.d) in ((0, 2), (96, 11), (96, 15))
    if class_id == 7:
        return (name.c, name.d) == (99, 98) or (name.c, name.d, name.e) == (94, 91, 10)
    return key == TRANSFER and index in (3, 4, 6, 7)
