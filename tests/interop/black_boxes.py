"""Clients that we did not write, run as black boxes, and what they got and sent."""

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
from own_mechanism import answering

import ferraris

HERE = Path(__file__).parent
NOON = 1_795_003_200
SPAN_S = 4 * 3600
GURUX, COSEM = "gurux_client.py", "cosem_client.py"
CLIENTS = {GURUX: "gurux_dlms", COSEM: "dlms_cosem"}
ADDRESSES = {"none": 16, "password": 2}
WISHES = {"registers": [[1, 0, 1, 8, 0], [1, 0, 2, 8, 0]], "until": NOON, "span": SPAN_S}
DIGESTS = {"own": 2, "md5": 3, "sha1": 4, "sha256": 6}
FORMS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "glo": ({"general": False}, {0xC8, 0xCC, 0xC9, 0xCD, 0xCB, 0xCF}),
    "general-glo": ({}, {0xDB, 0xCB, 0xCF}),
    "ded": (
        {"general": False, "dedicated": True},
        {0xD0, 0xD4, 0xD1, 0xD5, 0xD3, 0xD7, 0xCB, 0xCF},
    ),
    "general-ded": ({"dedicated": True}, {0xDC, 0xCB, 0xCF}),
}
"""What makes gurux-dlms use a form, and all tags then; it always proves itself by glo-action."""


@contextmanager
def running(scheme: str, **what: Any) -> Iterator[dict[str, Any]]:
    """A meter of that kind in a process of its own; its line of keys."""
    command = [sys.executable, str(HERE / "meter_runner.py"), f"{scheme}://127.0.0.1:0"]
    with subprocess.Popen(
        [*command, json.dumps(what)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def foreign(script: str, meter: dict[str, Any], way: str, **wishes: Any) -> dict[str, Any]:
    """What a client got that had to get it."""
    ran, found = attempt(script, meter, way, **wishes)
    assert ran.returncode == 0, ran.stderr
    return found


def failure(script: str, meter: dict[str, Any], way: str, **wishes: Any) -> dict[str, Any]:
    """How a client failed that had to fail: `error`, and `wire` until then."""
    ran, found = attempt(script, meter, way, **wishes)
    assert ran.returncode == 1, ran.stdout
    return found


def attempt(
    script: str, meter: dict[str, Any], way: str, **wishes: Any
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
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
        "ciphered": way in ("gmac", "ecdsa"),
        "way": way,
        "client": ADDRESSES.get(way, 1),
        "counter": 1,
        "registers": [],
        **wishes,
    }
    if given.get("dedicated"):
        given["dedicated"] = "0f" * (len(meter["encryption_key"]) // 2)
    ran = subprocess.run(
        [sys.executable, str(HERE / script), json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    printed = ran.stdout.splitlines()
    return ran, json.loads(printed[-1]) if printed else {}


def apdus(found: dict[str, Any], way: str) -> list[bytes]:
    """What was sent (">") or came ("<") in the wrapper, APDU by APDU."""
    octets = b"".join(bytes.fromhex(each[2:]) for each in found["wire"] if each[0] == way)
    divided = []
    while octets:
        length = int.from_bytes(octets[6:8], "big")
        divided.append(octets[8 : 8 + length])
        octets = octets[8 + length :]
    return divided


def tags(found: dict[str, Any]) -> set[int]:
    """First octets of all APDUs but those that open and close an association."""
    return {apdu[0] for way in "><" for apdu in apdus(found, way)} - {0x60, 0x61, 0x62, 0x63}


def reader(meter: dict[str, Any]) -> Any:
    """The meter's reading client, who tells its password or proves that it knows it."""
    secret = meter["password"].encode()
    if meter.get("mechanism", 5) == 5:
        return ferraris.Password(secret)
    way = {number: name for name, number in DIGESTS.items()}[meter["mechanism"]]
    own = answering(secret) if way == "own" else None
    return ferraris.HighDigest(secret, way, own, client=2, weak=True)


def ours(
    meter: dict[str, Any], *, short_names: bool = False
) -> tuple[dict[str, int], list[list[int]]]:
    """What our own client reads: registers and the last hours of the profile."""
    security = reader(meter)
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
