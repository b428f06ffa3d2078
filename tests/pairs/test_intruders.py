"""Wrong passwords, wrong keys and old octets on the wire, and what the meter tells of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pairing import Pair, watch

from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, Password, Security
from ferraris.core.errors import RefusedError
from ferraris.data.obis import Obis
from ferraris.meter.push_plan import PushPlan
from ferraris.model.data_storage import DataObject

FRAUD, ATTACKS = "0-0:99.98.1*255", "0-0:96.20.30*255"
ALARMS, DESCRIPTOR = "0-0:97.98.0*255", "0-0:97.98.20*255"
FAILED_LOGINS, WRONG_KEY, REPLAY = 46, 49, 50
FRAUD_BIT = 1 << 13
ALARM_SETUP = bytes(Obis.parse("0-4:25.9.0*255"))
SCHEMES = ("tcp", "udp", "tcp+hdlc")


async def look(meter: Meter) -> dict[str, Any]:
    """What a manager reads after an attack."""
    log = await meter.profile(FRAUD)
    return {
        "codes": [int(code) for code in log.columns[-1]],
        "times": list(log.ends),
        "attacks": (await meter.read(ATTACKS)).value,
        "alarms": (await meter.get_data(1, ALARMS, 2))[1],
        "descriptor": (await meter.get_data(1, DESCRIPTOR, 2))[1],
    }


def seen(pair: Pair) -> dict[str, Any]:
    pair.time.now += 30
    return pair.run(pair.security("gmac"), look)


async def energy(meter: Meter) -> object:
    return (await meter.read("1-0:1.8.0")).value


def gmac(pair: Pair) -> HighGMAC:
    security = pair.security("gmac")
    assert isinstance(security, HighGMAC)
    return security


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [("password", FAILED_LOGINS), ("encryption_key", WRONG_KEY), ("authentication_key", WRONG_KEY)],
)
def test_a_wrong_secret_is_an_event_a_count_and_an_alarm(
    wrong: str, code: int, scheme: str
) -> None:
    pair = Pair(scheme)
    assert seen(pair) == {"codes": [], "times": [], "attacks": 0, "alarms": 0, "descriptor": 0}
    for times in (1, 2):
        security: Security = Password(b"not the password")
        if wrong != "password":
            security = replace(gmac(pair), **{wrong: bytes(16)})  # type: ignore[arg-type]
        at = int(pair.utc())
        with pytest.raises(RefusedError):
            pair.run(security, energy)
        found = seen(pair)
        assert found["codes"] == [code] * times
        assert 0 <= found["times"][-1] - at <= 5
        assert found["attacks"] == times
        assert found["alarms"] == found["descriptor"] == FRAUD_BIT


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_an_old_request_is_an_event_and_changes_nothing(scheme: str) -> None:
    """A write is recorded on the wire, and comes once more when the value is another one."""
    pair, recorded = Pair(scheme), list[bytes]()
    message = "0-0:96.13.0*255"

    async def write(meter: Meter) -> None:
        assert pair.line is not None
        watch(pair.line.station, recorded.append)
        await meter.set(DataObject.value, message, (9, b"first"))
        await meter.set(DataObject.value, message, (9, b"second"))

    pair.run(pair.security("gmac"), write)

    async def attacked(meter: Meter) -> object:
        assert pair.line is not None
        pair.time.at(pair.time.now, lambda: pair.line.station.arrive(recorded[0]))  # type: ignore[union-attr]
        await pair.time.pause(2)
        return (await meter.get_data(1, message, 2))[1]

    assert pair.run(pair.security("gmac"), attacked) == b"second"
    found = seen(pair)
    assert found["codes"] == [REPLAY]
    assert (found["attacks"], found["alarms"]) == (1, FRAUD_BIT)


def test_a_client_clears_what_came_and_went_and_filters_what_it_will_not_hear_of() -> None:
    pair = Pair()

    async def clear(meter: Meter) -> None:
        for name in (ALARMS, DESCRIPTOR):
            await meter.set(DataObject.value, name, (6, 0))
        await meter.set(DataObject.value, "0-0:97.98.10*255", (6, 0xFFFFFFFF & ~FRAUD_BIT))

    with pytest.raises(RefusedError):
        pair.run(Password(b"wrong"), energy)
    pair.run(pair.security("gmac"), clear)
    assert seen(pair)["alarms"] == 0
    with pytest.raises(RefusedError):
        pair.run(Password(b"wrong"), energy)
    found = seen(pair)
    assert (found["alarms"], found["descriptor"]) == (FRAUD_BIT, 0)
    assert found["codes"] == [FAILED_LOGINS] * 2


def test_an_attack_on_the_wire_is_pushed_at_once_and_again_when_it_was_cleared() -> None:
    pair = Pair()
    plan, heard = PushPlan(pair.fleet, pair.utc()), list[bytes]()

    def pushed() -> list[bytes]:
        """The push set-ups whose turn it is."""
        pair.time.now += 60
        found = []
        for course in plan.wake(pair.utc()):
            found.append(course.setup.logical_name)
            heard.append(course.notification(pair.utc()))
            course.taken(pair.utc())
            plan.settle(course)
        return found

    def attack() -> None:
        with pytest.raises(RefusedError):
            pair.run(replace(gmac(pair), encryption_key=bytes(16)), energy)

    async def clear(meter: Meter) -> None:
        for name in (ALARMS, DESCRIPTOR):
            await meter.set(DataObject.value, name, (6, 0))

    assert pushed() == []
    attack()
    assert pushed() == [ALARM_SETUP]
    attack()
    assert pushed() == []
    pair.run(pair.security("gmac"), clear)
    assert pushed() == []
    attack()
    assert pushed() == [ALARM_SETUP]
    assert len(set(heard)) == 2
