"""Links that only listen: any chunks give the same, noise costs nothing but itself."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ferraris.client.push_links import HdlcPushLink, MBusPushLink
from ferraris.core.errors import DecodeError, SequenceError
from ferraris.core.layer import Deliver, Failed, To
from ferraris.transport.addresses import Addresses
from ferraris.transport.hdlc.frame import Frame

LLC = b"\xe6\xe7\x00"
CLIENT, SERVER = b"\xcf", b"\x02\x23"  # client 103, server 1 on device 17
APDU = bytes(range(200))


def ui(information: bytes, segmented: bool = False) -> bytes:
    return Frame(CLIENT, SERVER, 0x13, information, segmented).to_octets()


SEGMENTS = ui((LLC + APDU)[:90], True) + ui((LLC + APDU)[90:])


def long_frame(information: int, part: bytes) -> bytes:
    content = bytes((0x53, 0xFF, information, 0x01, 0x67)) + part
    size = len(content)
    return bytes((0x68, size, size, 0x68)) + content + bytes((sum(content) & 0xFF, 0x16))


PARTS = long_frame(0x00, APDU[:150]) + long_frame(0x11, APDU[150:])
FOUND = To(Addresses(1, 103), APDU, confirmed=False)


def events(link: HdlcPushLink | MBusPushLink, *chunks: bytes) -> list[Any]:
    link.open(0.0)
    link.event()
    found = []
    for chunk in chunks:
        link.receive(chunk, 0.0)
        while (what := link.event()) is not None:
            if isinstance(what, Deliver | Failed):
                found.append(what)
    return found


@pytest.mark.parametrize(("make", "octets"), [(HdlcPushLink, SEGMENTS), (MBusPushLink, PARTS)])
def test_any_chunks_give_the_same(make: Any, octets: bytes):
    assert events(make(), octets) == [Deliver(FOUND)]
    assert events(make(), *(bytes((octet,)) for octet in octets)) == [Deliver(FOUND)]


@pytest.mark.parametrize(("make", "octets"), [(HdlcPushLink, SEGMENTS), (MBusPushLink, PARTS)])
def test_noise_is_reported_and_what_follows_is_found(make: Any, octets: bytes):
    noise = bytes(octet for octet in Random(4).randbytes(300) if octet not in {0x7E, 0x68})
    found = events(make(), noise, octets)
    assert [type(each) for each in found] == [Failed, Deliver]
    assert isinstance(found[0].error, DecodeError)


def test_a_frame_cut_short_is_given_up_in_time():
    link = HdlcPushLink(inter_octet_timeout_s=0.5)
    assert events(link, SEGMENTS[:50]) == []
    assert link.deadline == 0.5
    link.wake(0.6)
    what = link.event()
    while what is not None and not isinstance(what, Failed):
        what = link.event()
    assert isinstance(what, Failed)
    assert link.deadline is None


def test_units_without_llc_are_blocks_or_wrong():
    (failed,) = events(HdlcPushLink(), ui(b"\x0f\0\0"))
    assert isinstance(failed.error, DecodeError)
    (block,) = events(HdlcPushLink(), ui(b"\xe0rest"))
    assert block.unit.unit == b"\xe0rest"


def test_a_part_out_of_turn_ends_its_unit():
    frames = [long_frame(0x00, b"a"), long_frame(0x02, b"c"), long_frame(0x13, b"d")]
    found = events(MBusPushLink(), *frames)
    assert [type(each.error) for each in found] == [SequenceError, SequenceError]


def test_a_long_frame_that_carries_no_dlms_is_refused():
    (failed,) = events(MBusPushLink(), long_frame(0x72, b"data"))
    assert isinstance(failed.error, DecodeError)


def test_a_storm_of_start_octets_takes_linear_time():
    link = MBusPushLink()
    (failed,) = events(link, bytes((0x68, 0xFA, 0xFB)) * 60_000)
    assert "octets that are no sound frame" in failed.error.message
