"""Clients that we did not write read, and set the clock of, a simulated meter over TCP.

They run as black boxes in processes of their own; what they got is compared with the simulator's
truth and with our own client.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import ferraris

HERE = Path(__file__).parent
NOON = 1_795_003_200
SPAN_S = 4 * 3600
CLIENTS = {"gurux_client.py": "gurux_dlms", "cosem_client.py": "dlms_cosem"}
ADDRESSES = {"none": 16, "password": 2, "gmac": 1}

pytestmark = pytest.mark.services


@contextmanager
def running(scheme: str, template: str = "residential", **link: int) -> Iterator[dict[str, Any]]:
    """A meter in a process of its own, which offers `link` as HDLC parameters; its line of keys."""
    command = [sys.executable, str(HERE / "meter_runner.py"), f"{scheme}://127.0.0.1:0"]
    with subprocess.Popen(
        [*command, json.dumps(link), template],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


@pytest.fixture(params=["tcp", "tcp+hdlc"])
def meter(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A meter on TCP with the wrapper or with HDLC."""
    with running(request.param) as line:
        yield line


def foreign(script: str, meter: dict[str, Any], way: str, **wishes: Any) -> dict[str, Any]:
    if importlib.util.find_spec(CLIENTS[script]) is None:
        pytest.skip(f"{CLIENTS[script]} is not installed (make setup-interop)")
    scheme, place = meter["url"].split("://")
    host, port = place.rsplit(":", 1)
    given = {
        **meter,
        "host": host,
        "port": int(port),
        "hdlc": scheme == "tcp+hdlc",
        "short": False,
        "way": way,
        "client": ADDRESSES[way],
        "counter": 1,
        "registers": [],
        **wishes,
    }
    ran = subprocess.run(
        [sys.executable, str(HERE / script), json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def ours(
    meter: dict[str, Any], *, short_names: bool = False
) -> tuple[dict[str, int], list[list[int]]]:
    """What our own client reads: registers and the last hours of the profile."""
    security = ferraris.Password(meter["password"].encode())
    until = datetime.fromtimestamp(NOON, UTC)
    with ferraris.open(meter["url"], security=security, short_names=short_names) as own:
        names = ("1.0.1.8.0", "1.0.2.8.0")
        values = {name: own.read(name + ".255").value for name in names}
        series = own.profile("1-0:99.1.0", until - timedelta(seconds=SPAN_S), until)
    rows = [
        [end, status, *values_]
        for (end, *values_), status in zip(series.rows(), series.status, strict=True)
    ]
    return values, rows  # type: ignore[return-value] # registers are whole numbers


@pytest.mark.parametrize("script", CLIENTS)
def test_public_client(script: str, meter: dict[str, Any]) -> None:
    found = foreign(script, meter, "none")
    assert bytes.fromhex(found["name"]).decode() == meter["id"]


@pytest.mark.parametrize("script", CLIENTS)
@pytest.mark.parametrize("way", ["password", "gmac"])
def test_registers_and_profile(script: str, way: str, meter: dict[str, Any]) -> None:
    wishes = {"registers": [[1, 0, 1, 8, 0], [1, 0, 2, 8, 0]], "until": NOON, "span": SPAN_S}
    found = foreign(script, meter, way, **wishes)
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
    wishes = {"registers": [[1, 0, 1, 8, 0], [1, 0, 2, 8, 0]], "until": NOON, "span": SPAN_S}
    with running("tcp+hdlc", **offer) as meter:
        found = foreign("gurux_client.py", meter, way, link=ask, **wishes)
        values, rows = ours(meter)
    assert {name: found[name] for name in values} == values
    assert found["rows"] == rows
    assert found["link"] == ask


@pytest.mark.parametrize("script", CLIENTS)
def test_clock_is_set_and_read_back(script: str, meter: dict[str, Any]) -> None:
    wanted = NOON + 7200
    found = foreign(script, meter, "gmac", clock=wanted)
    assert abs(found["clock"] - wanted) < 5


@pytest.mark.parametrize("script", CLIENTS)
@pytest.mark.parametrize("wrong", ["encryption_key", "authentication_key"])
def test_a_wrong_key_reads_nothing(script: str, wrong: str, meter: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"Error|Exception"):
        foreign(script, meter, "gmac", registers=[[1, 0, 1, 8, 0]], **{wrong: "00" * 16})


@pytest.fixture(params=["tcp", "tcp+hdlc"])
def older_meter(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A meter whose objects go by short names."""
    with running(request.param, "residential-sn") as line:
        yield line


def test_short_names_of_the_public_client(older_meter: dict[str, Any]) -> None:
    found = foreign("gurux_client.py", older_meter, "none", short=True)
    assert bytes.fromhex(found["name"]).decode() == older_meter["id"]


def test_registers_and_profile_by_short_name(older_meter: dict[str, Any]) -> None:
    """The profile comes in blocks; the clock is set by a WRITE."""
    wishes = {"registers": [[1, 0, 1, 8, 0], [1, 0, 2, 8, 0]], "until": NOON, "span": SPAN_S}
    found = foreign("gurux_client.py", older_meter, "password", short=True, **wishes)
    values, rows = ours(older_meter, short_names=True)
    assert {name: found[name] for name in values} == values
    assert found["rows"] == rows
    assert len(rows) == SPAN_S // 900


def test_the_clock_is_set_by_short_name(older_meter: dict[str, Any]) -> None:
    wanted = NOON + 7200
    found = foreign("gurux_client.py", older_meter, "password", short=True, clock=wanted)
    assert abs(found["clock"] - wanted) < 5
