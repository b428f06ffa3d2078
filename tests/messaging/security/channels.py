"""Two ends of a protected association for tests, and their independent twins."""

from __future__ import annotations

from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
from independent import End, private, public

from ferraris.crypto.curves import PrivateKey
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.security import CipherKeys, CounterLease
from ferraris.messaging.dlms.security.control import BOTH, SIGNED
from ferraris.messaging.dlms.security.forms import Form, KeyPairs, KeySource, Shape

CLIENT, METER = b"CLI\x00\x00\x00\x00\x01", b"MTR\x00\x00\x00\x00\x02"
PLAIN = bytes.fromhex("C001C100080000010000FF0200")

SHAPES: dict[str, tuple[Shape, int, bool]] = {
    "glo": (Shape(), BOTH, False),
    "ded": (Shape(), BOTH, True),
    "general-glo": (Shape(Form.GENERAL), BOTH, False),
    "general-ded": (Shape(Form.GENERAL), BOTH, True),
    "identified": (Shape(Form.ENVELOPE), BOTH, False),
    "wrapped": (Shape(Form.ENVELOPE, KeySource.WRAPPED), BOTH, False),
    "one pass": (Shape(Form.ENVELOPE, KeySource.ONE_PASS), BOTH, False),
    "static unified": (Shape(Form.ENVELOPE, KeySource.STATIC), BOTH, False),
    "signed": (Shape(), SIGNED, False),
    "signed in general-glo": (Shape(Form.GENERAL), BOTH | SIGNED, False),
    "signed in general-ded": (Shape(Form.GENERAL), BOTH | SIGNED, True),
    "signed in an envelope": (Shape(Form.ENVELOPE), BOTH | SIGNED, False),
    "signed in one pass": (Shape(Form.ENVELOPE, KeySource.ONE_PASS), BOTH | SIGNED, False),
    "signed around glo": (Shape(signed_last=True), BOTH | SIGNED, False),
    "signed around an envelope": (
        Shape(Form.ENVELOPE, KeySource.WRAPPED, signed_last=True),
        BOTH | SIGNED,
        False,
    ),
}
"""Every form of protection: shape, bits, and whether a dedicated key is used."""


def forms(suites: tuple[int, ...] = (0, 1, 2)) -> list[tuple[int, str]]:
    """Suite and form, where the suite has it."""
    plain = ("glo", "ded", "general-glo", "general-ded", "identified", "wrapped")
    return [(suite, form) for suite in suites for form in SHAPES if suite or form in plain]


class Both:
    """A client's and a meter's channel, and whatever both know."""

    def __init__(self, suite: int, form: str, seed: int = 0) -> None:
        self.chance = Random(f"{suite} {form} {seed}")
        self.suite, self.form = suite, form
        self.shape, self.bits, self.is_dedicated = SHAPES[form]
        size = 32 if suite == 2 else 16
        draw = self.chance.randbytes
        self.ek, self.ak, self.gbek, self.kek, self.dedicated = (draw(size) for _ in range(5))
        curve = suite or 1
        octets = 48 if curve == 2 else 32
        self.scalars = [self.chance.randrange(1, 1 << (8 * octets - 8)) for _ in range(4)]
        self.own = [PrivateKey.from_octets(s.to_bytes(octets, "big")) for s in self.scalars]
        self.bare: list[ec.EllipticCurvePrivateKey] = [private(curve, s) for s in self.scalars]
        self.public = [public(curve, key) for key in self.bare]
        self.first = self.chance.randrange(1 << 31)
        self.client = self.channel(CLIENT, METER, 0)
        self.meter = self.channel(METER, CLIENT, 2)

    def keys(self) -> CipherKeys:
        return CipherKeys(self.suite, self.ek, self.ak, self.gbek)

    def pairs(self, own: int) -> KeyPairs:
        other = 2 - own
        return KeyPairs(
            self.own[own],
            self.own[own + 1],
            self.public[other],
            self.public[other + 1],
            self.kek,
        )

    def channel(self, title: bytes, peer: bytes, own: int, **changes: object) -> Channel:
        arguments: dict[str, object] = {
            "control": self.bits,
            "shape": self.shape,
            "peer_system_title": peer,
            "mirror": own == 2,
            "pairs": self.pairs(own),
            "entropy": self.chance.randbytes,
            **changes,
        }
        lease = CounterLease(self.first, self.first + 1000)
        keys = arguments.pop("keys", None) or self.keys()
        made = Channel(keys, title, lease, **arguments)  # type: ignore[arg-type]
        if self.is_dedicated:
            made.dedicate(self.dedicated, CounterLease(1, 1000))
        return made

    def twin(self, own: int) -> End:
        other = 2 - own
        title, peer = (CLIENT, METER) if own == 0 else (METER, CLIENT)
        return End(
            self.suite,
            self.ek,
            self.ak,
            title,
            peer,
            self.gbek,
            self.kek,
            self.dedicated,
            self.bare[own],
            self.bare[own + 1],
            self.public[other],
            self.public[other + 1],
        )
