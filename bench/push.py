"""Pushes decoded: `python bench/push.py`, with peers in the same run where they are installed.

A Nordic customer-port list (17 elements of name, value, scaler and unit) as a plain
data-notification, and the same authenticated and encrypted in general-glo-ciphering. Ours ends
with values that are named and scaled, with their units, and once more with readings, which add the
device and the instant. The peers end with nested lists of raw values, which is as far as they go;
ratios are to our values. Processor time, least of several rounds.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

from ferraris.client.push_receiving import PushReceiver  # noqa: F401 - found before the children
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import (
    array,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
    visible_string,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.general import GeneralGlo
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Sealer

ROUNDS, LOOPS = 7, 300
MINIMUM, TARGET = 10.0, 20.0
TITLE = b"FRR\x00\x00\x00\x00\x01"
KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(16, 32))
NOON = DateTime.of(2026, 3, 1, 7, 12, 0, 0, deviation=-60, status=0)
_POWERS = ("1.7.0", "2.7.0", "3.7.0", "4.7.0")

TIMING = f"""
import json, sys, time
given = json.loads(sys.stdin.read())
plain = bytes.fromhex(given["plain"])
sealed = [bytes.fromhex(each) for each in given["sealed"]]
key, auth_key = bytes.fromhex(given["key"]), bytes.fromhex(given["auth_key"])
title = bytes.fromhex(given["title"])
def least(work, loops={LOOPS}):
    times = []
    for _ in range({ROUNDS}):
        start = time.process_time()
        for _ in range(loops):
            work()
        times.append((time.process_time() - start) / loops)
    return min(times)
def told(*figures):
    print(json.dumps(figures))
"""
OURS = """
from ferraris.client.push_keys import PushKeys
from ferraris.client.push_receiving import PushReceiver
open_ear = PushReceiver()
wary_ear = PushReceiver({title: PushKeys(key, auth_key)})
coming = iter(sealed)
assert len(open_ear.take(plain, "meter")[0].readings) == 17
told(
    least(lambda: open_ear.take(plain, "meter")[0].values),
    least(lambda: wary_ear.take(next(coming), "meter")[0].values),
    least(lambda: open_ear.take(plain, "meter")[0].readings),
)
"""
COSEM = """
from dlms_cosem import security
from dlms_cosem.protocol.xdlms import DataNotification, GeneralGlobalCipher
from dlms_cosem.utils import parse_as_dlms_data
def open_plain(octets):
    return parse_as_dlms_data(DataNotification.from_bytes(octets).body)
def open_sealed(octets):
    glo = GeneralGlobalCipher.from_bytes(octets)
    return open_plain(security.decrypt(
        security_control=glo.security_control, system_title=glo.system_title,
        invocation_counter=glo.invocation_counter, key=key,
        cipher_text=glo.ciphered_text, auth_key=auth_key,
    ))
assert len(open_plain(plain)) == 17 == len(open_sealed(sealed[0]))
told(least(lambda: open_plain(plain), 20), least(lambda: open_sealed(sealed[0]), 20))
"""
GURUX = """
import contextlib, io
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.secure import GXDLMSSecureClient
import struct
def framed(apdu):
    return bytearray(struct.pack(">HHHH", 1, 1, 1, len(apdu)) + apdu)
client = GXDLMSSecureClient(True, 1, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
client.ciphering.security = Security.NONE
client.ciphering.blockCipherKey = bytearray(key)
client.ciphering.authenticationKey = bytearray(auth_key)
def open_any(octets):
    reply, notified = GXReplyData(), GXReplyData()
    with contextlib.redirect_stdout(io.StringIO()):
        client.getData(GXByteBuffer(framed(octets)), reply, notified)
    return notified.value
assert len(open_any(plain)) == 17 == len(open_any(sealed[0]))
told(least(lambda: open_any(plain), 5), least(lambda: open_any(sealed[0]), 5))
"""


def element(name: str, *rest: object) -> object:
    return structure(octet_string(Obis.parse(name)), *rest)  # type: ignore[arg-type] # Data


def scaled(name: str, value: object, scaler: int, unit: int) -> object:
    return element(name, value, structure(integer(scaler), enum(unit)))


def telegram() -> bytes:
    """The plain data-notification."""
    energies = (("1.8.0", 30), ("2.8.0", 30), ("3.8.0", 32), ("4.8.0", 32))
    elements = [
        element("1-1:0.2.129*255", visible_string("AIDON_V0001")),
        element("0-0:96.1.0*255", visible_string("7359992892587665")),
        element("0-0:96.1.7*255", visible_string("6525")),
        *(scaled(f"1-0:{n}*255", double_long_unsigned(280), 0, 27) for n in _POWERS),
        *(scaled(f"1-0:{c}.7.0*255", long_unsigned(13), -1, 33) for c in (31, 71)),
        *(scaled(f"1-0:{c}.7.0*255", long_unsigned(2276), -1, 35) for c in (32, 52, 72)),
        element("0-0:1.0.0*255", octet_string(NOON)),
        *(scaled(f"1-0:{n}*255", double_long_unsigned(227213), 1, u) for n, u in energies),
    ]
    body = axdr.encode(array(*elements))  # type: ignore[arg-type] # Data
    return DataNotification(0x40000000, bytes(NOON), body).to_octets()


def measured(script: str, given: str) -> list[float]:
    """Seconds for the plain and the ciphered push, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", TIMING + script],
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Our figures, the peers', the ratios."""
    plain = telegram()
    sealer = Sealer(CipherKeys(0, KEY, AUTHENTICATION_KEY), TITLE, CounterLease(1, 1 << 20))
    sealed = [
        GeneralGlo(TITLE, sealer.seal(plain, 0x30)).to_octets().hex() for _ in range(ROUNDS * LOOPS)
    ]
    given = json.dumps(
        {
            "plain": plain.hex(),
            "sealed": sealed,
            "key": KEY.hex(),
            "auth_key": AUTHENTICATION_KEY.hex(),
            "title": TITLE.hex(),
        }
    )
    ours = measured(OURS, given)
    ends = ("plain push to 17 values", "ciphered push to 17 values", "plain push to 17 readings")
    for name, figure in zip(ends, ours, strict=True):
        print(f"{name}, {len(plain)} octets: {figure * 1e6:.1f} µs")
    for name, module, script in (
        ("dlms-cosem", "dlms_cosem", COSEM),
        ("gurux-dlms", "gurux_dlms", GURUX),
    ):
        if importlib.util.find_spec(module) is None:
            print(f"  {name}: not installed (make setup-interop)")
            continue
        theirs = measured(script, given)
        shown = ", ".join(
            f"{kind} {figure / mine:.1f} times ({figure * 1e6:.0f} µs)"
            for kind, figure, mine in zip(("plain", "ciphered"), theirs, ours, strict=False)
        )
        print(f"  {name} takes {shown}; minimum {MINIMUM:g}, target {TARGET:g}")


if __name__ == "__main__":
    main()
