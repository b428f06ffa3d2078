"""Sessions that are open at once: 20,000 of them, in two head-ends, with meters 100 ms away.

`python bench/sessions.py [SESSIONS]` lets half as many meters answer in each of two processes,
every answer a tenth of a second late, and two head-ends open associations with them, HLS 5 with
GMAC and ciphered. When all are open, all ask for a register at the same time, several times over;
then they are released. Printed are the most memory that the head-ends ever had, and how long the
answers took.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import AbstractAsyncContextManager

import ferraris.headend.service.building  # noqa: F401 - a head-end has all of it in memory
from ferraris.headend.collect import DlmsFace, DlmsMeters, Target
from ferraris.keys import MemoryKeys

try:
    from uvloop import run
except ImportError:
    run = asyncio.run  # type: ignore[assignment]

SESSIONS = 20_000
PROCESSES = 2
ROUNDS = 3
OPENING = 200  # at a time
REGISTER = "1-0:1.8.0*255"
LIMIT_MB = 1024
PATIENCE_S = 300.0

STREET = """
import asyncio, json, resource, sys
from ferraris.line.url import parse_url
from ferraris.meter.faults import lots
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template

async def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fleet = Fleet(template("residential"), int(sys.argv[1]), seed=int(sys.argv[2]))
    fleet.may_fail = True
    for meter in fleet:
        lots.begin(meter, "delay answers", 0, delay_s=0.1)
    listening = await listen(fleet, parse_url("tcp://127.0.0.1:0"))
    lines = []
    for place in range(len(fleet)):
        lines.append(listening.line(place) | {"url": listening.endpoint(place).url})
    print(json.dumps(lines), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

try:
    from uvloop import run
except ImportError:
    run = asyncio.run  # type: ignore[assignment]
run(main())
"""


def main() -> None:
    """Print memory and times of all head-ends together."""
    if sys.argv[1:2] == ["head-end"]:
        print(json.dumps(run(head_end(int(sys.argv[2]), int(sys.argv[3])))))
        return
    count = int(sys.argv[1]) if sys.argv[1:] else SESSIONS
    parts = [
        subprocess.Popen(
            [sys.executable, __file__, "head-end", str(count // PROCESSES), str(number + 1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    told = [json.loads(part.communicate()[0]) for part in parts]
    megabytes = sum(part["most_mb"] for part in told)
    opened = sum(part["open"] for part in told)
    least = max(min(part["answers_s"]) for part in told)
    print(
        f"{opened} sessions open at once in {PROCESSES} processes: {megabytes:.0f} MB"
        f" (limit {LIMIT_MB}), {sum(part['before_mb'] for part in told):.0f} MB before"
    )
    print(
        f"a register of all of them: {least:.1f} s, {sum(part['asking_s'] for part in told):.1f} s"
        f" of processor; opened with {sum(part['opening_s'] for part in told):.1f} s of processor;"
        f" load {os.getloadavg()[0]:.1f}"
    )


async def head_end(count: int, number: int) -> dict[str, object]:
    """Open sessions with so many meters, ask all of them at once, release; what it took."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    street = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STREET, str(count), str(number)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    assert street.stdin is not None
    assert street.stdout is not None
    keys, targets = MemoryKeys(), []
    for place, line in enumerate(json.loads(await street.stdout.readline())):
        for kind in ("encryption_key", "authentication_key"):
            keys.put(line["id"], kind, bytes.fromhex(line[kind]))
        targets.append(target_of(place, line))
    meters = DlmsMeters(keys, system_title=b"FRRBENCH", timeout_s=PATIENCE_S)
    meters.prepare(targets)
    before_mb, began_s = most_mb(), time.process_time()
    gate = asyncio.Semaphore(OPENING)

    async def open_one(meter: AbstractAsyncContextManager[DlmsFace]) -> DlmsFace:
        async with gate:
            return await meter.__aenter__()

    async def release_one(meter: AbstractAsyncContextManager[DlmsFace]) -> None:
        async with gate:
            await meter.__aexit__(None, None, None)

    opening = [meters.open(target) for target in targets]
    faces = await asyncio.gather(*map(open_one, opening))
    opened_s, answers_s = time.process_time(), []
    for _ in range(ROUNDS):
        asked = time.perf_counter()
        found = await asyncio.gather(*(face.read_registers([REGISTER]) for face in faces))
        answers_s.append(time.perf_counter() - asked)
        assert all(len(readings) == 1 for readings in found)
    asking_s = (time.process_time() - opened_s) / ROUNDS
    await asyncio.gather(*map(release_one, opening))
    street.stdin.close()
    await street.wait()
    return {
        "open": len(faces),
        "before_mb": before_mb,
        "most_mb": most_mb(),
        "opening_s": opened_s - began_s,
        "asking_s": asking_s,
        "answers_s": answers_s,
    }


def target_of(place: int, line: dict[str, str]) -> Target:
    """A meter as the collector knows it."""
    return Target(
        meter=place + 1,
        external_id=line["id"],
        address=line["url"],
        server=int(line["server"]),
        system_title=bytes.fromhex(line["system_title"]),
        alike=("residential",),
    )


def most_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
