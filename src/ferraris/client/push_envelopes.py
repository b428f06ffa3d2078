"""Pushes in general-ciphering and general-signing: whom they name, and what policy asks of them."""

from __future__ import annotations

from typing import NamedTuple

from ferraris.client.push_keys import PushKeys
from ferraris.core.errors import DecodeError, SecurityError
from ferraris.messaging.dlms.general import decode_general_ciphering, decode_general_signing
from ferraris.messaging.dlms.security.cipher_keys import SYSTEM_TITLE_OCTETS
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, KEY_SET, SIGNED
from ferraris.messaging.dlms.security.envelopes import EnvelopeOpener
from ferraris.messaging.dlms.security.protection import Opened, Opener
from ferraris.messaging.dlms.tags import ApduTag

__all__ = ["Envelope", "receipt_control"]

_WHERE = "push"
_SIGNING_SUITE = 1  # the first one with signatures [facts-g]


class Envelope(NamedTuple):
    """An envelope before it is opened: what it claims proves nothing yet.

    `control` holds the suite and protection bits, of a signed one `SIGNED`.
    """

    octets: bytes
    title: bytes
    control: int

    @classmethod
    def of(cls, octets: bytes) -> Envelope:
        """Look at an envelope from its tag on; `DecodeError`."""
        if octets[0] == ApduTag.GENERAL_SIGNING:
            title = decode_general_signing(octets).originator_system_title
            control = SIGNED | _SIGNING_SUITE
        else:
            message = decode_general_ciphering(octets)
            title = message.originator_system_title
            if not message.content:
                raise DecodeError("general-ciphering without content", where=_WHERE)
            control = message.content[0]
        if title and len(title) != SYSTEM_TITLE_OCTETS:
            message_ = f"a system title has 8 octets, not {len(title)}"
            raise DecodeError(message_, where=_WHERE, octets=title)
        return cls(octets, title, control)

    def opened(self, envelopes: EnvelopeOpener, opener: Opener, keys: PushKeys) -> Opened:
        """What is inside, under the policy of `keys`; raises as `EnvelopeOpener.open` does.

        A signature takes the place of a tag. What nothing proves raises no floor, or a forger could
        shut out the meter.
        """
        if self.control & AUTHENTICATION and keys.authentication_key is None:
            message = "tags in general-ciphering need the authentication key"
            raise SecurityError(message, where=_WHERE)
        before = envelopes.transaction_floor
        if self.control & SIGNED:
            opener.minimum = keys.minimum & ~AUTHENTICATION
        try:
            opened = envelopes.open(self.octets)
        finally:
            if self.control & SIGNED:
                opener.minimum = keys.minimum
        if not opened.control & (AUTHENTICATION | SIGNED):
            envelopes.transaction_floor = before
        return opened


def receipt_control(control: int) -> int:
    """How the receipt of a push is protected: as the push, and with a tag where that was signed."""
    control &= ~KEY_SET
    if not control & SIGNED:
        return control
    protection = control & BOTH
    suite_and_more = control & ~SIGNED
    return suite_and_more if protection else AUTHENTICATION | _SIGNING_SUITE
