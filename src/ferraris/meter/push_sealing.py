"""Protection of pushes: all that a meter pushes draws on one range of counters."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.security.cipher_keys import SYSTEM_TITLE_OCTETS
from ferraris.messaging.dlms.security.control import SIGNED
from ferraris.messaging.dlms.security.envelopes import EnvelopeSealer
from ferraris.messaging.dlms.security.forms import KeySource
from ferraris.messaging.dlms.security.protection import Sealer
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server import pushing

__all__ = ["Sealing"]

_LEASE = 256


class Sealing:
    """Seals for every meter of a fleet, under the keys that the meter has at the moment.

    The counters of all forms come from one lease, since a receiver takes rising ones only; it is
    left behind when something else of the meter took higher ones.
    """

    def __init__(self) -> None:
        self._sealers: dict[int, _Kept] = {}

    def sealed(
        self,
        meter: SimulatedMeter,
        plain: bytes,
        control: int,
        recipient: bytes,
        source: KeySource = KeySource.IDENTIFIED,
    ) -> bytes:
        """A push in general-glo-ciphering, or in general-signing and general-ciphering.

        `control` holds protection bits and `SIGNED`, `source` says where the key comes from. Raises
        `UsageError` for an envelope without a key for it or a recipient.
        """
        sealer = self._sealer(meter)
        control |= meter.keys.suite
        if not control & SIGNED and source is KeySource.IDENTIFIED:
            return pushing.protected(plain, sealer, control)
        signing = meter.pairs.signing
        if control & SIGNED and signing is None:
            raise UsageError("a signed push needs a key for signatures", where="push")
        if len(recipient) != SYSTEM_TITLE_OCTETS:
            raise UsageError("an envelope needs the title of its recipient", where="push")
        envelopes = EnvelopeSealer(
            meter.keys,
            meter.system_title,
            recipient,
            sealer.lease,
            make_key=meter.pairs.maker(source, meter.entropy),
            signing=signing,
            transaction_offset=meter.transaction_offset,
        )
        return envelopes.seal(plain, control)

    def _sealer(self, meter: SimulatedMeter) -> Sealer:
        keys, kept = meter.keys, self._sealers.get(meter.index)
        if kept is None or not kept.serves(meter):
            sealer = Sealer(keys, meter.system_title, meter.data_counters(_LEASE))
            kept = _Kept(keys.encryption_key, meter.state.next_counter, sealer)
            self._sealers[meter.index] = kept
        return kept.sealer


class _Kept(NamedTuple):
    """A sealer, the key that it seals with, and the meter's next counter behind its lease."""

    key: bytes
    next_counter: int
    sealer: Sealer

    def serves(self, meter: SimulatedMeter) -> bool:
        is_last = meter.state.next_counter == self.next_counter
        return bool(self.sealer.lease.left and is_last and self.key == meter.keys.encryption_key)

    def __repr__(self) -> str:
        return "_Kept(…)"
