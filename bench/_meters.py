"""The meters of the benchmarks of the head-end: a fleet that listens, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Meters", "meters_apart"]

LISTENING = """
import asyncio, json, resource, sys
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.templates import template

async def main():
    fleet = Fleet(template("residential"), int(sys.argv[1]), seed=1)
    listening = await listen(fleet, parse_url("tcp://127.0.0.1:0"))
    lines = []
    for place in range(len(fleet)):
        line = listening.line(place)
        line["url"] = listening.endpoint(place).url
        lines.append(line)
    key = bytes.fromhex(sys.argv[2])
    shipment = "".join(shipment_lines(fleet, lines, key)) if key else ""
    print(json.dumps([lines, shipment]), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), flush=True)

try:
    from uvloop import run
except ImportError:
    run = asyncio.run  # type: ignore[assignment]
run(main())
"""


class Meters:
    """The meters in their process: a line for each, and a shipment file where a key was given."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked, self._told = process.stdin, process.stdout
        self.lines: list[dict[str, Any]]
        self.shipment: str
        self.lines, self.shipment = json.loads(self._told.readline())

    def used(self) -> float:
        """Processor seconds of the meters."""
        print("used", file=self._asked, flush=True)
        return float(self._told.readline())

    def close(self) -> None:
        """Hang up."""
        self._asked.close()


@contextmanager
def meters_apart(count: int, transport_key: bytes = b"") -> Iterator[Meters]:
    """Meters that listen; their shipment file wraps keys under `transport_key`."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENING, str(count), transport_key.hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        made = Meters(process)
        yield made
        made.close()
