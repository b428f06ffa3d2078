"""What signatures and agreed keys cost: sessions of both ends against the bare calls they need.

A plain session proves itself by GMAC and names the global key. The others do the same work and
prove themselves by ECDSA (HLS 7), or agree on a key for every message: C(1e,1s) or C(0e,2s). Their
signing, verifying, agreeing, deriving and setting up of keys, and the loading of what came over the
line, is done by bare calls of the `cryptography` library in the same run, in alternation with the
sessions: each step of them after other work, as in a session, where no table is in the cache any
more. The excess is what a session costs above the plain one of its form, as a multiple of those
calls; of agreed keys it is also told above a plain session without envelopes.

C(0e,2s) is told twice: with an agreement for each message at each end, and with one at each end,
since the secret of two static keys is always the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ferraris.client.security import HighECDSA, HighGMAC
from ferraris.core.layer import Closed, Deliver, Failed, Layer, Opened
from ferraris.core.stack import over
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.get import GetRequestNormal, GetResponseNormal
from ferraris.messaging.dlms.invoke import service_class
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP

GETS = 4
ROUNDS = 30
LIMIT = 1.15
PLAIN, ENVELOPES = "plain", "plain, in envelopes"
NAME = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
TRIES = 3
MESSAGES = 2 * (GETS + 1)
"""Enveloped APDUs of a session: the proofs and the GETs; what opens and releases it is not."""


class Kind(NamedTuple):
    """One kind of session, what it is above, and the calls that its ends cannot do without."""

    name: str
    security: HighGMAC
    above: str
    bare: Callable[[], Iterator[None]] | None = None


def main() -> None:
    """Print microseconds of processor time a session, least of many, and the excess."""
    for suite in (1, 2):
        fleet = Fleet(template("residential", suite=suite), 1, secret=os.urandom(32))
        kinds = sessions(fleet, Calls(suite))
        times: dict[str, list[float]] = {kind.name: [] for kind in kinds}
        bare: dict[str, list[float]] = {kind.name: [] for kind in kinds}
        counters = iter(range(1, 1 << 31, 100))
        between = partial(plain_session, fleet, kinds[0].security, counters)
        for _ in range(ROUNDS):
            for kind in kinds:
                tries = (session(fleet, kind.security, next(counters)) for _ in range(TRIES))
                times[kind.name].append(min(tries))
                if kind.bare is not None:
                    bare[kind.name].append(spent(kind.bare(), between))
        took = {name: min(each) for name, each in times.items()}
        for kind in kinds:
            tell(suite, kind, took, bare[kind.name])


def tell(suite: int, kind: Kind, took: dict[str, float], bare: list[float]) -> None:
    line = f"suite {suite}, {kind.name:18} {took[kind.name]:6.0f} µs"
    if bare:
        needs = min(bare)
        excess = (took[kind.name] - took[kind.above]) / needs
        line += f"; bare calls {needs:6.0f} µs; excess {excess:.2f}   (at most {LIMIT})"
        if kind.above != PLAIN:
            line += f"; above {PLAIN} {(took[kind.name] - took[PLAIN]) / needs:.2f}"
    print(line)


def sessions(fleet: Fleet, calls: Calls) -> list[Kind]:
    """Every kind; those without calls are what the others are above."""
    line = fleet.line(0, "")
    keys = bytes.fromhex(line["encryption_key"]), bytes.fromhex(line["authentication_key"])
    suite = int(fleet.template.suite)
    signed = HighECDSA(*keys, suite=suite, pairs=fleet.client_pairs(0))
    gmac = HighGMAC(*keys, suite=suite, pairs=fleet.client_pairs(0), client=3)
    named = replace(gmac, form="envelope")
    one_pass = replace(named, message_key="one-pass")
    static = replace(named, message_key="static")
    return [
        Kind(PLAIN, gmac, ""),
        Kind(ENVELOPES, named, ""),
        Kind("HLS 7", signed, PLAIN, calls.proofs),
        Kind("C(1e,1s)", one_pass, ENVELOPES, calls.one_pass),
        Kind("C(0e,2s)", static, ENVELOPES, lambda: calls.static(MESSAGES)),
        Kind("C(0e,2s), once", static, ENVELOPES, lambda: calls.static(1)),
    ]


class Calls:
    """The bare calls, on keys of their own."""

    def __init__(self, suite: int) -> None:
        self.curve: ec.EllipticCurve = ec.SECP256R1() if suite == 1 else ec.SECP384R1()
        self.hashed = hashes.SHA256() if suite == 1 else hashes.SHA384()
        self.algorithm = ec.ECDSA(self.hashed, deterministic_signing=True)
        self.size = self.curve.key_size // 8
        self.order = self.curve.group_order - 1
        self.keys = [ec.generate_private_key(self.curve) for _ in range(2)]
        self.publics = [key.public_key() for key in self.keys]

    def proofs(self) -> Iterator[None]:
        """Each end signs once and verifies once."""
        for own in (0, 1):
            signature = self.sign(own, bytes(80))
            yield
            self.verify(own, signature, bytes(80))
            yield

    def one_pass(self) -> Iterator[None]:
        """For each message: an ephemeral key, which is signed, and the secret at both ends."""
        for message in range(MESSAGES):
            own, peer = message % 2, 1 - message % 2
            scalar = int.from_bytes(os.urandom(self.size + 8), "big") % self.order
            ephemeral = ec.derive_private_key(scalar + 1, self.curve)
            numbers = ephemeral.public_key().public_numbers()
            point = b"".join(each.to_bytes(self.size, "big") for each in (numbers.x, numbers.y))
            signature = self.sign(own, point)
            self.cipher(ephemeral.exchange(ec.ECDH(), self.publics[peer]))
            yield
            self.verify(own, signature, point)
            loaded = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, b"\x04" + point)
            self.cipher(self.keys[peer].exchange(ec.ECDH(), loaded))
            yield

    def static(self, times: int) -> Iterator[None]:
        """The secret of the two static keys, so many times, and a key of it for each message."""
        secret = b""
        for own in (0, 1):
            for message in range(MESSAGES):
                if message < times:
                    secret = self.keys[own].exchange(ec.ECDH(), self.publics[1 - own])
                self.cipher(secret)
                yield

    def cipher(self, secret: bytes) -> AESGCM:
        digest = hashes.Hash(self.hashed)
        digest.update(bytes(4) + secret + bytes(32))
        return AESGCM(digest.finalize()[: 16 if self.size == 32 else 32])

    def sign(self, own: int, octets: bytes) -> bytes:
        r, s = decode_dss_signature(self.keys[own].sign(octets, self.algorithm))
        return r.to_bytes(self.size, "big") + s.to_bytes(self.size, "big")

    def verify(self, own: int, signature: bytes, octets: bytes) -> None:
        r, s = (
            int.from_bytes(half, "big") for half in (signature[: self.size], signature[self.size :])
        )
        self.publics[own].verify(encode_dss_signature(r, s), octets, self.algorithm)


def session(fleet: Fleet, security: HighGMAC, counter: int) -> float:
    """Associate, read, release through two whole stacks; microseconds of both ends."""
    begin = time.thread_time_ns()
    parameters = replace(security, invocation_counter=counter).parameters(os.urandom)
    association = ClientAssociation(parameters)
    active = over(association, TCP.client_stack(security.client, 1))
    passive = server_stack(TCP, fleet.find, entropy=os.urandom, utc=lambda: 1_795_003_200.0)
    passive.open(0.0)
    active.open(0.0)
    left = GETS
    for event in exchanged(active, passive):
        if isinstance(event, Deliver):
            assert isinstance(event.unit, GetResponseNormal)
            left -= 1
        else:
            assert isinstance(event, Opened), event
        if left:
            active.send(GetRequestNormal(service_class(), NAME), 0.0)
        else:
            active.close(0.0)
    return (time.thread_time_ns() - begin) / 1e3


def plain_session(fleet: Fleet, security: HighGMAC, counters: Iterator[int]) -> None:
    """Other work, between two steps of the bare calls."""
    session(fleet, security, next(counters))


def exchanged(active: Layer[Any, Any, bytes], passive: Layer[Any, Any, bytes]) -> Any:
    """Hand the octets of two stacks to each other; what happens at the active one until its end."""
    while True:
        moved = False
        for one, other in ((active, passive), (passive, active)):
            while (octets := one.transmit(0.0)) is not None:
                other.receive(octets, 0.0)  # type: ignore[arg-type] # octets alone on TCP
                moved = True
        while (event := active.event()) is not None:
            moved = True
            if isinstance(event, Closed):
                assert event.error is None, event
                return
            assert not isinstance(event, Failed), event
            yield event
        assert moved


def spent(steps: Iterator[None], between: Callable[[], object]) -> float:
    """Microseconds of processor time of the steps, without what is done between them."""
    total = 0
    while True:
        between()
        begin = time.thread_time_ns()
        more = next(steps, True) is None
        total += time.thread_time_ns() - begin
        if not more:
            return total / 1e3


if __name__ == "__main__":
    main()
