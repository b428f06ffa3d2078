"""The simulated modem, without a port."""

from __future__ import annotations

import pytest

from ferraris.meter.simulated_modem import SimulatedModem


def online(**options: object) -> SimulatedModem:
    modem = SimulatedModem(**options)  # type: ignore[arg-type]
    modem.heard(b"ATE0\r", 0.0)
    modem.heard(b"ATD123\r", 1.0)
    assert modem.online
    return modem


def test_commands_are_echoed_and_answered() -> None:
    modem = SimulatedModem()
    assert modem.heard(b"AT", 0.0) == (b"AT", b"")
    assert modem.heard(b"Z\r", 0.0) == (b"Z\r\r\nOK\r\n", b"")
    assert modem.heard(b"ate0v0\r", 0.0) == (b"ate0v0\r0\r", b"")
    assert modem.heard(b"hello\r\r", 0.0) == (b"4\r", b"")
    assert modem.heard(b"ATD 030\r", 0.0) == (b"1\r", b"")
    assert modem.dialled == [" 030"]


@pytest.mark.parametrize(("outcome", "said"), [("BUSY", b"7\r"), ("NO CARRIER", b"3\r")])
def test_no_connection(outcome: str, said: bytes) -> None:
    modem = SimulatedModem(outcome=outcome, words=False, echo=False)
    assert modem.heard(b"ATD1\r", 0.0) == (said, b"")
    assert not modem.online


def test_an_escape_sequence_needs_silence_on_both_sides() -> None:
    modem = online()
    assert modem.heard(b"data", 2.0) == (b"", b"data")
    assert modem.heard(b"+++", 2.1) == (b"", b"+++")  # no silence before
    assert modem.heard(b"+++", 3.0) == (b"", b"")
    assert modem.heard(b"more", 3.1) == (b"", b"+++more")  # none after
    assert modem.heard(b"+++", 4.0) == (b"", b"")
    assert modem.wake(4.1) == b""
    assert modem.deadline is not None
    assert modem.wake(modem.deadline) == b"\r\nOK\r\n"
    assert not modem.online


def test_carrier_and_dtr() -> None:
    modem = online()
    assert modem.lose_carrier() == b"\r\nNO CARRIER\r\n"
    assert modem.lose_carrier() == b""
    modem = online()
    modem.drop()
    assert not modem.online
    assert modem.heard(b"AT\r", 9.0) == (b"\r\nOK\r\n", b"")
