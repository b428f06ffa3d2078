"""The firmware that a meter runs: its version and signature, which an activated image replaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferraris.crypto.digests import sha256
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.model.data_storage import DataObject

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Firmware", "FirmwareSignature", "FirmwareVersion"]


@dataclass
class Firmware:
    """What was activated last; as the meter was made while `version` is empty."""

    version: str = ""
    signature: bytes = b""
    activated_at: int | None = None


class FirmwareVersion(Behaviour):
    """The version of the active firmware; `first` is that of a new meter."""

    declares = DataObject

    def __init__(self, name: str, first: str) -> None:
        super().__init__(name)
        self.first = first

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        return axdr.encode(octet_string(self.version(meter).encode("ascii")))

    def version(self, meter: SimulatedMeter) -> str:
        """What the meter runs."""
        active = meter.state.found(Firmware)
        return active.version if active is not None and active.version else self.first


class FirmwareSignature(Behaviour):
    """The signature of the active firmware; that of a new meter is a digest of its version."""

    declares = DataObject

    def __init__(self, name: str, first: str) -> None:
        super().__init__(name)
        self._first = sha256(first.encode("ascii"))

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 2."""
        active = meter.state.found(Firmware)
        signature = active.signature if active is not None and active.version else self._first
        return axdr.encode(octet_string(signature))
