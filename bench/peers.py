"""The same work by other packages in the same run: rows of a profile, ciphered GETs of a session.

The peers are gurux-dlms and dlms-cosem (`make setup-interop`); each is measured in a process of
its own, and left out with a note where it is not installed. Processor time, least of several
runs.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

ROWS = 1000
GETS = 1000

BUFFER = f"""
import struct, time
def clock(n):
    return bytes([7, 232, 3, 1 + n // 96 % 28, 255, n // 4 % 24, n % 4 * 15, 0, 255, 128, 0, 0])
parts = [b"\\x01\\x82" + struct.pack(">H", {ROWS})]
for n in range({ROWS}):
    parts.append(b"\\x02\\x06\\x09\\x0c" + clock(n) + b"\\x11\\x00")
    parts += [b"\\x06" + struct.pack(">I", 7 * n + k) for k in range(4)]
octets = b"".join(parts)
def least(work, loops):
    times = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(loops):
            work()
        times.append((time.process_time() - start) / loops)
    return min(times)
"""

OUR_ROWS = "from ferraris.data.layout import rows\nprint(least(lambda: rows(octets), 50))"
COSEM_ROWS = (
    "from dlms_cosem.utils import parse_as_dlms_data\n"
    "print(least(lambda: parse_as_dlms_data(octets), 2))"
)
GURUX_ROWS = """
from gurux_dlms import GXByteBuffer
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo
from gurux_dlms.GXDLMSSettings import GXDLMSSettings
settings = GXDLMSSettings(False, None)
print(least(lambda: _GXCommon.getData(settings, GXByteBuffer(octets), _GXDataInfo()), 1))
"""

METER = """
import asyncio, json, sys
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template
async def main():
    listening = await listen(Fleet(template("residential"), 1), parse_url("tcp://127.0.0.1:0"))
    print(json.dumps(listening.line(0)), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""

OUR_GETS = """
import json, sys, time
import ferraris
given = json.loads(sys.argv[1])
security = ferraris.HighGMAC(
    bytes.fromhex(given["encryption_key"]), bytes.fromhex(given["authentication_key"]),
    invocation_counter=given["counter"],
)
with ferraris.open(given["url"], security=security) as meter:
    meter.get_data(1, "0-0:42.0.0*255", 2)
    start = time.process_time()
    for _ in range(given["gets"]):
        meter.get_data(1, "0-0:42.0.0*255", 2)
    print((time.process_time() - start) / given["gets"])
"""
COSEM_GETS = """
import json, logging, sys, time
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from dlms_cosem import cosem, io, security, utils
from dlms_cosem.client import DlmsClient
from dlms_cosem.enumerations import CosemInterface
given = json.loads(sys.argv[1])
host, port = given["url"].removeprefix("tcp://").rsplit(":", 1)
client = DlmsClient(
    io.TcpTransport(1, given["server"], io.BlockingTcpIO(host, int(port))),
    security.HighLevelSecurityGmacAuthentication(challenge_length=32),
    encryption_key=bytes.fromhex(given["encryption_key"]),
    authentication_key=bytes.fromhex(given["authentication_key"]),
    client_system_title=b"BEN00001", client_initial_invocation_counter=given["counter"],
)
name = cosem.CosemAttribute(CosemInterface.DATA, cosem.Obis(0, 0, 42, 0, 0), 2)
with client.session() as session:
    start = time.process_time()
    for _ in range(given["gets"]):
        utils.parse_as_dlms_data(session.get(name))
    print((time.process_time() - start) / given["gets"])
"""
GURUX_GETS = """
import json, socket, sys, time
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSData
from gurux_dlms.secure import GXDLMSSecureClient
given = json.loads(sys.argv[1])
host, port = given["url"].removeprefix("tcp://").rsplit(":", 1)
client = GXDLMSSecureClient(
    True, 1, given["server"], Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER
)
client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
client.ciphering.systemTitle = b"BEN00002"
client.ciphering.blockCipherKey = bytes.fromhex(given["encryption_key"])
client.ciphering.authenticationKey = bytes.fromhex(given["authentication_key"])
client.ciphering.invocationCounter = given["counter"]
line = socket.create_connection((host, int(port)))
def exchange(requests):
    reply = GXReplyData()
    for request in requests if isinstance(requests, list) else [requests]:
        line.sendall(bytes(request))
        received, notify = GXByteBuffer(), GXReplyData()
        while not client.getData(received, reply, notify):
            received.set(line.recv(65536))
    return reply
client.parseAareResponse(exchange(client.aarqRequest()).data)
request = client.getApplicationAssociationRequest()
client.parseApplicationAssociationResponse(exchange(request).data)
name = GXDLMSData("0.0.42.0.0.255")
start = time.process_time()
for _ in range(given["gets"]):
    client.updateValue(name, 2, exchange(client.read(name, 2)).value)
print((time.process_time() - start) / given["gets"])
"""


def main() -> None:
    """Print our figure, the peers', and the ratios."""
    ours = run(BUFFER + OUR_ROWS)
    print(f"profile rows to tuples, {ROWS} rows: {ours / ROWS * 1e9:.0f} ns a row")
    ratio("dlms-cosem", "dlms_cosem", lambda: run(BUFFER + COSEM_ROWS) / ours, 30, 50)
    ratio("gurux-dlms", "gurux_dlms", lambda: run(BUFFER + GURUX_ROWS) / ours, 100, 150)
    command = [sys.executable, "-c", METER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as meter:
        assert meter.stdout is not None
        assert meter.stdin is not None
        keys = json.loads(meter.stdout.readline())
        mine = min(run(OUR_GETS, ask(keys, 1 + n * 10_000)) for n in range(3))
        print(f"ciphered GET in a session, client: {mine * 1e6:.1f} µs of processor time")
        counters = iter(range(50_001, 10**6, 10_000))
        ratio(
            "dlms-cosem",
            "dlms_cosem",
            lambda: min(run(COSEM_GETS, ask(keys, next(counters))) for _ in range(3)) / mine,
            2,
            3,
        )
        fewer = {"gets": GETS // 10}
        ratio(
            "gurux-dlms",
            "gurux_dlms",
            lambda: (
                min(run(GURUX_GETS, ask(keys, next(counters), **fewer)) for _ in range(3)) / mine
            ),
            30,
            30,
        )
        meter.stdin.close()


def ask(keys: dict[str, object], counter: int, **more: int) -> str:
    return json.dumps({**keys, "counter": counter, "gets": GETS, **more})


def ratio(name: str, module: str, measure: object, minimum: float, target: float) -> None:
    if importlib.util.find_spec(module) is None:
        print(f"  {name}: not installed (make setup-interop)")
        return
    found = measure()  # type: ignore[operator]
    print(f"  {name} takes {found:.1f} times as long (minimum {minimum:g}, target {target:g})")


def run(source: str, *arguments: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
