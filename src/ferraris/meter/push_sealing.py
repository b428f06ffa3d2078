"""Protection of pushes: all that a meter pushes draws on one range of counters."""

from __future__ import annotations

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.security.cipher_keys import SYSTEM_TITLE_OCTETS
from ferraris.messaging.dlms.security.control import SIGNED
from ferraris.messaging.dlms.security.envelopes import EnvelopeSealer
from ferraris.messaging.dlms.security.protection import Sealer
from ferraris.meter.simulated import SimulatedMeter
from ferraris.server import pushing

__all__ = ["Sealing"]

_CLIENT = 1


class Sealing:
    """Seals for every meter of a fleet, under the keys that the meter has at the moment.

    The counters of all forms come from one lease, since a receiver takes rising ones only.
    """

    def __init__(self) -> None:
        self._sealers: dict[int, tuple[bytes, Sealer]] = {}  # and the key it seals with

    def sealed(self, meter: SimulatedMeter, plain: bytes, control: int, recipient: bytes) -> bytes:
        """A push in general-glo-ciphering, or signed in general-signing and general-ciphering.

        `control` holds protection bits and `SIGNED`. Raises `UsageError` for a signature without
        a key or a recipient.
        """
        sealer = self._sealer(meter)
        control |= meter.keys.suite
        if not control & SIGNED:
            return pushing.protected(plain, sealer, control)
        signing = meter.pairs.signing
        if signing is None or len(recipient) != SYSTEM_TITLE_OCTETS:
            message = "a signed push needs a key for signatures and the title of its recipient"
            raise UsageError(message, where="push")
        envelopes = EnvelopeSealer(
            meter.keys,
            meter.system_title,
            recipient,
            sealer.lease,
            signing=signing,
            transaction_offset=meter.transaction_offset,
        )
        return envelopes.seal(plain, control)

    def _sealer(self, meter: SimulatedMeter) -> Sealer:
        keys = meter.keys
        used, sealer = self._sealers.get(meter.index, (b"", None))
        if sealer is None or not sealer.lease.left or used != keys.encryption_key:
            sealer = Sealer(keys, meter.system_title, meter.counter_lease(_CLIENT))
            self._sealers[meter.index] = (keys.encryption_key, sealer)
        return sealer
