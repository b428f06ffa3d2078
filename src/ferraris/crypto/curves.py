"""Elliptic curves P-256 and P-384: signatures and shared secrets of suites 1 and 2.

Public keys are x and y without a leading octet, signatures r and s without a frame, as they travel
in DLMS [facts-g §4]. Signatures are deterministic [rfc6979] and new keys are made from the caller's
entropy, so that nothing here draws on chance of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NoReturn, Protocol

from ferraris.core.errors import SecurityError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["AgreementKey", "Curve", "PrivateKey", "SigningKey", "verify"]

_SURPLUS_OCTETS = 8  # so much more entropy than the order has makes the bias negligible


class Curve(Enum):
    """A curve, with the hash that its suite names."""

    P256 = "P-256"
    P384 = "P-384"

    @property
    def octets(self) -> int:
        """Length of one coordinate, of r and of s: 32 or 48."""
        return 32 if self is Curve.P256 else 48

    @classmethod
    def of_public_key(cls, public_key: bytes) -> Curve:
        """The curve whose public keys are that long; `UsageError` for other lengths."""
        for curve in cls:
            if len(public_key) == 2 * curve.octets:
                return curve
        raise UsageError(f"a public key has 64 or 96 octets, not {len(public_key)}")


class SigningKey(Protocol):
    """A private key that signs, in memory or in a token that never gives it away."""

    @property
    def curve(self) -> Curve:
        """The curve it lies on."""

    @property
    def public_key(self) -> bytes:
        """x and y, 64 or 96 octets."""

    def sign(self, octets: bytes) -> bytes:
        """r and s over the hash of `octets`, 64 or 96 octets."""


class AgreementKey(Protocol):
    """A private key that agrees on secrets, in memory or in a token."""

    @property
    def curve(self) -> Curve:
        """The curve it lies on."""

    @property
    def public_key(self) -> bytes:
        """x and y, 64 or 96 octets."""

    def agree(self, public_key: bytes) -> bytes:
        """The secret shared with the owner of `public_key`: the x coordinate, 32 or 48 octets."""


class PrivateKey:
    """A private key in memory, both a `SigningKey` and an `AgreementKey`; never shown or copied."""

    __slots__ = ("_key", "curve", "public_key")

    def __init__(self, curve: Curve, scalar: int) -> None:
        """The key with this secret scalar; `UsageError` when the curve has no such key."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

        try:
            key = ec.derive_private_key(scalar, _named(curve))
        except ValueError:
            raise UsageError(f"no private key of {curve.value} has this value") from None
        self._hold(key)

    @classmethod
    def generate(cls, curve: Curve, entropy: Callable[[int], bytes]) -> PrivateKey:
        """A new key from `entropy(n)`, n octets of it."""
        draw = int.from_bytes(entropy(curve.octets + _SURPLUS_OCTETS), "big")
        return cls(curve, draw % (_ORDERS[curve] - 1) + 1)

    @classmethod
    def from_octets(cls, octets: bytes) -> PrivateKey:
        """The key with this scalar of 32 or 48 octets."""
        for curve in Curve:
            if len(octets) == curve.octets:
                return cls(curve, int.from_bytes(octets, "big"))
        raise UsageError(f"a private key has 32 or 48 octets, not {len(octets)}")

    @classmethod
    def from_der(cls, octets: bytes) -> PrivateKey:
        """Read PKCS#8 without a passphrase; `SecurityError` when that is not what it is."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_der_private_key,
        )

        try:
            key = load_der_private_key(octets, None)
        except (ValueError, TypeError):
            raise SecurityError("not a private key in PKCS#8") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SecurityError("a private key of another kind than elliptic curves")
        made = cls.__new__(cls)
        made._hold(key)
        return made

    def to_der(self) -> bytes:
        """PKCS#8, unencrypted: only for a store that seals it."""
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  (slow import)
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, octets: bytes) -> bytes:
        """r and s over the hash of `octets`."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)
        from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415
            decode_dss_signature,
        )

        algorithm = ec.ECDSA(suite_hash(self.curve), deterministic_signing=True)
        r, s = decode_dss_signature(self._key.sign(octets, algorithm))
        size = self.curve.octets
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def agree(self, public_key: bytes) -> bytes:
        """The shared secret; `SecurityError` for a point that is not on this curve."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

        return self._key.exchange(ec.ECDH(), loaded_point(self.curve, public_key))

    def __repr__(self) -> str:
        return f"PrivateKey({self.curve.value}, …)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("private keys are not pickled: they would leave the process unsealed")

    def _hold(self, key: ec.EllipticCurvePrivateKey) -> None:
        curves = {"secp256r1": Curve.P256, "secp384r1": Curve.P384}
        curve = curves.get(key.curve.name)
        if curve is None:
            raise SecurityError(f"a private key on {key.curve.name}, not on P-256 or P-384")
        numbers = key.public_key().public_numbers()
        self._key = key
        self.curve = curve
        self.public_key: bytes = b"".join(
            number.to_bytes(curve.octets, "big") for number in (numbers.x, numbers.y)
        )


def verify(public_key: bytes, signature: bytes, octets: bytes) -> None:
    """Raise `SecurityError` unless `signature` (r and s) over `octets` is by `public_key`.

    The curve follows from the length of the key; `UsageError` for a key of impossible length.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (slow import)
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415
        encode_dss_signature,
    )

    curve = Curve.of_public_key(public_key)
    size = curve.octets
    if len(signature) != 2 * size:
        raise SecurityError(f"a signature has {2 * size} octets, not {len(signature)}")
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    try:
        point = loaded_point(curve, public_key)
        point.verify(encode_dss_signature(r, s), octets, ec.ECDSA(suite_hash(curve)))
    except InvalidSignature:
        raise SecurityError("the signature does not verify") from None


def _named(curve: Curve) -> ec.EllipticCurve:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

    return ec.SECP256R1() if curve is Curve.P256 else ec.SECP384R1()


def suite_hash(curve: Curve) -> hashes.SHA256 | hashes.SHA384:
    """The hash of the curve's suite, as the library knows it."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  (slow import)

    return hashes.SHA256() if curve is Curve.P256 else hashes.SHA384()


def loaded_point(curve: Curve, public_key: bytes) -> ec.EllipticCurvePublicKey:
    """The library's object for x and y; `SecurityError` when that is no point of the curve."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

    if len(public_key) != 2 * curve.octets:
        raise SecurityError(f"a public key of {len(public_key)} octets is not of {curve.value}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_named(curve), b"\x04" + public_key)
    except ValueError:
        raise SecurityError(f"the public key is no point of {curve.value}") from None


_ORDERS = {
    Curve.P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    Curve.P384: (
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF << 128
        | 0x581A0DB248B0A77AECEC196ACCC52973
    ),
}
"""Number of points of each curve [sp800-186]."""
