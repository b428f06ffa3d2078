"""A bad line whose ends have speeds: what is sent at one speed is garbage at another."""

from __future__ import annotations

from random import Random
from typing import Any

from bad_line import Line, Physics

from ferraris.core.layer import Closed, LineSettings

__all__ = ["SpeedLine"]

_EVEN = bytes(octet ^ (octet.bit_count() & 1) << 7 for octet in range(128)) * 2


class SpeedLine(Line):
    """Ends begin at 9600 8N1. A port with 7 bits adds and takes away the parity, as real ones do.

    `echo`: what the client sends comes back to it first. `settings` are those of each end, and
    `history` is all that they gave. A server that has closed is opened again when its last octets
    have left, as by a station on a serial line.
    """

    def __init__(
        self, client: Any, server: Any, physics: Physics, seed: int = 0, *, echo: bool = False
    ) -> None:
        super().__init__(client, server, physics, seed)
        self.settings = {"client": LineSettings(9600), "server": LineSettings(9600)}
        self.history: list[tuple[str, object]] = []
        self.echo = echo

    def drain(self, name: str) -> None:
        super().drain(name)
        if name == "server" and Closed in map(type, self.events[name]) and self._is_free(name):
            self.events[name].clear()
            self.ends[name].open(self.now)
            super().drain(name)

    def _is_free(self, name: str) -> bool:
        return self.now >= self._free_at[name]

    def _carry(self, name: str, unit: Any) -> None:
        self.history.append((name, unit))
        if isinstance(unit, LineSettings):
            self.settings[name] = unit
            return
        line = self.settings[name]
        bits = 2 + line.data_bits + (line.parity != "N")
        self._free_at[name] = self.now + len(unit) * bits / line.baud
        self._plan(self._free_at[name], lambda: self.drain(name))
        self.units += 1
        wire = unit.translate(_EVEN) if line.parity == "E" else unit
        if self.echo and name == "client":
            self._plan(self._free_at[name], lambda: self._hear(name, wire, line))
        peer = "server" if name == "client" else "client"
        for copy in self._arriving(wire):
            when = self._free_at[name] + self.physics.latency_s
            self._plan(when, lambda copy=copy: self._hear(peer, copy, line))  # type: ignore[misc]

    def _arriving(self, octets: bytes) -> list[bytes]:
        physics, chance = self.physics, self._chance
        if self.dead or chance.random() < physics.loss:
            return []
        changed = bytearray(octets)
        if chance.random() < physics.damage:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        if chance.random() < physics.cut:
            del changed[chance.randrange(len(changed)) :]
        if chance.random() < physics.noise:
            changed[:0] = chance.randbytes(chance.randrange(1, 20))
        return [bytes(changed)] * (1 + (chance.random() < physics.duplication))

    def _hear(self, name: str, octets: bytes, sender: LineSettings) -> None:
        own = self.settings[name]
        if sender.baud != own.baud:
            octets = Random(len(octets)).randbytes(max(1, len(octets) * own.baud // sender.baud))
        elif own.data_bits == 7:
            octets = bytes(octet & 0x7F for octet in octets)
        self._arrive(name, octets)
