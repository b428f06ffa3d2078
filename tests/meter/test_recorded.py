"""Recording: a meter becomes a file, the file a meter, and that meter the same file."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

import ferraris
from ferraris.client.inventory import FoundObject
from ferraris.core.errors import RefusedError, UsageError
from ferraris.data.kinds import BitString, Data, double_long_unsigned, long_unsigned, octet_string
from ferraris.data.obis import Obis
from ferraris.line.url import parse_url
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.meter.behaviour.fixed import FixedObject
from ferraris.meter.consumption import Consumption
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.tariff import Tariff
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.templates import template
from ferraris.meter.templates.recording import recording
from ferraris.meter.zone import Zone
from ferraris.model import companion
from ferraris.model.data_storage import Register
from ferraris.server.device import AssociationSettings

T = TypeVar("T")

ENERGY = 'template = 1\nclient = 1\n[[objects]]\nclass = 3\nobis = "1.8.0"\n'
SECRET = b"open sesame 4711"


def ask(made: Template, work: Callable[[ferraris.Meter], Awaitable[T]]) -> T:
    """What `work` makes of a meter of the template, over a socket on loopback."""

    async def session() -> T:
        fleet = Fleet(made, 1, seed=5)
        async with await listen(fleet, parse_url("tcp://127.0.0.1:0")) as listening:
            line = listening.line(0)
            security: ferraris.Security = ferraris.NoSecurity(client=line["client"])
            if made.associations[line["client"]].ciphered:
                security = ferraris.HighGMAC(
                    bytes.fromhex(line["encryption_key"]),
                    bytes.fromhex(line["authentication_key"]),
                    client=line["client"],
                )
            url, server = line["url"], line["server"]
            async with ferraris.connect(url, server=server, security=security) as meter:
                return await work(meter)

    return asyncio.run(session())


def record(made: Template, *, values: bool = False) -> str:
    async def work(meter: ferraris.Meter) -> str:
        client = await meter.client_address()
        assert client is not None
        return recording(await meter.inventory(), client, values=values)

    return ask(made, work)


def played(text: str, folder: Path) -> Template:
    file = folder / "met.toml"
    file.write_text(text)
    return template(str(file))


@pytest.mark.parametrize("values", [False, True], ids=["types", "values"])
@pytest.mark.parametrize("name", ["residential", "smr-5.2", "is-15959-single-phase", "italy-gas"])
def test_a_recorded_meter_is_recorded_as_the_same_file(
    name: str, values: bool, tmp_path: Path
) -> None:
    text = record(template(name), values=values)
    assert record(played(text, tmp_path), values=values) == text


def test_a_recorded_meter_passes_the_check_of_what_it_was(tmp_path: Path) -> None:
    made = played(record(template("smr-5.2"), values=True), tmp_path)
    report = ask(made, lambda meter: meter.check(companion.companion("smr-5.2")))
    told = [each for each in report.findings if each.verdict != "unchecked"]
    assert told == []


def test_values_are_there_when_they_are_wanted(tmp_path: Path) -> None:
    made = template("smr-5.2")

    async def energy(meter: ferraris.Meter) -> tuple[object, object]:
        reading = await meter.read("1-0:1.8.0*255")
        return reading.value, reading.unit

    _, unit = ask(made, energy)
    plain, full = record(made), record(made, values=True)
    assert ask(played(plain, tmp_path), energy) == (0, unit)
    recorded = tomllib.loads(full)["objects"]
    (row,) = [each for each in recorded if (each["class"], each["obis"]) == (3, "1-0:1.8.0*255")]
    value = int(row["values"]["2"][2:], 16)
    assert value > 0
    assert ask(played(full, tmp_path), energy) == (value, unit)


def test_rights_and_refusals_are_kept(tmp_path: Path) -> None:
    made = played(record(template("smr-5.2"), values=True), tmp_path)

    async def work(meter: ferraris.Meter) -> list[DataAccessResult]:
        results = []
        for class_id, name, attribute in ((1, "0-1:94.31.12*255", 2), (3, "1-0:1.8.0*255", 2)):
            data = await meter.get_data(class_id, name, attribute)
            (outcome,) = await meter.do([ferraris.WriteData(class_id, name, attribute, data)])
            results.append(getattr(outcome.error, "reason", DataAccessResult.SUCCESS))
        return results

    assert ask(made, work) == [DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED]


def test_the_clock_goes_and_profiles_are_empty(tmp_path: Path) -> None:
    made = played(record(template("residential"), values=True), tmp_path)

    async def work(meter: ferraris.Meter) -> tuple[bytes, int]:
        clock = await meter.get_data(8, "0-0:1.0.0*255", 2)
        return bytes(clock[1]), len(await meter.profile("1-0:99.1.0*255"))

    shown, rows = ask(made, work)
    assert int.from_bytes(shown[:2], "big") > 2025
    assert rows == 0


def secretive(readable: bool = True) -> Template:
    """A meter that tells its secrets to whoever asks."""
    secret = octet_string(SECRET)
    objects: list[tuple[int, str, dict[int, Data]]] = [
        (
            19,
            "0-0:20.0.0*255",
            {2: (22, 0), 6: octet_string(b"0042"), 7: secret, 8: secret, 9: secret},
        ),
        (44, "0-0:25.3.0*255", {5: (2, [(2, [(22, 1), secret])])}),
        (45, "0-0:25.4.0*255", {2: octet_string(b"internet"), 3: long_unsigned(4711)}),
        (46, "0-0:25.5.0*255", {2: (18, 25), 3: secret, 4: secret}),
        (91, "0-0:29.1.0*255", {5: (1, [(2, [(17, 0), secret])])}),
        (100, "0-0:25.10.0*255", {6: (1, [(2, [(6, 1), secret])]), 7: secret}),
        (101, "0-0:30.0.0*255", {2: secret, 8: secret}),
        (115, "0-0:19.40.0*255", {2: secret}),
        (1, "0-0:94.39.1*255", {2: secret}),
        (3, "1-0:1.8.0*255", {2: double_long_unsigned(7), 3: (2, [(15, 0), (22, 30)])}),
    ]
    hidden = {2: DataAccessResult.HARDWARE_FAULT}
    behaviours = [FixedObject(*each) for each in objects]
    behaviours.append(FixedObject(1, "0-0:96.1.0*255", {}, hidden))
    readers = frozenset((16,))
    versions = {19: 1}
    placed = [Placed(each, readers, version=versions.get(each.class_id, 0)) for each in behaviours]
    current = template("smr-5.2").behaviours[15, bytes((0, 0, 40, 0, 0, 255))]
    placed.append(Placed(current, readers, version=1))
    settings = AssociationSettings(
        16, bytes((0, 0, 40, 0, 0, 255)), conformance=0x001018, rights=rights_of(16, placed)
    )
    return Template("secretive", Consumption(Zone(), Tariff()), placed, [settings])


def test_secrets_are_never_written() -> None:
    text = record(secretive(), values=True)
    assert SECRET.hex() not in text
    assert SECRET.decode() not in text
    assert "4711" not in text
    assert "121267" not in text  # the encoded number
    objects = {each["class"]: each for each in tomllib.loads(text)["objects"]}
    assert objects[19]["unread"] == {str(index): "secret" for index in (7, 8, 9)}
    assert objects[19]["values"]["6"] == "0904" + b"0042".hex()
    assert objects[45]["unread"] == {"3": "secret"}
    assert objects[3]["values"]["2"] == "0600000007"


def test_what_an_object_refuses_is_noted_and_refused_again(tmp_path: Path) -> None:
    text = record(secretive())
    (refusing,) = [
        each for each in tomllib.loads(text)["objects"] if each["obis"] == "0-0:96.1.0*255"
    ]
    assert refusing["unread"] == {"2": "hardware-fault"}

    async def work(meter: ferraris.Meter) -> object:
        with pytest.raises(RefusedError) as refused:
            await meter.get_data(1, "0-0:96.1.0*255", 2)
        return refused.value.reason

    assert ask(played(text, tmp_path), work) is DataAccessResult.HARDWARE_FAULT


def odd_association(values: dict[int, Data]) -> FoundObject:
    name = Obis.parse("0-0:40.0.0*255")
    return FoundObject(15, 1, name, dict.fromkeys((2, 3, 4, 5, 6, 9), 1), values=values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {3: (9, b""), 4: (9, b""), 5: (9, b""), 6: (9, b"")},
        {3: (2, [(15, 1), (18, 1)]), 4: (17, 1), 5: (2, [(17, 6)]), 6: (0, None)},
        {
            3: (2, [(15, 1), (18, 1)]),
            4: (2, [(17, 2), (9, b"x")]),
            5: (
                2,
                [(4, BitString(24, b"\x00\x10\x18")), *[(18, 99)] * 2, (17, 6), (15, 0), (9, b"")],
            ),
            6: (2, []),
            9: (9, b"short"),
        },
    ],
)
def test_an_association_that_says_odd_things_still_makes_a_meter(
    values: dict[int, Data], tmp_path: Path
) -> None:
    text = recording([odd_association(values)], 1, values=True)
    assert played(text, tmp_path).associations.keys() == {1}


def test_attributes_that_a_maker_numbers_below_nothing_are_kept(tmp_path: Path) -> None:
    name = Obis.parse("0-0:96.128.0*255")
    found = FoundObject(1, 0, name, {2: 1, -3: 3}, values={2: (17, 1), -3: (17, 2)})
    made = played(recording([found], 16, values=True), tmp_path)

    async def work(meter: ferraris.Meter) -> Data:
        return await meter.get_data(1, name, -3)

    assert ask(made, work) == (17, 2)


def test_a_meter_with_short_names_becomes_one_with_logical_names(tmp_path: Path) -> None:
    with ferraris.open("sim://residential-sn") as meter:
        text = recording(meter.inventory(), 1, values=True)
        energy = meter.get(Register.scaler_unit, "1-0:1.8.0*255")
    made = played(text, tmp_path)
    assert not made.short_names

    async def work(meter: ferraris.Meter) -> object:
        return await meter.get(Register.scaler_unit, "1-0:1.8.0*255")

    assert ask(made, work) == energy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("template = ", r"bad.toml: Invalid value"),
        ("client = 1", "bad.toml, line 1: template: missing"),
        ("template = 2\nclient = 1", "line 1: template: form 1 expected, not 2"),
        ("template = 1\nclient = 300", "line 2: client: a whole number 0..127 expected"),
        ("template = 1\nclient = 1\n[[objects]]\nclass = 3", r"line 3: objects\[1\].obis: missing"),
        (
            f'{ENERGY}values.2 = "06"',
            "line 6: objects.1..values: encoded data expected",
        ),
        (
            f'{ENERGY}values.2 = "zz"',
            "line 6: objects.1..values: octets in hex expected, not 'zz'",
        ),
        (
            f"{ENERGY}rights = {{ Q = [2] }}",
            "line 6: objects.1..rights.Q: rights are letters of RW",
        ),
        (
            f'{ENERGY}types = {{ 2 = "int" }}',
            "line 6: objects.1..types: not a kind: 'int'",
        ),
        (
            "template = 1\nclient = 1\n[[associations]]\nclient = 1\n"
            'object = "0-0:40.0.0"\nmechanism = 9',
            "line 6: associations.1..mechanism: a whole number 0..7 expected",
        ),
    ],
)
def test_a_malformed_file_is_an_error_with_its_place(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        template(str(file))


def test_a_file_that_is_not_there_and_a_mechanism_that_is_not_its_own() -> None:
    with pytest.raises(UsageError, match=r"./nowhere.toml: No such file"):
        template("./nowhere.toml")
    with pytest.raises(UsageError, match="prove themselves as the file says"):
        template("./nowhere.toml", mechanism=6)
