"""Households on real sockets, most of them sound; the others are dead or have a bad line."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ferraris.line.url import Endpoint
from ferraris.meter.faults import lots
from ferraris.meter.fleet import Fleet, KeysLine
from ferraris.meter.serving import Listening, listen
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template

__all__ = ["MODEL", "Neighbourhood"]

MODEL = "residential"
_ANOTHER_SEED = 1_000_003
_MOST_TROUBLED = 60
_BAD_LINE = 0.4
"""Share of the answers before which a bad line is cut."""


@dataclass(slots=True)
class _Street:
    fleet: Fleet
    listening: Listening


class Neighbourhood:
    """`meters` households; about three in a hundred are troubled, at least two of twenty.

    The first half of the troubled are dead, the others have a bad line, until they are `mended`.
    The same seed makes the same households; their keys are new each time.
    """

    def __init__(self, meters: int, seed: int, utc: Callable[[], float]) -> None:
        troubled = 0 if meters < 5 else min(_MOST_TROUBLED, max(2, meters // 30))
        self._utc = utc
        self.fleets = [Fleet(template(MODEL), meters - troubled, seed, secret=_entropy())]
        if troubled:
            bad = Fleet(template(MODEL), troubled, seed + _ANOTHER_SEED, secret=_entropy())
            bad.may_fail = True
            self.fleets.append(bad)
        self._streets: list[_Street] = []

    async def open(self) -> None:
        """Let all of them listen on loopback."""
        for fleet in self.fleets:
            endpoint = Endpoint("tcp", "127.0.0.1", 0)
            self._streets.append(_Street(fleet, await listen(fleet, endpoint, utc=self._utc)))

    async def close(self) -> None:
        """Hang up."""
        for street in self._streets:
            await street.listening.close()

    @property
    def dead(self) -> Sequence[SimulatedMeter]:
        """Those that are silent."""
        bad = self._troubled()
        return bad[: (len(bad) + 1) // 2]

    @property
    def flaky(self) -> Sequence[SimulatedMeter]:
        """Those whose line is cut again and again."""
        return self._troubled()[len(self.dead) :]

    def trouble(self, at_s: float) -> None:
        """From now on they are troubled."""
        for meter in self.dead:
            lots.begin(meter, "dead meter", int(at_s))
        for meter in self.flaky:
            lots.begin(meter, "cut before answer", int(at_s), share=_BAD_LINE)

    def mend(self, meters: Sequence[SimulatedMeter], at_s: float) -> None:
        """From now on these are well."""
        for meter in meters:
            for name in ("dead meter", "cut before answer"):
                lots.end(meter, name, int(at_s))

    def shipment(self, transport_key: bytes) -> str:
        """The file of the maker, keys wrapped; who is troubled lives among the others."""
        columns, *lines = self._shipped(self._streets[0], transport_key)
        troubled = [
            line
            for street in self._streets[1:]
            for line in self._shipped(street, transport_key)[1:]
        ]
        apart = len(lines) // (len(troubled) + 1) + 1
        for place, line in enumerate(troubled):
            lines.insert((place + 1) * apart, line)
        return "".join([columns, *lines])

    @staticmethod
    def _shipped(street: _Street, transport_key: bytes) -> list[str]:
        return list(shipment_lines(street.fleet, _lines(street), transport_key, model=MODEL))

    def lines(self) -> Iterator[KeysLine]:
        """Every meter as a client needs it."""
        for street in self._streets:
            yield from _lines(street)

    def names(self, meters: Sequence[SimulatedMeter]) -> list[str]:
        """Their external ids."""
        return [meter.logical_device_name.decode("ascii") for meter in meters]

    def _troubled(self) -> list[SimulatedMeter]:
        return list(self.fleets[1]) if len(self.fleets) > 1 else []


def _lines(street: _Street) -> Iterator[KeysLine]:
    for place in range(len(street.fleet)):
        line = street.listening.line(place)
        line["url"] = street.listening.endpoint(place).url
        yield line


def _entropy() -> bytes:
    return secrets.token_bytes(32)
