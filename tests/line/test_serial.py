"""HDLC over serial ports, on pseudo-terminals: both drivers, meters that serve, failing ports."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serial_station import serving

from ferraris.client.connecting import associate, client_stack
from ferraris.client.security import NoSecurity
from ferraris.core.errors import IncompatibleError, LineError, UsageError
from ferraris.core.layer import Deliver, LineSettings, Opened
from ferraris.core.stack import Plain
from ferraris.line import serial
from ferraris.line.blocking import run
from ferraris.line.port import PortSettings, port_settings
from ferraris.line.url import Endpoint
from ferraris.meter.cable import Cable

BAUD = "115200"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


def endpoint(path: str, **options: str) -> Endpoint:
    return Endpoint("serial", path, 0, {"baud": BAUD, "physical": "17"} | options)


def reader_stack(place: Endpoint) -> tuple[Any, Any]:
    return client_stack(place, 16, 1, NoSecurity())


def read_blocking(path: str, **options: str) -> object:
    place = endpoint(path, **options)
    stack, association = reader_stack(place)
    driver = serial.connect_blocking(place, stack)

    async def procedure() -> object:
        meter = await associate(driver, association)
        try:
            return (await meter.read("0-0:42.0.0*255")).value
        finally:
            await meter.close()

    return run(procedure())


async def read_asynchronous(path: str, **options: str) -> object:
    place = endpoint(path, **options)
    stack, association = reader_stack(place)
    driver = await serial.connect(place, stack)
    meter = await associate(driver, association)
    try:
        return (await meter.read("0-0:42.0.0*255")).value
    finally:
        await meter.close()


def test_both_twins_read_session_after_session(cable: Cable) -> None:
    with serving(endpoint(cable.meter)):
        first = read_blocking(cable.reader)
        assert first
        assert asyncio.run(read_asynchronous(cable.reader)) == first
        assert read_blocking(cable.reader) == first


def test_an_echo_of_everything_we_send_does_no_harm() -> None:
    cable = Cable(echo=True)
    try:
        with serving(endpoint(cable.meter)):
            assert read_blocking(cable.reader)
    finally:
        cable.unplug()


def test_direction_by_rts_where_the_port_has_none(cable: Cable) -> None:
    with serving(endpoint(cable.meter, rs485="1")):
        assert read_blocking(cable.reader, rs485="1")
        assert asyncio.run(read_asynchronous(cable.reader, rs485="1"))


@pytest.mark.parametrize("soft_parity", ["0", "1"])
def test_mode_e_session_after_session(cable: Cable, soft_parity: str) -> None:
    """Pseudo-terminals know 8 bits only, whatever they are told; both ways of parity pass."""
    options = {"mode": "e", "soft_parity": soft_parity}
    with serving(endpoint(cable.meter, **options)):
        first = read_blocking(cable.reader, **options)
        assert asyncio.run(read_asynchronous(cable.reader, **options)) == first
    spoken = b"".join(octets for end, octets in cable.carried if end == "meter")
    parity_bits = sum(octet >= 0x80 for octet in spoken[:10])
    assert bool(parity_bits) is (soft_parity == "1")


def test_mode_e_through_a_head_that_echoes() -> None:
    cable = Cable(echo=True)
    try:
        with serving(endpoint(cable.meter, mode="e")):
            assert read_blocking(cable.reader, mode="e")
    finally:
        cable.unplug()


def read_in_a_loop(path: str, **options: str) -> object:
    return asyncio.run(read_asynchronous(path, **options))


@pytest.mark.parametrize("twin", [read_blocking, read_in_a_loop])
def test_a_meter_of_mode_c_is_named(cable: Cable, twin: Callable[..., object]) -> None:
    def answer() -> None:
        with os.fdopen(os.open(cable.meter, os.O_RDWR | os.O_NOCTTY), "r+b", buffering=0) as port:
            heard = b""
            while not heard.endswith(b"!\r\n"):
                heard += port.read(1)
            port.write(b"/LGZ5ZMD3104107.B32\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(IncompatibleError, match=r"the meter LGZ ZMD3104107.* offers mode C only"):
        twin(cable.reader, mode="e")
    thread.join()


class Switching(Plain[bytes, bytes, bytes]):
    """Says hello, changes the speed, says more."""

    def open(self, now: float) -> None:
        self._units: list[bytes | LineSettings] = [b"slow", LineSettings(19200, 7, "E"), b"fast"]
        self._up.append(Opened())

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        return self._units.pop(0) if self._units else None

    def send(self, unit: bytes, now: float) -> None:
        self._units.append(unit)

    def receive(self, unit: bytes, now: float) -> None:
        self._up.append(Deliver(unit))


class Port:
    """Writes down what is done to a real port; what it is asked it does."""

    def __init__(self, port: Any, log: list[Any]) -> None:
        self._port, self._log = port, log

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in {"write", "flush", "reconfigure_port", "set_modem_pins"}:
            return found

        def noted(*arguments: Any, **named: Any) -> Any:
            self._log.append((name, *arguments, *named.items()))
            return found(*arguments, **named)

        return noted


EXPECTED = ["write", "flush", "reconfigure_port", "write", "flush"]


def test_settings_change_when_everything_before_has_left(cable: Cable) -> None:
    log: list[Any] = []
    driver = serial.connect_blocking(endpoint(cable.reader), Switching())
    connection: Any = driver._socket
    connection._port = Port(connection._port, log)
    run(driver.open())
    with pytest.raises(LineError, match="gone"):
        cable.unplug()
        run(driver.exchange(b"x"))
    driver.abort()
    assert [entry[0] for entry in log][:5] == EXPECTED
    assert log[2][1:] == (("baudrate", 19200), ("parity", "E"), ("byte_size", 7))
    assert connection._line == LineSettings(19200, 7, "E")


def test_the_same_with_a_loop(cable: Cable) -> None:
    log: list[Any] = []

    async def procedure() -> None:
        driver: Any = await serial.connect(endpoint(cable.reader), Switching())
        carrier = driver.carrier
        real = carrier._port
        carrier._port = Port(real, log)
        await driver.open()
        while len(log) < len(EXPECTED):
            await asyncio.sleep(0)
        driver.abort()
        await carrier.wait_closed()

    asyncio.run(procedure())
    assert [entry[0] for entry in log] == EXPECTED


@pytest.mark.parametrize("twin", ["blocking", "asynchronous"])
def test_an_unplugged_cable(cable: Cable, twin: str) -> None:
    def unplug() -> None:
        threading.Thread(target=cable.unplug).start()

    async def procedure() -> None:
        stack, association = reader_stack(endpoint(cable.reader))
        if twin == "blocking":
            driver: Any = serial.connect_blocking(endpoint(cable.reader), stack)
        else:
            driver = await serial.connect(endpoint(cable.reader), stack)
        unplug()
        try:
            await associate(driver, association)
        finally:
            driver.abort()

    with pytest.raises(LineError, match=r"is gone: is the cable unplugged\?"):
        run(procedure()) if twin == "blocking" else asyncio.run(procedure())


def attempts(path: str, **options: str) -> list[Callable[[], Any]]:
    place = endpoint(path, **options)
    return [
        lambda: serial.connect_blocking(place, Switching()),
        lambda: asyncio.run(serial.connect(place, Switching())),
        lambda: asyncio.run(serial.listen(place, Switching)),
    ]


def test_a_port_in_use(cable: Cable) -> None:
    driver = serial.connect_blocking(endpoint(cable.reader), Switching())
    for attempt in attempts(cable.reader):
        with pytest.raises(LineError, match="in use by another program"):
            attempt()
    driver.abort()


def test_no_such_port() -> None:
    for attempt in attempts("/dev/ttyNOWHERE0"):
        with pytest.raises(LineError, match="there is no port /dev/ttyNOWHERE0"):
            attempt()


def test_not_a_port(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for attempt in attempts(str(file)):
        with pytest.raises(LineError, match="is no serial port"):
            attempt()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_no_permission(cable: Cable, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise OSError(number, os.strerror(number))  # what the system says to those without rights

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        for attempt in attempts(cable.reader)[:1]:
            with pytest.raises(LineError, match="dialout"):
                attempt()


def test_without_the_package(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serialx", None)
    for attempt in attempts(cable.reader):
        with pytest.raises(UsageError, match=r"pip install 'ferraris\[serial\]'"):
            attempt()


def test_settings_of_a_url() -> None:
    options = {"baud": "2400", "bits": "7", "parity": "e", "stop": "2", "rs485": "1"}
    found = port_settings(Endpoint("serial", "/dev/ttyS0", 0, options))
    assert found == PortSettings("/dev/ttyS0", LineSettings(2400, 7, "E"), 2, direction=True)
    assert found.seconds(240, found.line) == pytest.approx(1.1)
    assert port_settings(Endpoint("serial", "COM3", 0)).line == LineSettings(9600)


@pytest.mark.parametrize(
    ("name", "value"),
    [("baud", "0"), ("baud", "fast"), ("bits", "9"), ("parity", "M"), ("stop", "3")],
)
def test_settings_that_no_line_has(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        port_settings(Endpoint("serial", "/dev/ttyS0", 0, {name: value}))
