"""HDLC: frames out of a stream, by chunk size and check sequence; one exchange over a link."""

from __future__ import annotations

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
        deframer.sound = sound
        for octets in (20, 128, 1024, 2030):
            row = "  ".join(f"{deframing(octets, chunk):6.2f}" for chunk in (16, 128, 1460, 65536))
            print(f"deframe {octets:5} octets, {name}: {row} us a frame (chunks 16 128 1460 64K)")
    deframer.sound = fastest
    content = Frame(b"\x03", b"\x21", 0x10, bytes(128)).to_octets()[1:-1]
    parsing = best(lambda: [parse(content) for _ in range(5000)], 5000)
    print(f"parse a frame of 128 octets: {parsing:.2f} us")
    for profile in (TCP, HDLC):
        time_us = exchanging(profile, 100)
        print(f"exchange over {profile.name}, both ends: {time_us:.1f} us")


if __name__ == "__main__":
    main()
