"""Clients that we did not write read, and set the clock of, a simulated meter over TCP.

They run as black boxes in processes of their own; what they got is compared with the simulator's
truth and with our own client.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest
from black_boxes import CLIENTS, NOON, SPAN_S, WISHES, attempt, failure, foreign, ours, running

pytestmark = pytest.mark.services


@pytest.fixture(params=["tcp", "tcp+hdlc"])
def meter(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A meter on TCP with the wrapper or with HDLC."""
    with running(request.param) as line:
        yield line


@pytest.mark.parametrize("script", CLIENTS)
def test_public_client(script: str, meter: dict[str, Any]) -> None:
    found = foreign(script, meter, "none")
    assert bytes.fromhex(found["name"]).decode() == meter["id"]


@pytest.mark.parametrize("script", CLIENTS)
@pytest.mark.parametrize("way", ["password", "gmac"])
def test_registers_and_profile(script: str, way: str, meter: dict[str, Any]) -> None:
    found = foreign(script, meter, way, **WISHES)
    values, rows = ours(meter)
    assert {name: found[name] for name in values} == values
    assert found["rows"] == rows
    assert len(rows) == SPAN_S // 900


@pytest.mark.parametrize("frame", [64, 512, 1024, 2030])
@pytest.mark.parametrize("way", ["password", "gmac"])
def test_other_frame_sizes_are_negotiated(way: str, frame: int) -> None:
    """`gurux-dlms` proposes sizes in its SNRM; `dlms-cosem` never does. See docs/interop.md."""
    ask = {"maxInfoRX": frame, "maxInfoTX": frame, "windowSizeRX": 1, "windowSizeTX": 1}
    offer = {
        "max_transmit": 2030,
        "max_receive": 2030,
        "window_transmit": 7,
        "window_receive": 7,
    }
    with running("tcp+hdlc", link=offer) as meter:
        found = foreign("gurux_client.py", meter, way, link=ask, **WISHES)
        values, rows = ours(meter)
    assert {name: found[name] for name in values} == values
    assert found["rows"] == rows
    assert found["link"] == ask


@pytest.mark.parametrize("window", [3, 7])
def test_larger_windows_end_on_the_client_s_side(window: int) -> None:
    """It owes an RR after the frame with F, and waits for more frames instead."""
    ask = {"maxInfoRX": 128, "maxInfoTX": 128, "windowSizeRX": window, "windowSizeTX": window}
    offer = {"window_transmit": 7, "window_receive": 7}
    with running("tcp+hdlc", link=offer) as meter:
        wishes = {**WISHES, "span": 86400, "link": ask, "patience_s": 1}
        found = failure("gurux_client.py", meter, "password", **wishes)
    assert found["error"].startswith("TimeoutError")
    last = takewhile(lambda each: each[0] == "<", found["wire"][::-1])
    came = b"".join(bytes.fromhex(each[2:]) for each in [*last][::-1])
    controls = []  # the fifth octet after the flag, in frames that say how long they are
    while came:
        controls.append(came[5])
        came = came[2 + int.from_bytes(came[1:3], "big") % 0x800 :]
    # The last segment of the window has F (0x10) and gives the turn away.
    assert len(controls) == window
    assert [bool(control & 0x10) for control in controls] == [False] * (len(controls) - 1) + [True]
    first = controls[0] >> 1
    assert [control >> 1 & 7 for control in controls] == [
        (first + place) % 8 for place in range(len(controls))
    ]


@pytest.mark.parametrize("script", CLIENTS)
def test_clock_is_set_and_read_back(script: str, meter: dict[str, Any]) -> None:
    wanted = NOON + 7200
    found = foreign(script, meter, "gmac", clock=wanted)
    assert abs(found["clock"] - wanted) < 5


@pytest.mark.parametrize("script", CLIENTS)
@pytest.mark.parametrize("wrong", ["encryption_key", "authentication_key"])
def test_a_wrong_key_reads_nothing(script: str, wrong: str, meter: dict[str, Any]) -> None:
    ran, found = attempt(script, meter, "gmac", registers=[[1, 0, 1, 8, 0]], **{wrong: "00" * 16})
    assert ran.returncode == 1
    assert "Error" in ran.stderr or "Exception" in ran.stderr
    assert "1.0.1.8.0" not in found


@pytest.fixture(params=["tcp", "tcp+hdlc"])
def older_meter(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A meter whose objects go by short names."""
    with running(request.param, template="residential-sn") as line:
        yield line


def test_short_names_of_the_public_client(older_meter: dict[str, Any]) -> None:
    found = foreign("gurux_client.py", older_meter, "none", short=True)
    assert bytes.fromhex(found["name"]).decode() == older_meter["id"]


def test_registers_and_profile_by_short_name(older_meter: dict[str, Any]) -> None:
    """The profile comes in blocks; the clock is set by a WRITE."""
    found = foreign("gurux_client.py", older_meter, "password", short=True, **WISHES)
    values, rows = ours(older_meter, short_names=True)
    assert {name: found[name] for name in values} == values
    assert found["rows"] == rows
    assert len(rows) == SPAN_S // 900


def test_the_clock_is_set_by_short_name(older_meter: dict[str, Any]) -> None:
    wanted = NOON + 7200
    found = foreign("gurux_client.py", older_meter, "password", short=True, clock=wanted)
    assert abs(found["clock"] - wanted) < 5
