"""A port that locks after failed attempts: what a client with the right password gets to see."""

from __future__ import annotations

import pytest
from pairing import Pair

from ferraris.client.meter import Meter
from ferraris.client.security import NoSecurity, Password, Security
from ferraris.core.errors import Error, RefusedError
from ferraris.meter.behaviour.port_protection import PORT_PROTECTION, PortProtection, refuses

DISPLAY = "0-0:96.13.0"


async def _number(meter: Meter) -> object:
    return (await meter.read("0-0:42.0.0")).value


def _fail(pair: Pair, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Error):
            pair.run(Password(b"wrong"), _number)


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_after_too_many_failures_nobody_gets_in(scheme: str) -> None:
    pair = Pair(scheme)
    meter = pair.fleet[0]
    protection = meter.fleet.template.behaviours[PORT_PROTECTION]
    assert isinstance(protection, PortProtection)
    _fail(pair, 10)
    assert pair.run(pair.security("password"), _number) == meter.logical_device_name
    _fail(pair, 11)
    assert refuses(meter, int(pair.utc()))
    securities: tuple[Security, ...] = (
        pair.security("password"),
        pair.security("gmac"),
        NoSecurity(),
    )
    for security in securities:
        with pytest.raises(RefusedError, match="no-reason-given"):
            pair.run(security, _number)
    _fail(pair, 3)  # while it is locked nobody is asked for a password, so nothing is counted
    assert protection.value(meter, 9, 0)[-1] == 11
    pair.time.at(pair.time.now + 61, lambda: None)
    pair.time.run()
    assert pair.run(pair.security("password"), _number) == meter.logical_device_name
    assert protection.value(meter, 9, 0)[-1] == 0
