"""Class 30 between a client and a meter: data protected by themselves, and every way to fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from random import Random
from types import MappingProxyType
from typing import Any

import pytest
from pairing import Pair, fleet_with
from test_protections import security, suites, watched

from ferraris.client import data_protection
from ferraris.client.data_protection import ProtectionLayer
from ferraris.client.meter import Meter
from ferraris.client.wishes import Act, ActData, Read, ReadData, Write, WriteData
from ferraris.core.errors import RefusedError, SecurityError, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import Data, enum, null_data, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.meter.behaviour.data_protection import DataProtection as Guarded
from ferraris.meter.template import Template
from ferraris.model.data_protection import (
    DataProtection,
    ProtectedRead,
)
from ferraris.model.data_storage import DataObject, Register
from ferraris.model.references import RestrictedObject, Restriction
from ferraris.model.time_control import Clock

NAME = "0-0:43.2.1*255"
MESSAGE = (1, "0-0:96.13.0*255", 2)
ENERGY, TITLE = Read(Register.value, "1-0:1.8.0*255"), ReadData(1, "0-0:42.0.0*255", 2)
LAYERS: dict[str, list[ProtectionLayer]] = {
    "authenticated": [ProtectionLayer("authentication")],
    "both": [ProtectionLayer()],
    "wrapped": [ProtectionLayer("both", "wrapped")],
    "authenticated, then encrypted": [
        ProtectionLayer("authentication"),
        ProtectionLayer("encryption", "wrapped"),
    ],
    "signed": [ProtectionLayer("signature")],
    "one pass": [ProtectionLayer("both", "one-pass")],
    "static": [ProtectionLayer("both", "static")],
    "signed, then both": [ProtectionLayer("signature"), ProtectionLayer("both", "one-pass")],
    "static, then signed": [ProtectionLayer("both", "static"), ProtectionLayer("signature")],
}
LATER = 1 << 40  # UTC seconds, behind every setting of a clock
SUITE_0 = ("authenticated", "both", "wrapped")
ALL = [(suite, name) for suite in (0, 1, 2) for name in LAYERS if suite or name in SUITE_0]


def requiring(pair: Pair, required: int) -> Pair:
    """The same meters, with more required of protected data."""
    made: Template = copy(pair.fleet.template)
    listed = ((1, "0-0:42.0.0*255", 2), (3, "1-0:1.8.0*255", 2))
    guarded = Guarded(NAME, listed, required)
    behaviours: dict[Any, Behaviour] = {**made.behaviours, guarded.key: guarded}
    made.behaviours = MappingProxyType(behaviours)
    pair.fleet.template = made
    return pair


def run(pair: Pair, procedure: Callable[[Meter], Awaitable[Any]], **changes: Any) -> Any:
    return pair.run(security(pair, **changes), procedure)


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_read_write_and_invoke_in_every_kind_of_layer(suite: int, name: str) -> None:
    pair, layers = suites(suite), LAYERS[name]
    seen: list[bytes] = []
    text = octet_string(b"for the customer alone")

    async def procedure(meter: Meter) -> None:
        watched(pair, seen)
        energy, title = await meter.get_protected([ENERGY, TITLE], layers=layers)
        assert energy == await meter.get(Register.value, ENERGY.name)
        assert title == octet_string(pair.fleet[0].logical_device_name)
        await meter.set_protected([WriteData(*MESSAGE, text)], layers=layers)
        assert await meter.get_data(*MESSAGE) == text
        before = pair.fleet[0].offset(LATER)
        shift = Act(Clock.shift_time, "0-0:1.0.0*255", 60)
        assert await meter.invoke_protected(shift, layers=layers) is None
        assert pair.fleet[0].offset(LATER) == before + 60

    run(pair, procedure)
    assert pair.fleet[0].data_floor(security(pair).system_title) > 0
    run(pair, procedure)  # counters and transactions go on


def test_what_a_method_returns_is_protected_as_its_parameter_was() -> None:
    pair = suites(1)
    mailbox = (40_000, "0-0:96.128.0*255")

    async def procedure(meter: Meter) -> None:
        for name, layers in LAYERS.items():
            text = octet_string(name.encode())
            back = await meter.invoke_protected(ActData(*mailbox, 1, text), layers=layers)
            assert back == octet_string(name.encode()[::-1])

    run(pair, procedure)


def test_values_by_name_are_scaled() -> None:
    pair = suites(0)

    async def procedure(meter: Meter) -> None:
        names = ["1-0:32.7.0*255", "0-0:42.0.0*255", "1-0:1.6.0*255"]
        plain = [await meter.read(name) for name in names]
        protected = await meter.read_protected(names)
        assert [each.unit for each in protected] == [each.unit for each in plain]
        assert [each.value for each in protected] == [each.value for each in plain]
        with pytest.raises(RefusedError, match="not among"):
            await meter.read_protected([*names, "1-0:99.9.9*255"])
        assert await meter.read_protected([]) == []

    run(pair, procedure)


def test_data_are_hidden_where_apdus_are_authenticated_only() -> None:
    pair = suites(0, c1={"policy": 0x10})
    seen: list[bytes] = []
    secret = b"nobody else reads this"

    async def procedure(meter: Meter) -> None:
        watched(pair, seen)
        await meter.set_protected([WriteData(*MESSAGE, octet_string(secret))])
        assert await meter.get_protected([ReadData(*MESSAGE)]) == [octet_string(secret)]

    run(pair, procedure, protection="authentication")
    assert seen
    assert not any(secret in octets for octets in seen)


@pytest.mark.parametrize(("dedicated", "form"), [(True, "service"), (False, "envelope")])
def test_within_other_forms_and_in_blocks(dedicated: bool, form: str) -> None:
    pair = suites(1)
    text = octet_string(bytes(range(256)) * 20)

    async def procedure(meter: Meter) -> None:
        for layers in LAYERS.values():
            await meter.set_protected([WriteData(*MESSAGE, text)], layers=layers)
            assert await meter.get_protected([ReadData(*MESSAGE)], layers=layers) == [text]
        assert (await meter.transfer_keys({0: bytes(range(16))}, name="0-0:43.0.1*255")).keys
        assert await meter.get_protected([ReadData(*MESSAGE)]) == [text]
        await meter.set_protected([WriteData(*MESSAGE, text)])

    run(pair, procedure, dedicated=dedicated, form=form)


@pytest.mark.parametrize(
    ("required", "weak", "strong"),
    [
        (32, "signed", "both"),
        (64, "authenticated", "both"),
        (128, "both", "signed"),
        (32 | 64 | 128, "static", "signed, then both"),
    ],
)
def test_answers_with_fewer_layers_than_required_are_refused(
    required: int, weak: str, strong: str
) -> None:
    pair = requiring(suites(1), required)

    async def procedure(meter: Meter) -> None:
        with pytest.raises(RefusedError) as refused:
            await meter.get_protected([ENERGY], layers=LAYERS[weak])
        assert refused.value.reason == ActionResult.READ_WRITE_DENIED
        assert await meter.get_protected([ENERGY], layers=LAYERS[strong])
        shift = Act(Clock.shift_time, "0-0:1.0.0*255", 60)
        with pytest.raises(RefusedError) as refused:
            await meter.invoke_protected(shift, layers=LAYERS[weak])
        assert refused.value.reason == ActionResult.READ_WRITE_DENIED
        assert pair.fleet[0].offset(LATER) == 0  # nothing was done
        await meter.invoke_protected(shift, layers=LAYERS[strong])

    run(pair, procedure)


@pytest.mark.parametrize(
    ("required", "weak", "strong"),
    [(4, "signed", "both"), (8, "authenticated", "both"), (16, "both", "signed")],
)
def test_requests_with_fewer_layers_than_required_are_refused(
    required: int, weak: str, strong: str
) -> None:
    pair = requiring(suites(1), required)
    wish = [WriteData(*MESSAGE, octet_string(b"new"))]

    async def procedure(meter: Meter) -> None:
        before = await meter.get_data(*MESSAGE)
        with pytest.raises(RefusedError) as refused:
            await meter.set_protected(wish, layers=LAYERS[weak])
        assert refused.value.reason == ActionResult.READ_WRITE_DENIED
        assert await meter.get_data(*MESSAGE) == before
        await meter.set_protected(wish, layers=LAYERS[strong])
        assert await meter.get_data(*MESSAGE) == octet_string(b"new")

    run(pair, procedure)


def test_data_that_nobody_vouches_for_change_nothing() -> None:
    pair = suites(0)
    only = [ProtectionLayer("encryption")]

    async def procedure(meter: Meter) -> None:
        with pytest.raises(RefusedError) as refused:
            await meter.set_protected([WriteData(*MESSAGE, octet_string(b"new"))], layers=only)
        assert refused.value.reason == ActionResult.READ_WRITE_DENIED
        assert len(await meter.get_protected([ENERGY], layers=only)) == 1

    run(pair, procedure)


class Kept:
    """Method calls of a client, kept to be sent again, or altered on their way."""

    def __init__(self, meter: Meter) -> None:
        self.calls: list[tuple[Any, Any, bytes]] = []
        self.alter: Callable[[bytes], bytes] = lambda data: data
        send = meter._act

        async def kept(target: Any, data: bytes | None, confirmed: bool) -> bytes | None:
            assert data is not None
            self.calls.append((send, target, data))
            return await send(target, self.alter(data), confirmed)

        meter._act = kept  # type: ignore[method-assign]

    async def again(self, place: int) -> None:
        send, target, data = self.calls[place]
        await send(target, data, True)


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_data_of_before_are_refused(suite: int, name: str) -> None:
    pair = suites(suite)
    first, second = (WriteData(*MESSAGE, octet_string(each)) for each in (b"first", b"second"))
    kept: list[Kept] = []

    async def write(meter: Meter) -> None:
        kept.append(Kept(meter))
        await meter.set_protected([first], layers=LAYERS[name])
        await meter.set_protected([second], layers=LAYERS[name])
        await refuse_both(meter)

    async def refuse_both(meter: Meter) -> None:
        for place in (0, 1):
            _, target, data = kept[0].calls[place]
            with pytest.raises(RefusedError) as refused:
                await meter.act_data(30, NAME, 2, axdr.decode(data))
            assert refused.value.reason == ActionResult.OTHER_REASON
            assert target.class_id == 30
        assert await meter.get_data(*MESSAGE) == second.data

    run(pair, write)
    run(pair, refuse_both)  # and in an association of tomorrow
    assert len(pair.fleet[0].state.entries) == 4  # and the meter took note each time


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_data_altered_on_their_way_are_refused(suite: int, name: str) -> None:
    pair = suites(suite)

    async def procedure(meter: Meter) -> None:
        before = await meter.get_data(*MESSAGE)
        kept = Kept(meter)
        kept.alter = lambda data: data[:-1] + bytes((data[-1] ^ 1,))
        floor = pair.fleet[0].data_floor(security(pair).system_title)
        with pytest.raises(RefusedError) as refused:
            wish = WriteData(*MESSAGE, octet_string(b"new"))
            await meter.set_protected([wish], layers=LAYERS[name])
        assert refused.value.reason == ActionResult.OTHER_REASON
        assert pair.fleet[0].data_floor(security(pair).system_title) == floor
        assert pair.fleet[0].state.entries  # the meter took note of it
        kept.alter = lambda data: data
        assert await meter.get_data(*MESSAGE) == before

    run(pair, procedure)


@pytest.mark.parametrize(("suite", "name"), ALL)
def test_answers_altered_old_or_otherwise_protected_are_refused(
    suite: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, layers = suites(suite), LAYERS[name]
    answers: list[bytes | None] = []
    altered: list[Callable[[bytes], bytes]] = []

    async def procedure(meter: Meter) -> None:
        send = meter._act

        async def answering(target: Any, data: bytes | None, confirmed: bool) -> bytes | None:
            answer = await send(target, data, confirmed)
            answers.append(answer)
            assert answer is not None
            return altered[0](answer) if altered else answer

        meter._act = answering  # type: ignore[method-assign]
        await meter.get_protected([ENERGY], layers=layers)
        altered.append(lambda answer: answer[:-1] + bytes((answer[-1] ^ 1,)))
        with pytest.raises(SecurityError):
            await meter.get_protected([ENERGY], layers=layers)
        old = answers[0]
        assert old is not None
        altered[0] = lambda answer: old
        with pytest.raises(SecurityError, match="other layers"):
            await meter.get_protected([ENERGY], layers=layers)
        altered.clear()
        other = LAYERS["both" if name != "both" else "authenticated"]
        wanted = data_protection._parameters

        with monkeypatch.context() as patched:  # the meter protects otherwise than it was asked to
            patched.setattr(
                data_protection,
                "_parameters",
                lambda made: wanted(
                    [each.wanted._replace(transaction_id=made[0].transaction_id) for each in other]
                ),
            )
            with pytest.raises(SecurityError, match="other layers"):
                await meter.get_protected([ENERGY], layers=layers)
        altered.append(lambda answer: answer[:-1] + bytes((answer[-1] ^ 1,)))
        shift = Act(Clock.shift_time, "0-0:1.0.0*255", 60)
        with pytest.raises(SecurityError) as unknown:
            await meter.invoke_protected(shift, layers=layers)
        assert unknown.value.outcome_unknown
        assert pair.fleet[0].offset(LATER) == 60

    run(pair, procedure)


@pytest.mark.parametrize("name", ["both", "wrapped", "signed, then both"])
def test_mutated_requests_are_refused_and_the_meter_goes_on(name: str) -> None:
    pair = suites(1)
    chance = Random(name)

    def mutated(data: bytes) -> bytes:
        octets = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(octets))
            octets[place] = chance.randrange(256)
        return bytes(octets[: chance.choice((len(octets), chance.randrange(len(octets))))])

    async def procedure(meter: Meter) -> None:
        kept = Kept(meter)
        await meter.get_protected([ENERGY], layers=LAYERS[name])
        wish = WriteData(*MESSAGE, octet_string(b"new"))
        await meter.set_protected([wish], layers=LAYERS[name])
        shift = Act(Clock.shift_time, "0-0:1.0.0*255", 60)
        await meter.invoke_protected(shift, layers=LAYERS[name])
        for place in range(3):
            send, target, data = kept.calls[place]
            for _ in range(120):
                # Other things may be read, since nobody vouches for what is asked for.
                with pytest.raises(RefusedError) if place else suppress(RefusedError):
                    await send(target, mutated(data), True)
        assert pair.fleet[0].offset(LATER) == 60
        assert await meter.get_data(*MESSAGE) == wish.data

    run(pair, procedure)


def test_wrong_keys_are_refused_at_both_ends() -> None:
    pair = suites(1)
    stranger = suites(1, c1={"max_list": 3}).fleet
    strange = type(pair.fleet)(stranger.template, 2, seed=8).client_pairs(0)

    async def procedure(meter: Meter) -> None:
        ours = meter.parameters.pairs
        for name in ("wrapped", "static, then signed", "signed"):
            meter.parameters.pairs = strange
            with pytest.raises(RefusedError) as refused:
                wish = WriteData(*MESSAGE, octet_string(b"new"))
                await meter.set_protected([wish], layers=LAYERS[name])
            assert refused.value.reason == ActionResult.OTHER_REASON
            with pytest.raises(SecurityError):
                await meter.get_protected([ENERGY], layers=LAYERS[name])
            meter.parameters.pairs = ours
            assert await meter.get_protected([ENERGY], layers=LAYERS[name])

    run(pair, procedure)


def test_rights_hold_for_protected_data_too() -> None:
    pair = suites(0)
    wishes: list[tuple[Any, ActionResult]] = [
        (ReadData(3, "1-0:99.9.9*255", 2), ActionResult.OBJECT_UNDEFINED),
        (ReadData(1, "1-0:1.8.0*255", 2), ActionResult.OBJECT_CLASS_INCONSISTENT),
        (ReadData(15, "0-0:40.0.1*255", 7), ActionResult.READ_WRITE_DENIED),
        (ReadData(30, NAME, 2), ActionResult.SCOPE_OF_ACCESS_VIOLATED),
    ]

    async def procedure(meter: Meter) -> None:
        for wish, reason in wishes:
            with pytest.raises(RefusedError) as refused:
                await meter.get_protected([ENERGY, wish])
            assert refused.value.reason == reason
        energy = WriteData(3, "1-0:1.8.0*255", 2, (6, 0))
        with pytest.raises(RefusedError) as refused:
            await meter.set_protected([energy])
        assert refused.value.reason == ActionResult.READ_WRITE_DENIED
        with pytest.raises(RefusedError) as refused:
            await meter.set_protected([WriteData(*MESSAGE, (6, 0))])
        assert refused.value.reason == ActionResult.TYPE_UNMATCHED
        for act in (ActData(3, "1-0:1.8.0*255", 1), ActData(30, NAME, 1)):
            with pytest.raises(RefusedError) as refused:
                await meter.invoke_protected(act)
            assert refused.value.reason in (
                ActionResult.READ_WRITE_DENIED,
                ActionResult.SCOPE_OF_ACCESS_VIOLATED,
            )

    run(pair, procedure)


def test_elements_and_rows() -> None:
    pair = suites(0)
    scaler = RestrictedObject(3, Obis.parse("1-0:1.8.0*255"), 3, 2, Restriction(0, null_data()))
    rows = RestrictedObject(
        7,
        Obis.parse("1-0:99.2.0*255"),
        2,
        0,
        Restriction(2, structure((6, 1), (6, 2))),
    )

    async def procedure(meter: Meter) -> None:
        ends = data_protection._Ends.of(meter)
        wanted = ends.addressed([ProtectionLayer()])
        asked = ProtectedRead([scaler, rows], data_protection._parameters(wanted))
        answer = await meter.act(DataProtection.get_protected_attributes, NAME, asked)
        unit, days = data_protection._elements(ends.opened(answer, wanted), 2)
        assert unit == enum(30)
        assert len(days[1]) == 2
        for wrong in (
            scaler._replace(data_index=3),
            scaler._replace(restriction=Restriction(7, structure((6, 1), (6, 2)))),
            rows._replace(restriction=Restriction(2, null_data())),
        ):
            with pytest.raises(RefusedError):
                await meter.act(
                    DataProtection.get_protected_attributes,
                    NAME,
                    asked._replace(object_list=[wrong]),
                )
        for count in (0, 65):
            with pytest.raises(RefusedError):
                await meter.act(
                    DataProtection.get_protected_attributes,
                    NAME,
                    asked._replace(object_list=[scaler] * count),
                )

    run(pair, procedure)


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_the_buffer_holds_what_is_listed(suite: int) -> None:
    pair = suites(suite)

    async def procedure(meter: Meter) -> None:
        found = dict(await meter.read_protected_buffer())
        assert [str(each.logical_name) for each in found]
        energy = await meter.get(Register.value, ENERGY.name)
        assert energy in found.values()
        await meter.set(
            DataProtection.protection_object_list,
            NAME,
            [RestrictedObject(1, Obis.parse(MESSAGE[1]), 2, 0, Restriction(0, null_data()))],
        )
        for name in ("authenticated", "both", *(("static", "signed") if suite else ())):
            layers = [each.wanted for each in LAYERS[name]]
            await meter.set(
                DataProtection.protection_parameters_get, NAME, data_protection._parameters(layers)
            )
            text = octet_string(name.encode())
            await write_buffer(meter, text, name)
            assert await meter.get_data(*MESSAGE) == text
            assert [data for _, data in await meter.read_protected_buffer()] == [text]
        layers = [each.wanted for each in LAYERS["wrapped"]]
        await meter.set(
            DataProtection.protection_parameters_get, NAME, data_protection._parameters(layers)
        )
        with pytest.raises(RefusedError) as refused:  # a key would have to travel beside it
            await meter.read_protected_buffer()
        assert refused.value.reason == DataAccessResult.OTHER_REASON

    run(pair, procedure)


async def write_buffer(meter: Meter, text: Data, name: str) -> None:
    """Parameters of a new transaction, then the data under them; the same again is refused."""
    ends = data_protection._Ends.of(meter)
    octets, made = ends.sealed(axdr.encode(structure(text)), LAYERS[name])
    await meter.set(
        DataProtection.protection_parameters_set, NAME, data_protection._parameters(made)
    )
    await meter.set(DataProtection.protection_buffer, NAME, octets)
    with pytest.raises(RefusedError) as refused:
        await meter.set(DataProtection.protection_buffer, NAME, octets)
    assert refused.value.reason == DataAccessResult.OTHER_REASON


def test_what_cannot_be_asked_is_refused_before_anything_is_sent() -> None:
    pair = suites(0)

    async def procedure(meter: Meter) -> None:
        assert await meter.get_protected([]) == []
        await meter.set_protected([])
        for layers in (
            [ProtectionLayer("nothing")],
            [ProtectionLayer("both", "strange")],
        ):
            with pytest.raises(UsageError):
                await meter.get_protected([ENERGY], layers=layers)
        with pytest.raises(UsageError):
            await meter.set_protected(
                [Write(DataObject.value, MESSAGE[1], octet_string(b""))], layers=LAYERS["signed"]
            )

    run(pair, procedure)

    async def plain(meter: Meter) -> None:
        with pytest.raises(UsageError, match="ciphered"):
            await meter.get_protected([ENERGY])

    pair.run(pair.security("password"), plain)


def test_a_plain_association_gets_no_protected_data() -> None:
    pair = Pair(fleet=fleet_with())
    rights = pair.fleet.template.associations[2].rights
    key = (30, bytes(Obis.parse(NAME)))
    known = pair.fleet.template.associations[1].rights.objects[key]
    rights.objects[key] = known  # type: ignore[index]

    async def plain(meter: Meter) -> None:
        with pytest.raises(RefusedError) as refused:
            await meter.get_data(30, NAME, 2)
        assert refused.value.reason == DataAccessResult.OTHER_REASON

    pair.run(pair.security("password"), plain)


def test_a_meter_has_counters_for_many_answers() -> None:
    pair = suites(0)

    async def procedure(meter: Meter) -> None:
        start = pair.fleet[0].state.next_counter
        for _ in range(5):
            await meter.get_protected([ENERGY])
        assert pair.fleet[0].state.next_counter - start <= 5 * 4

    run(pair, procedure)
