"""A meter whose objects go by short names: read, written and acted on like any other.

Both ends are real, over the wrapper and over HDLC, on good lines and on bad ones.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pairing import NOON, Pair

from ferraris.client.kind import Kind
from ferraris.client.kind_cache import KindCache
from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, Security
from ferraris.client.wishes import Act, Read, ReadData, Write
from ferraris.core.errors import Error, LineError, RefusedError, UsageError
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import octet_string
from ferraris.data.obis import Obis
from ferraris.line.virtual import Physics
from ferraris.messaging.dlms.association.states import State
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import DataAccessResult, ServiceError
from ferraris.messaging.dlms.errors import ConfirmedServiceError
from ferraris.messaging.dlms.names import Selection
from ferraris.messaging.dlms.short_name import (
    InformationReportRequest,
    ReadRequest,
    VariableName,
    WriteRequest,
)
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.model.access_control import ObjectIdentity
from ferraris.model.data_storage import DataObject, ProfileGeneric, Register
from ferraris.model.short_names import AssociationSn, AssociationSnV1, AttributeIdentity
from ferraris.model.time_control import Clock, ControlState, DisconnectControl
from ferraris.server.device import RequestContext
from ferraris.server.notifying import Delivery
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.profiles import HDLC, TCP, UDP

STEADFAST = replace(HDLC, max_tries=12)
PROFILES = {
    "tcp": TCP,
    "udp": UDP,
    "hdlc 1": STEADFAST,
    "hdlc 7": replace(STEADFAST, parameters=Parameters(512, 512, 7, 7)),
}
SECURITIES = ("none", "password", "gmac", "gmac general", "gmac dedicated")
CLIENTS = {"none": 16, "password": 2}
ENERGY, CLOCK, SWITCH = "1-0:1.8.0*255", "0-0:1.0.0*255", "0-0:96.3.10*255"
MESSAGE, LOAD = "0-0:96.13.0*255", "1-0:99.1.0*255"
TITLE = "0-0:42.0.0*255"
CURRENT = "0-0:40.0.0*255"
UNTIL = datetime.fromtimestamp(NOON, UTC)


def pair_over(profile: str = "tcp", physics: Physics | None = None, seed: int = 1) -> Pair:
    fleet = Fleet(template("residential-sn"), 2, seed=7)
    return Pair(fleet=fleet, profile=PROFILES[profile], physics=physics, seed=seed)


def security_of(pair: Pair, name: str) -> Security:
    security = pair.security(name)
    if isinstance(security, HighGMAC):
        return replace(security, server_system_title=pair.fleet[0].system_title)
    return security


def run(pair: Pair, security: str, procedure: Any, **changes: Any) -> Any:
    settings = {"short_names": True, "max_pdu": 400, **changes}
    return pair.run(security_of(pair, security), procedure, **settings)


def truth(pair: Pair, class_id: int, name: str, attribute: int) -> bytes:
    """What the meter itself says, without any association."""
    meter = pair.fleet[0]
    entry = meter.objects[class_id, bytes(Obis.parse(name))]
    return meter.get(entry, attribute, None, RequestContext(1, now=pair.utc()))


@pytest.mark.parametrize(
    ("profile", "security"), list(itertools.product(PROFILES, SECURITIES[1:])), ids=str
)
def test_everything_works_as_by_logical_name(profile: str, security: str) -> None:
    pair = pair_over(profile)

    async def procedure(meter: Meter) -> None:
        found = await meter.read(ENERGY)
        assert found.value == axdr.decode(truth(pair, 3, ENERGY, 2))[1]
        assert found.unit is not None
        assert found.unit.symbol == "Wh"
        assert await meter.get(Register.value, ENERGY) == axdr.decode(truth(pair, 3, ENERGY, 2))
        series = await meter.profile(LOAD, UNTIL - timedelta(hours=6), UNTIL)
        assert len(series) == 24
        assert series.ends[-1] == NOON
        read = await meter.read_many([ENERGY, "1-0:2.8.0*255", "1-0:1.6.0*255", "1-0:9.9.9*255"])
        assert [str(each.name) for each in read] == [ENERGY, "1-0:2.8.0*255", "1-0:1.6.0*255"]
        assert read[2].time is not None
        await meter.set(DataObject.value, MESSAGE, octet_string(b"hello"))
        assert await meter.get(DataObject.value, MESSAGE) == octet_string(b"hello")
        wanted = DateTime.from_datetime(UNTIL + timedelta(hours=3), status=0)
        await meter.set(Clock.time, CLOCK, wanted)
        shown = (await meter.get(Clock.time, CLOCK)).to_datetime()
        assert shown is not None
        assert abs(shown - UNTIL - timedelta(hours=3)) < timedelta(seconds=30)
        await meter.act(Clock.shift_time, CLOCK, -60)

    run(pair, security, procedure)
    assert pair.fleet[0].offset(int(pair.utc())) == pytest.approx(3 * 3600 - 60, abs=30)


def test_the_public_client_sees_what_it_may() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        assert (await meter.read(TITLE)).value == pair.fleet[0].logical_device_name
        assert len(await meter.object_list()) == 7
        with pytest.raises(RefusedError) as refused:
            await meter.read(ENERGY)
        assert refused.value.reason == DataAccessResult.OBJECT_UNDEFINED
        with pytest.raises(RefusedError):
            await meter.get(Register.value, CLOCK)  # of another class
        with pytest.raises(RefusedError) as denied:
            await meter.set_data(1, TITLE, 2, octet_string(b"x"))
        assert denied.value.reason == ServiceError.SERVICE_UNSUPPORTED

    run(pair, "none", procedure)


def test_the_switch_is_opened_and_closed_by_methods() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        await meter.act(DisconnectControl.remote_disconnect, SWITCH, 0)
        assert await meter.get(DisconnectControl.control_state, SWITCH) == ControlState.DISCONNECTED
        await meter.act_data(70, SWITCH, 2)
        assert await meter.get(DisconnectControl.control_state, SWITCH) == ControlState.CONNECTED

    run(pair, "gmac", procedure)

    async def forbidden(meter: Meter) -> None:
        with pytest.raises(RefusedError) as refused:
            await meter.act(DisconnectControl.remote_disconnect, SWITCH, 0)
        assert refused.value.reason.name == "READ_WRITE_DENIED"  # type: ignore[attr-defined]
        assert not refused.value.outcome_unknown

    run(pair, "password", forbidden)


def test_browsing_shows_every_object_with_its_rights() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        found = {each.logical_name: each for each in await meter.browse()}
        assert len(found) == 23
        clock = found[Obis.parse(CLOCK)]
        assert (clock.class_name, len(clock.attributes)) == ("Clock", 9)
        assert not any(each.refused for each in clock.attributes)
        listed = {each.logical_name: each for each in await meter.object_list()}
        energy = listed[Obis.parse(ENERGY)].access_rights
        assert [(each.attribute_id, each.mode) for each in energy.attributes] == [
            (1, 1),
            (2, 1),
            (3, 1),
        ]
        assert [(each.method_id, each.mode) for each in energy.methods] == [(1, 0)]

    run(pair, "password", procedure)


def test_many_wishes_share_requests() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        await meter.object_list()
        asked = 0
        below = meter._short._driver  # type: ignore[union-attr]
        exchange = below.exchange

        async def counted(unit: Any) -> Any:
            nonlocal asked
            asked += 1
            return await exchange(unit)

        below.exchange = counted  # type: ignore[method-assign]
        outcomes = await meter.do(
            [
                Read(Register.value, ENERGY),
                Read(Register.scaler_unit, ENERGY),
                Read(Register.value, "1-0:99.99.99*255"),
                ReadData(8, CLOCK, 2),
                Write(DataObject.value, MESSAGE, octet_string(b"one")),
                Act(Clock.adjust_to_minute, CLOCK, 0),
                Read(DataObject.value, MESSAGE),
            ]
        )
        assert [outcome.done for outcome in outcomes] == [True, True, False, *[True] * 4]
        assert isinstance(outcomes[2].error, RefusedError)
        assert outcomes[2].error.reason == DataAccessResult.OBJECT_UNDEFINED
        assert outcomes[6].value == octet_string(b"one")
        assert asked == 4

    run(pair, "gmac", procedure)


def test_without_lists_everything_goes_one_by_one() -> None:
    pair = pair_over()
    services = Conformance.READ | Conformance.WRITE | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ

    async def procedure(meter: Meter) -> None:
        found = await meter.read_many([ENERGY, "1-0:2.8.0*255"])
        assert len(found) == 2
        with pytest.raises(RefusedError) as refused:
            await meter.profile(LOAD, UNTIL - timedelta(hours=1), UNTIL)
        assert refused.value.reason == ServiceError.SERVICE_UNSUPPORTED
        with pytest.raises(UsageError, match="blocks"):
            await meter.set(DataObject.value, MESSAGE, octet_string(b"x" * 2000))

    run(pair, "password", procedure, conformance=int(services))


@pytest.mark.parametrize("security", ["password", "gmac", "gmac general"])
@pytest.mark.parametrize("octets", [100, 470, 480, 490, 500, 510, 4000])
def test_writes_of_any_size(security: str, octets: int) -> None:
    pair = pair_over()
    text = octet_string(bytes(each % 251 for each in range(octets)))

    async def procedure(meter: Meter) -> None:
        await meter.set(DataObject.value, MESSAGE, text)
        assert await meter.get(DataObject.value, MESSAGE) == text

    run(pair, security, procedure)


def test_a_whole_profile_comes_in_hundreds_of_blocks() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        series = await meter.profile(LOAD)
        assert len(series) == 60 * 96
        whole = await meter.get_data(7, LOAD, 2)
        assert len(whole[1]) == 60 * 96

    run(pair, "password", procedure, max_pdu=1024)


def test_names_are_asked_once_for_a_kind(tmp_path: Any) -> None:
    pair = pair_over()
    kinds = KindCache(tmp_path / "kinds.json")

    async def first(meter: Meter) -> None:
        meter.kind = kinds.find("frr", b"1", 2)
        await meter.read(ENERGY)
        assert meter.kind.names is not None

    run(pair, "password", first)
    kinds.save()
    kept = KindCache(tmp_path / "kinds.json").find("frr", b"1", 2)
    assert kept.names == kinds.find("frr", b"1", 2).names
    requests: list[Any] = []

    async def second(meter: Meter) -> None:
        meter.kind = kept
        exchange = meter._short._driver.exchange  # type: ignore[union-attr]

        async def watched(unit: Any) -> Any:
            requests.append(unit)
            return await exchange(unit)

        meter._short._driver.exchange = watched  # type: ignore[union-attr, method-assign]
        await meter.read(ENERGY)

    run(pair, "password", second)
    (request,) = requests
    assert isinstance(request, ReadRequest)


def test_methods_of_the_association_answer_from_its_lists() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        registers = await meter.act(AssociationSn.getlist_by_classid, CURRENT, 3)
        assert registers is not None
        assert {each.class_id for each in registers} == {3}
        identity = ObjectIdentity(8, Obis.parse(CLOCK))
        clock = await meter.act(AssociationSn.getobj_by_logicalname, CURRENT, identity)
        assert clock is not None
        assert (clock.class_id, str(clock.logical_name)) == (8, CLOCK)
        values = await meter.act(
            AssociationSn.read_by_logicalname,
            CURRENT,
            [
                AttributeIdentity(1, Obis.parse(TITLE), 2),
                AttributeIdentity(1, Obis.parse("0-0:9.9.9*255"), 2),
            ],
        )
        assert values == (1, [octet_string(pair.fleet[0].logical_device_name), (0, None)])
        (described,) = (
            await meter.act(AssociationSn.get_attributes_and_methods, CURRENT, [identity]) or []
        )
        assert described.read_attributes.octets == b"\xff\x80"
        assert described.write_attributes.octets == b"\x6f\x00"
        assert described.methods.octets == b"\xfc"
        rights = await meter.get(AssociationSnV1.access_rights_list, CURRENT)
        assert len(rights) == 23
        with pytest.raises(RefusedError):
            await meter.act(
                AssociationSn.getobj_by_logicalname, CURRENT, ObjectIdentity(8, Obis.parse(TITLE))
            )
        with pytest.raises(RefusedError):  # the handshake is over
            await meter.act(AssociationSn.reply_to_hls_authentication, CURRENT, b"proof")

    run(pair, "gmac", procedure)


def test_a_changed_password_opens_the_next_association() -> None:
    pair = pair_over()

    async def change(meter: Meter) -> None:
        await meter.act(AssociationSn.change_lls_secret, CURRENT, b"another one")

    async def read(meter: Meter) -> Any:
        return (await meter.read(TITLE)).value

    run(pair, "password", change)
    with pytest.raises(RefusedError):
        run(pair, "password", read)
    changed = replace(pair.security("password"), password=b"another one")
    assert pair.run(changed, read, short_names=True) == pair.fleet[0].logical_device_name
    run(pair, "gmac", read)


def test_reports_are_delivered_beside_answers() -> None:
    pair = pair_over()
    report = InformationReportRequest(None, [VariableName(0x1008)], [b"\x11\x05"])
    stamped = InformationReportRequest(b"20261118120000Z", [VariableName(0x1008)], [b"\x11\x06"])

    async def procedure(meter: Meter) -> None:
        await meter.read(TITLE)
        sent = [pair.notify(1, each) for each in (report, stamped)]
        for _ in range(2):
            await meter.read(TITLE)
        assert [each.state for each in sent] == [Delivery.SENT] * 2

    run(pair, "gmac", procedure)
    assert pair.pushes == [report, stamped]


def test_a_list_longer_than_the_meter_takes_is_a_service_error() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        answer = await meter._driver.exchange(ReadRequest([VariableName(0xFD08)] * 65))
        assert isinstance(answer, ConfirmedServiceError)
        assert answer.reason == ServiceError.PDU_SIZE
        uneven = WriteRequest([VariableName(0xFD08)], [])
        assert isinstance(await meter._driver.exchange(uneven), ConfirmedServiceError)

    run(pair, "password", procedure)


def test_names_that_nothing_has_and_methods_read_plainly() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        names = [VariableName(0x0008), VariableName(0xFA58), VariableName(0xFD00)]
        answer = await meter._driver.exchange(ReadRequest(names))  # type: ignore[arg-type]
        assert answer.results[:2] == [  # type: ignore[union-attr]
            DataAccessResult.OBJECT_UNDEFINED,
            DataAccessResult.READ_WRITE_DENIED,
        ]
        assert answer.results[2] == b"\x09\x06" + Obis.parse(TITLE)  # type: ignore[union-attr]

    run(pair, "gmac", procedure)


def test_a_method_whose_place_is_not_known_is_a_mistake_of_ours() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        with pytest.raises(UsageError, match="method 9 of class 3"):
            await meter.act_data(3, ENERGY, 9)
        with pytest.raises(RefusedError):
            await meter.act_data(3, TITLE, 1)

    run(pair, "password", procedure)


# -- bad lines --------------------------------------------------------------------------------

TROUBLES: dict[str, dict[str, float]] = {
    "loss": {"loss": 0.04},
    "duplication": {"duplication": 0.1},
    "reorder": {"reorder": 0.1},
    "damage": {"damage": 0.04},
    "cut": {},
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("security", ["password", "gmac", "gmac general"])
@pytest.mark.parametrize("profile", PROFILES)
def test_whatever_the_line_does(profile: str, security: str, trouble: str) -> None:
    seed = sum(map(ord, profile + security + trouble))
    pair = pair_over(profile, Physics(**TROUBLES[trouble]), seed)
    patience = 60.0 if profile.startswith("hdlc") else 6.0
    opening = pair.connect(
        security_of(pair, security), short_names=True, response_timeout_s=patience, max_pdu=400
    )
    long = octet_string(bytes(each % 251 for each in range(1500)))
    before = truth(pair, 1, MESSAGE, 2)
    failures: list[Error] = []
    right: list[bool] = []

    async def session() -> None:
        try:
            meter = await opening()
        except Error as error:
            failures.append(error)
            return
        if trouble == "cut":
            assert pair.line is not None
            pair.time.at(pair.time.now + 0.4, pair.line.disconnect)
        try:
            right.append((await meter.read(TITLE)).value == pair.fleet[0].logical_device_name)
            await meter.set(DataObject.value, MESSAGE, long)
            right.append(truth(pair, 1, MESSAGE, 2) == axdr.encode(long))
            series = await meter.profile(LOAD, UNTIL - timedelta(hours=2), UNTIL)
            right.append(len(series) == 8)
        except Error as error:
            failures.append(error)
            if not error.outcome_unknown and len(right) == 1 and security != "password":
                assert truth(pair, 1, MESSAGE, 2) == before
        with contextlib.suppress(Error):
            await meter.read(TITLE)
        await meter.close()

    pair.time.complete(session())
    assert len(right) == 3 or failures
    if security != "password" or profile.startswith("hdlc"):  # else nobody can tell
        assert all(right)
    if profile.startswith("hdlc") and trouble in ("loss", "damage"):
        assert right == [True] * 3, failures
    pair.time.run(pair.time.now + 600)
    pair.physics = Physics()

    async def afterwards(meter: Meter) -> Any:
        return (await meter.read(TITLE)).value

    assert run(pair, security, afterwards) == pair.fleet[0].logical_device_name


def test_silence_ends_the_association_and_leaves_a_write_unknown() -> None:
    pair = pair_over()
    opening = pair.connect(security_of(pair, "password"), short_names=True, response_timeout_s=2.0)

    async def session() -> None:
        meter = await opening()
        await meter.read(TITLE)
        assert pair.line is not None
        pair.line.physics = Physics(loss=1.0)
        with pytest.raises(LineError) as silent:
            await meter.set(DataObject.value, MESSAGE, octet_string(b"x"))
        assert silent.value.outcome_unknown
        pair.line.physics = Physics()
        with pytest.raises(Error):
            await meter.read(TITLE)
        assert meter._association.state is not State.ASSOCIATED

    pair.time.complete(session())


def test_an_action_that_returns_something_is_unknown_without_its_answer() -> None:
    pair = pair_over()
    opening = pair.connect(security_of(pair, "password"), short_names=True)

    async def session() -> None:
        meter = await opening()
        await meter.read(TITLE)
        assert pair.line is not None
        pair.line.physics = Physics(loss=1.0)
        with pytest.raises(LineError) as silent:
            await meter.act(AssociationSn.getlist_by_classid, CURRENT, 3)
        assert silent.value.outcome_unknown

    pair.time.complete(session())


def test_a_client_by_logical_name_is_told_why_it_is_refused() -> None:
    pair = pair_over()

    async def nothing(meter: Meter) -> None:
        raise AssertionError

    with pytest.raises(RefusedError, match="other kind of names"):
        pair.run(security_of(pair, "password"), nothing)


def test_selection_of_rows_by_number() -> None:
    pair = pair_over()

    async def procedure(meter: Meter) -> None:
        parameter = ProfileGeneric.buffer.selectors[2]
        octets = axdr.encode(parameter.dump((1, 3, 1, 0)))
        tag, rows = await meter.get_data(7, LOAD, 2, Selection(2, octets))
        assert (tag, len(rows)) == (1, 3)

    run(pair, "password", procedure)


def test_a_kind_known_beforehand_needs_no_list() -> None:
    pair = pair_over()
    kind = Kind()
    opening = pair.connect(security_of(pair, "password"), short_names=True)

    async def session() -> None:
        meter = await opening()
        meter.kind = kind
        await meter.read(ENERGY)
        await meter.close()

    pair.time.complete(session())
    assert kind.names is not None
    assert len(kind.names) == 23
