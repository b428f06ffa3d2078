"""Our client reads a server that we did not write, as far as that server goes.

The one of `gurux-dlms` in Python answers plain GETs. It fails within itself at a profile by range,
and at the AARE of any ciphered association: both are held here with what went over the line.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from black_boxes import HERE

import ferraris

pytestmark = pytest.mark.services

KEYS = bytes(range(16)), bytes(range(16, 32))


class Told(NamedTuple):
    """What ended the session for us, what went over the line, and the server's own errors."""

    failure: ferraris.Error | None
    wire: list[str]
    errors: list[str]


def served(client: int, security: Any, read: Callable[[Any], None], **given: str) -> Told:
    """Read a server in a process of its own."""
    if importlib.util.find_spec("gurux_dlms") is None:
        pytest.skip("gurux_dlms is not installed (make setup-interop)")
    command = [sys.executable, str(HERE / "gurux_server.py")]
    with subprocess.Popen(
        [*command, json.dumps({"client": client, **given})], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = json.loads(next(line for line in process.stdout if line.startswith("{")))["port"]
        url = f"tcp://127.0.0.1:{port}"
        failure = None
        try:
            with ferraris.open(url, security=security, timeout_s=5) as meter:
                read(meter)
        except ferraris.Error as error:
            failure = error
        told = json.loads(process.stdout.read().splitlines()[-1])
    return Told(failure, told["wire"], told["errors"])


def test_plain_reads() -> None:
    def read(meter: Any) -> None:
        assert meter.read("0-0:42.0.0*255").value == b"GRX0000000000001"
        energy = meter.read("1-0:1.8.0*255")
        assert (energy.value, energy.unit.symbol) == (1_234_560, "Wh")

    failure, wire, errors = served(16, ferraris.NoSecurity(), read)
    assert (failure, errors) == (None, [])
    assert bytes.fromhex("c401c1000910") + b"GRX0000000000001" in bytes.fromhex(wire[3][2:])


def test_a_profile_by_range_is_beyond_the_server() -> None:
    def read(meter: Any) -> None:
        since, until = datetime(2026, 11, 18, 6, tzinfo=UTC), datetime(2026, 11, 18, 9, tzinfo=UTC)
        meter.profile("1-0:99.1.0*255", since, until)

    failure, wire, errors = served(16, ferraris.NoSecurity(), read)
    assert failure is not None
    assert "AttributeError: 'ValueEventArgs' object has no attribute 'getRowEndIndex'" in errors
    asked, answered = next(
        (bytes.fromhex(one[2:]), bytes.fromhex(other[2:]))
        for one, other in itertools.pairwise(wire)
        if "070100630100ff02" in one
    )
    # A hardware fault, under another invoke-id than that of the request.
    assert answered[8:] == bytes.fromhex("c401c10101")
    assert asked[10] != answered[10]


def test_ciphered_associations_are_beyond_the_server() -> None:
    """It fails while it writes its AARE and sends nothing that could be one."""
    security = ferraris.HighGMAC(*KEYS, invocation_counter=1)
    keys = {"encryption_key": KEYS[0].hex(), "authentication_key": KEYS[1].hex()}
    failure, wire, errors = served(1, security, lambda meter: None, **keys)
    assert isinstance(failure, ferraris.LineError)
    (aarq,) = wire
    assert bytes.fromhex("a109060760857405080103") in bytes.fromhex(aarq[2:])  # ciphered context
    assert bytes.fromhex("8b0760857405080205") in bytes.fromhex(aarq[2:])  # HLS 5
    missing = "GXByteBuffer.setUInt8() missing 1 required positional argument: 'item'"
    assert errors[0] == f"TypeError: {missing}"
