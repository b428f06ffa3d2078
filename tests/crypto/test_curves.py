"""Signatures: a published one of P-384, and what never verifies."""

from __future__ import annotations

import copy
import pickle
from random import Random

import pytest

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.curves import AgreesOnce, Curve, PrivateKey, verify
from ferraris.crypto.derivation import derive

SCALAR = bytes.fromhex(
    "c838b85253ef8dc7394fa5808a5183981c7deef5a69ba8f4f2117ffea39cfcd90e95f6cbc854abacab701d50c1f3cf24"
)
PUBLIC = bytes.fromhex(
    "1fbac8eebd0cbf35640b39efe0808dd774debff20a2a329e91713baf7d7f3c3e81546d883730bee7e48678f857b0"
    "2ca0eb213103bd68ce343365a8a4c3d4555fa385f5330203bdd76ffad1f3affb95751c132007e1b240353cb0a4cf"
    "1693bdf9"
)
MESSAGE = b"This is only a test message. It is 48 bytes long"
SIGNATURE = bytes.fromhex(
    "a0c27ec893092dea1e1bd2ccfed3cf945c8134ed0c9f81311a0f4a05942db8dbed8dd59f267471d5462aa14fe72d"
    "e85620ab3f45b74f10b6e11f96a2c8eb694d206b9dda86d3c7e331c26b22c987b7537726577667adadf168ebbe80"
    "3794a402"
)


def test_a_published_signature_of_p_384() -> None:
    assert PrivateKey.from_octets(SCALAR).public_key == PUBLIC
    verify(PUBLIC, SIGNATURE, MESSAGE)


@pytest.mark.parametrize("curve", list(Curve))
def test_signing_both_ways(curve: Curve) -> None:
    key = PrivateKey.generate(curve, Random(1).randbytes)
    signature = key.sign(MESSAGE)
    assert len(signature) == len(key.public_key) == 2 * curve.octets
    assert key.sign(MESSAGE) == signature, "signatures draw on no chance"
    verify(key.public_key, signature, MESSAGE)
    other = PrivateKey.generate(curve, Random(2).randbytes)
    for public, signed, octets in (
        (other.public_key, signature, MESSAGE),
        (key.public_key, signature, MESSAGE[:-1]),
        (key.public_key, signature[:-1], MESSAGE),
        (key.public_key, b"", MESSAGE),
        (key.public_key, bytes(2 * curve.octets), MESSAGE),
        (b"\x01" * 2 * curve.octets, signature, MESSAGE),
    ):
        with pytest.raises(SecurityError):
            verify(public, signed, octets)
    for position in range(0, len(signature) * 8, 29):
        altered = bytearray(signature)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(SecurityError):
            verify(key.public_key, bytes(altered), MESSAGE)


def test_keys_are_kept_in_pkcs_8_and_nowhere_else() -> None:
    key = PrivateKey.generate(Curve.P384, Random(3).randbytes)
    again = PrivateKey.from_der(key.to_der())
    assert again.public_key == key.public_key
    assert again.curve is Curve.P384
    assert SCALAR.hex() not in repr(key)
    with pytest.raises(UsageError):
        copy.copy(key)
    for wrong in (b"", b"\x30\x00", key.to_der()[:-1], b"\x00" * 60):
        with pytest.raises(SecurityError):
            PrivateKey.from_der(wrong)


def test_derivation_is_one_block() -> None:
    assert len(derive(Curve.P256, b"z", b"info", 32)) == 32
    assert derive(Curve.P384, b"z", b"info", 32) == derive(Curve.P384, b"z", b"info", 48)[:32]
    for octets in (0, 33):
        with pytest.raises(UsageError):
            derive(Curve.P256, b"z", b"info", octets)


class Counted(PrivateKey):
    """Counts how often it agrees."""

    __slots__ = ("times",)

    def agree(self, public_key: bytes) -> bytes:
        self.times = getattr(self, "times", 0) + 1
        return super().agree(public_key)


@pytest.mark.parametrize("curve", list(Curve))
def test_the_secret_with_one_peer_is_worked_out_once(curve: Curve) -> None:
    chance = Random(3)
    own = Counted.generate(curve, chance.randbytes)
    peer, other = (PrivateKey.generate(curve, chance.randbytes) for _ in range(2))
    once = AgreesOnce(own, peer.public_key)
    assert (once.curve, once.public_key) == (curve, own.public_key)
    secret = peer.agree(own.public_key)
    assert [once.agree(peer.public_key) for _ in range(3)] == [secret] * 3
    assert own.times == 1
    for _ in range(2):  # ephemeral keys come once, nothing is kept of them
        assert once.agree(other.public_key) == other.agree(own.public_key)
    assert own.times == 3
    assert secret.hex() not in repr(once)
    for leaving in (copy.copy, pickle.dumps):
        with pytest.raises(UsageError):
            leaving(once)


@pytest.mark.parametrize("curve", list(Curve))
def test_points_off_the_curve_are_refused_every_time(curve: Curve) -> None:
    own = PrivateKey.generate(curve, Random(4).randbytes)
    point = PrivateKey.generate(curve, Random(5).randbytes).public_key
    off = point[:-1] + bytes((point[-1] ^ 1,))
    for _ in range(2):
        assert own.agree(point)
        with pytest.raises(SecurityError, match="no point"):
            own.agree(off)
        with pytest.raises(SecurityError, match="no point"):
            verify(off, bytes(2 * curve.octets), b"")
