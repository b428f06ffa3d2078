"""Every service of this version over every profile and kind of security, in virtual time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pairing import NOON, Pair

from ferraris.client.meter import Meter
from ferraris.client.security import NoSecurity
from ferraris.core.errors import RefusedError
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import octet_string
from ferraris.data.readings import Reading, Series
from ferraris.line.virtual import Physics
from ferraris.messaging.dlms.association.parameters import FULL_CONFORMANCE
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
    ExceptionServiceError,
)
from ferraris.model.time_control import Clock, DisconnectControl

ALL = [
    pytest.param(scheme, security, id=f"{scheme} {security}")
    for scheme in ("tcp", "tcp+hdlc")
    for security in ("password", "gmac", "gmac general")
]
UNTIL = datetime.fromtimestamp(NOON, UTC)
SINCE = UNTIL - timedelta(days=1)


@pytest.mark.parametrize(("scheme", "security"), ALL)
def test_a_register(scheme: str, security: str) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> Reading:
        return await meter.read("1-0:1.8.0")

    reading = pair.run(pair.security(security), procedure)
    assert isinstance(reading.value, int)
    assert reading.value > 0
    assert str(reading.unit) == "Wh"


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_the_public_client_sees_little(scheme: str) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> bytes:
        with pytest.raises(RefusedError) as caught:
            await meter.read("1-0:1.8.0")
        assert caught.value.reason == DataAccessResult.OBJECT_UNDEFINED
        value = (await meter.read("0-0:42.0.0")).value
        assert isinstance(value, bytes)
        return value

    assert pair.run(NoSecurity(), procedure) == pair.fleet[0].logical_device_name


@pytest.mark.parametrize(("scheme", "security"), ALL)
@pytest.mark.parametrize("max_pdu", [128, 512, 0xFFFF])
def test_a_day_of_profile_in_blocks(scheme: str, security: str, max_pdu: int) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> Series:
        return await meter.profile("1-0:99.1.0", SINCE, UNTIL)

    series = pair.run(pair.security(security), procedure, max_pdu=max_pdu)
    assert len(series) == 96
    assert series.ends[0] == int(NOON) - 86400 + 900
    assert series.ends[-1] == int(NOON)
    assert [str(channel.name) for channel in series.channels] == [
        "1-0:1.8.0*255",
        "1-0:2.8.0*255",
        "1-0:3.8.0*255",
        "1-0:4.8.0*255",
    ]


@pytest.mark.parametrize(("scheme", "security"), ALL)
def test_lists_and_single_reads_agree(scheme: str, security: str) -> None:
    pair = Pair(scheme)
    names = ["1-0:1.8.1", "1-0:1.8.2", "0-0:96.14.0", "0-0:97.97.0", "0-0:1.2.3"]

    async def procedure(meter: Meter) -> tuple[list[Reading], list[Reading]]:
        first = await meter.read_many(names)  # one by one: nothing is known of the kind
        return first, await meter.read_many(names)

    first, second = pair.run(pair.security(security), procedure, max_pdu=256)
    assert [reading.name for reading in first] == [reading.name for reading in second]
    assert len(first) == 4  # the last name is of no object
    assert [str(reading.unit) for reading in first] == [str(reading.unit) for reading in second]


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_a_clock_is_set_and_read_back(scheme: str) -> None:
    pair = Pair(scheme)
    wanted = datetime.fromtimestamp(NOON + 3600, UTC)

    async def procedure(meter: Meter) -> datetime:
        await meter.set(Clock.time, "0-0:1.0.0", DateTime.from_datetime(wanted))
        return (await meter.get(Clock.time, "0-0:1.0.0")).to_datetime()

    back = pair.run(pair.security("gmac"), procedure)
    assert abs((back - wanted).total_seconds()) < 5


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_disconnect_and_reconnect(scheme: str) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> list[bool]:
        states = [await meter.get(DisconnectControl.output_state, "0-0:96.3.10")]
        await meter.act(DisconnectControl.remote_disconnect, "0-0:96.3.10", 0)
        states.append(await meter.get(DisconnectControl.output_state, "0-0:96.3.10"))
        return states

    assert pair.run(pair.security("gmac"), procedure) == [True, False]


def test_a_write_without_the_right_changes_nothing() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> object:
        with pytest.raises(RefusedError) as caught:
            await meter.set_data(1, "0-0:42.0.0", 2, octet_string(b"another name"))
        assert caught.value.reason == DataAccessResult.READ_WRITE_DENIED
        return (await meter.read("0-0:42.0.0")).value

    assert pair.run(pair.security("gmac"), procedure) == pair.fleet[0].logical_device_name


def test_a_service_that_was_not_negotiated_is_refused() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        with pytest.raises(RefusedError) as caught:
            await meter.set_data(8, "0-0:1.0.0", 2, octet_string(bytes(12)))
        assert caught.value.reason == ExceptionServiceError.SERVICE_NOT_SUPPORTED

    without = FULL_CONFORMANCE & ~int(Conformance.SET)
    pair.run(pair.security("gmac"), procedure, conformance=without)


def test_a_write_of_the_wrong_type_is_refused_by_name() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        with pytest.raises(RefusedError) as caught:
            await meter.set_data(8, "0-0:1.0.0", 2, (17, 3))
        assert caught.value.reason == DataAccessResult.TYPE_UNMATCHED

    pair.run(pair.security("gmac"), procedure)


@pytest.mark.parametrize("max_pdu", [100, 0xFFFF])
def test_browse_reads_every_attribute_or_says_why_not(max_pdu: int) -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> int:
        objects = await meter.browse()
        assert len(objects) > 30
        for each in objects:
            for attribute in each.attributes:
                assert attribute.data is not None or attribute.refused
        return sum(len(each.attributes) for each in objects)

    assert pair.run(pair.security("gmac"), procedure, max_pdu=max_pdu) > 100


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("trouble", ["loss", "damage", "duplication"])
def test_hdlc_brings_the_same_day_through_a_bad_line(trouble: str, seed: int) -> None:
    clean = Pair("tcp+hdlc")
    rough = Pair("tcp+hdlc", physics=Physics(**{trouble: 0.03}), seed=seed)

    async def procedure(meter: Meter) -> Series:
        return await meter.profile("1-0:99.1.0", SINCE, UNTIL)

    expected = clean.run(clean.security("gmac"), procedure, max_pdu=400)
    assert rough.run(rough.security("gmac"), procedure, max_pdu=400) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("security", ["password", "gmac"])
def test_copies_of_datagrams_disturb_no_opening(security: str, share: float, seed: int) -> None:
    pair = Pair("udp", physics=Physics(duplication=share), seed=seed)

    async def procedure(meter: Meter) -> list[int]:
        return [int(str((await meter.read("1-0:1.8.0*255")).value)) for _ in range(3)]

    values = pair.run(pair.security(security), procedure)
    assert 0 < values[0] <= values[1] <= values[2]


@pytest.mark.parametrize(("scheme", "security"), ALL)
def test_a_long_write_goes_in_blocks_and_is_answered_as_a_whole(scheme: str, security: str) -> None:
    pair = Pair(scheme)
    long = octet_string(bytes(range(256)) * 20)  # more than twice what the meter takes at once

    async def procedure(meter: Meter) -> object:
        assert 0 < meter.negotiated.max_send < 5120
        with pytest.raises(RefusedError) as caught:
            await meter.set_data(1, "0-0:42.0.0", 2, long)
        return caught.value.reason

    assert pair.run(pair.security(security), procedure) in (
        DataAccessResult.READ_WRITE_DENIED,
        DataAccessResult.OBJECT_UNDEFINED,
    )


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_a_long_action_goes_in_blocks(scheme: str) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> object:
        with pytest.raises(RefusedError) as caught:
            await meter.act_data(70, "0-0:96.3.10", 1, octet_string(bytes(5000)))
        assert await meter.get(DisconnectControl.output_state, "0-0:96.3.10") is True
        return caught.value.reason

    assert pair.run(pair.security("gmac"), procedure) == ActionResult.TYPE_UNMATCHED
