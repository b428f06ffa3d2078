"""A small tree of authorities for the tests of certificates."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

from ferraris.crypto.authority import Authority
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.crypto.revocation import RevocationList

T0 = datetime(2026, 1, 1, tzinfo=UTC)
T1 = datetime(2027, 1, 1, tzinfo=UTC)
T9 = datetime(2046, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
TITLE = bytes.fromhex("4D4D4D0000BC614E")


def key(seed: int, curve: Curve = Curve.P256) -> PrivateKey:
    return PrivateKey.generate(curve, Random(seed).randbytes)


class Tree:
    """Root, authority below it, and one device."""

    def __init__(self, curve: Curve = Curve.P256, seed: int = 1) -> None:
        self.entropy = Random(seed).randbytes
        self.curve = curve
        self.root = Authority.root(
            key(seed + 100, curve), "Root", not_before=T0, not_after=T9, entropy=self.entropy
        )
        below = key(seed + 200, curve)
        certificate = self.root.below(
            below.public_key, "Sub", not_before=T0, not_after=T9, entropy=self.entropy
        )
        self.sub = Authority(certificate, below)
        self.device_key = key(seed + 300, curve)
        self.device = self.issue(Usage.SIGNING)

    def issue(self, usage: Usage, title: bytes = TITLE, by: Authority | None = None) -> Certificate:
        return (by or self.sub).issue(
            self.device_key.public_key,
            title,
            usage,
            not_before=T0,
            not_after=T1,
            entropy=self.entropy,
        )

    def revoked(self, *certificates: Certificate, by: Authority | None = None) -> RevocationList:
        return (by or self.sub).revocation_list(
            [(each.serial, NOW) for each in certificates],
            number=1,
            this_update=NOW,
            next_update=T1,
        )
