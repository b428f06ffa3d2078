"""HDLC: frames out of a stream, by chunk size and check sequence; one exchange over a link.

Peers are gurux-dlms and dlms-cosem (`make setup-interop`), each in a process of its own; they get
one whole frame at a time and check it, as we do beside them.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from ferraris.core.layer import To
from ferraris.transport.addresses import Addresses
from ferraris.transport.hdlc import crc, deframer
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import Frame, parse
from ferraris.transport.profiles import HDLC, TCP, Profile

ROUNDS = 5

FRAME = Frame(b"\x21", b"\x03", 0x30, b"\xe6\xe7\x00" + bytes(125)).to_octets()
"""128 octets of information from a server."""

LEAST = f"""
import time
frame = bytes.fromhex("{FRAME.hex()}")
def least(work, loops):
    times = []
    for _ in range({ROUNDS}):
        start = time.process_time()
        for _ in range(loops):
            work()
        times.append((time.process_time() - start) / loops)
    return min(times) * 1e6
"""
PEERS = {
    "dlms_cosem": """
from dlms_cosem.hdlc.frames import InformationFrame
assert len(InformationFrame.from_bytes(frame).payload) == 128
print(least(lambda: InformationFrame.from_bytes(frame), 500))
""",
    "gurux_dlms": """
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.GXDLMS import GXDLMS
client = GXDLMSClient(True)
client.clientAddress, client.serverAddress = 16, 1
def work():
    client.settings.resetFrameSequence()
    buffer = GXByteBuffer(frame)
    assert GXDLMS.getHdlcData(False, client.settings, buffer, GXReplyData(), None) == 0x30
work()
print(least(work, 500))
""",
}


def best(work: Callable[[], object], units: int) -> float:
    """Microseconds of processor time for one unit, best of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / units * 1e6


def deframing(octets: int, chunk: int, frames: int = 5000) -> float:
    """Deframe and check `frames` frames with `octets` of information, in chunks."""
    stream = Frame(b"\x03", b"\x21", 0x10, bytes(octets)).to_octets() * frames
    chunks = [stream[start : start + chunk] for start in range(0, len(stream), chunk)]

    def work() -> None:
        reader = Deframer()
        found = 0
        for piece in chunks:
            found += len(reader.feed(piece, 0.0))
        assert found == frames

    return best(work, frames)


def one_by_one(frames: int = 5000) -> float:
    """The same with one chunk for each frame, taken apart: what the peers do."""
    chunks = [FRAME] * frames

    def work() -> None:
        reader = Deframer()
        for chunk in chunks:
            for content in reader.feed(chunk, 0.0):
                parse(content)

    return best(work, frames)


def peers() -> None:
    """Print our figure and those of the peers that are installed, with ratios."""
    ours = one_by_one()
    print(f"frame of 128 octets, found, checked, taken apart: {ours:.2f} us")
    for name, script in PEERS.items():
        if importlib.util.find_spec(name) is None:
            print(f"  {name}: not installed")
            continue
        command = [sys.executable, "-c", LEAST + script]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        theirs = float(done.stdout.split()[-1])
        print(f"  {name}: {theirs:.0f} us, {theirs / ours:.0f}x")


def exchanging(profile: Profile, octets: int, rounds: int = 2000) -> float:
    """Request and answer over both ends of a link, no line between."""
    client, server = profile.client_stack(1, 1), profile.server_stack()
    address = Addresses(1, 1)

    def deliveries(layer: Any) -> int:
        count = 0
        while (what := layer.event()) is not None:
            count += type(what).__name__ == "Deliver"
        return count

    def pump(now: float) -> bool:
        answered = False
        while True:
            out = client.transmit(now, True)
            if out is not None:
                server.receive(out, now)  # type: ignore[arg-type]
                if deliveries(server):
                    server.send(To(address, bytes(octets)), now)
            back = server.transmit(now)
            if back is not None:
                client.receive(back, now)  # type: ignore[arg-type]
                answered = bool(deliveries(client)) or answered
            if out is None and back is None:
                return answered

    server.open(0.0)
    client.open(0.0)
    pump(0.0)

    def work() -> None:
        for number in range(rounds):
            client.send(bytes(13), float(number))
            assert pump(float(number))

    return best(work, rounds)


def main() -> None:
    """Print the figures."""
    fastest = crc.sound
    for name, sound in (("stdlib", crc.portable_sound), ("chosen", fastest)):
        setattr(deframer, "sound", sound)  # noqa: B010
        for octets in (20, 128, 1024, 2030):
            row = "  ".join(f"{deframing(octets, chunk):6.2f}" for chunk in (16, 128, 1460, 65536))
            print(f"deframe {octets:5} octets, {name}: {row} us a frame (chunks 16 128 1460 64K)")
    setattr(deframer, "sound", fastest)  # noqa: B010
    content = Frame(b"\x03", b"\x21", 0x10, bytes(128)).to_octets()[1:-1]
    parsing = best(lambda: [parse(content) for _ in range(5000)], 5000)
    print(f"parse a frame of 128 octets: {parsing:.2f} us")
    peers()
    for profile in (TCP, HDLC):
        time_us = exchanging(profile, 100)
        print(f"exchange over {profile.name}, both ends: {time_us:.1f} us")


if __name__ == "__main__":
    main()
