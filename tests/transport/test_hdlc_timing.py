"""Clocks from the speed of the line and the size of the frames."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ferraris.core.errors import UsageError
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.timing import Timing, frame_time_s
from ferraris.transport.profiles import HDLC_SERIAL, HdlcProfile

SPEEDS = (300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)
LARGE = Parameters(2030, 2030, 7, 7)


@pytest.mark.parametrize("baud", SPEEDS)
@pytest.mark.parametrize("parameters", [DEFAULT, LARGE])
def test_clocks_keep_their_order(baud: int, parameters: Parameters) -> None:
    timing = Timing.at(baud, parameters)
    assert timing.octet_s == pytest.approx(10 / baud)
    assert timing.inter_octet_timeout_s > 0.025 + 16 * timing.octet_s, "a full queue of a port"
    assert timing.inter_octet_timeout_s < timing.response_timeout_s
    assert timing.answer_within_s < timing.response_timeout_s
    longest = frame_time_s(timing.octet_s, parameters.max_receive)
    assert timing.inactivity_timeout_s >= 3 * (timing.response_timeout_s + longest)


def test_slow_lines_wait_longer() -> None:
    timings = [Timing.at(baud, LARGE) for baud in SPEEDS]
    for slow, fast in itertools.pairwise(timings):
        assert slow.octet_s > fast.octet_s
        assert slow.inter_octet_timeout_s > fast.inter_octet_timeout_s
        assert slow.poll_interval_s >= fast.poll_interval_s
        assert slow.inactivity_timeout_s >= fast.inactivity_timeout_s
    assert Timing.at(115_200).inactivity_timeout_s == 120.0
    assert Timing.at(300, LARGE).inactivity_timeout_s == pytest.approx(3 * (3 + 2 * 2046 / 30))


def test_no_speed() -> None:
    with pytest.raises(UsageError, match="0 baud"):
        HdlcProfile.at(0)


def test_profile_at_a_speed_and_overrides() -> None:
    profile = HdlcProfile.at(300, parameters=LARGE, address_length=4)
    assert profile.name == "hdlc at 300 baud"
    assert (profile.parameters, profile.address_length) == (LARGE, 4)
    assert profile.octet_s == pytest.approx(1 / 30)
    assert replace(profile, response_timeout_s=1.0).response_timeout_s == 1.0
    assert HDLC_SERIAL.octet_s == pytest.approx(10 / 9600)


def test_the_response_time_out_grows_with_what_was_agreed() -> None:
    layer = Primary(16, 1, parameters=LARGE, octet_s=1 / 30)
    layer.open(0.0)
    snrm = layer.transmit(0.0)
    assert isinstance(snrm, bytes)
    assert layer.transmit(1.0) is None
    assert layer.deadline == pytest.approx(1.0 + 3.0 + (128 + 16) / 30)
    layer.receive(Frame(b"\x21", b"\x03", 0x73, LARGE.to_octets()).to_octets(), 2.0)
    layer.send(b"ask", 2.0)
    assert layer.transmit(2.0) is not None
    assert layer.transmit(5.0) is None
    assert layer.deadline == pytest.approx(5.0 + 3.0 + (2030 + 16) / 30)
