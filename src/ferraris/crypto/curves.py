"""Elliptic curves P-256 and P-384: signatures and shared secrets of suites 1 and 2.

Public keys are x and y without a leading octet, signatures r and s without a frame, as they travel
in DLMS [facts-g §4]. Signatures are deterministic [rfc6979] and new keys are made from the caller's
entropy, so that nothing here draws on chance of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from ferraris.core.errors import SecurityError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["AgreementKey", "AgreesOnce", "Curve", "PrivateKey", "SigningKey", "verify"]

_SURPLUS_OCTETS = 8  # so much more entropy than the order has makes the bias negligible


class Curve(Enum):
    """A curve, with the hash that its suite names."""

    P256 = "P-256"
    P384 = "P-384"

    __hash__ = object.__hash__  # there is one of each; that of Enum costs as much as a small call

    @property
    def octets(self) -> int:
        """Length of one coordinate, of r and of s: 32 or 48."""
        return 32 if self is Curve.P256 else 48

    @classmethod
    def of_public_key(cls, public_key: bytes) -> Curve:
        """The curve whose public keys are that long; `UsageError` for other lengths."""
        curve = _BY_LENGTH.get(len(public_key))
        if curve is None:
            raise UsageError(f"a public key has 64 or 96 octets, not {len(public_key)}")
        return curve


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
        try:
            key = _library().derive(scalar, _named(curve))
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
        r, s = _library().taken_apart(self._key.sign(octets, _algorithm(self.curve)))
        size = self.curve.octets
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def agree(self, public_key: bytes) -> bytes:
        """The shared secret; `SecurityError` for a point that is not on this curve."""
        return self._key.exchange(_library().diffie_hellman, loaded_point(self.curve, public_key))

    def __repr__(self) -> str:
        return f"PrivateKey({self.curve.value}, …)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("private keys are not pickled: they would leave the process unsealed")

    def _hold(self, key: ec.EllipticCurvePrivateKey) -> None:
        curve = _CURVES.get(key.curve.name)
        if curve is None:
            raise SecurityError(f"a private key on {key.curve.name}, not on P-256 or P-384")
        numbers = key.public_key().public_numbers()
        self._key = key
        self.curve = curve
        self.public_key: bytes = b"".join(
            number.to_bytes(curve.octets, "big") for number in (numbers.x, numbers.y)
        )


class AgreesOnce:
    """An `AgreementKey` that keeps the secret shared with one peer, whose key does not change.

    The secret is kept as long as this object is, and never shown; other peers' are not kept.
    """

    __slots__ = ("_key", "_peer", "_secret")

    def __init__(self, key: AgreementKey, peer: bytes) -> None:
        self._key = key
        self._peer = peer
        self._secret = b""

    @property
    def curve(self) -> Curve:
        """The curve it lies on."""
        return self._key.curve

    @property
    def public_key(self) -> bytes:
        """x and y, 64 or 96 octets."""
        return self._key.public_key

    def agree(self, public_key: bytes) -> bytes:
        """The shared secret; with the one peer it is worked out once."""
        if public_key != self._peer:
            return self._key.agree(public_key)
        if not self._secret:
            self._secret = self._key.agree(public_key)
        return self._secret

    def __repr__(self) -> str:
        return f"AgreesOnce({self._key!r})"

    def __reduce__(self) -> NoReturn:
        raise UsageError("shared secrets are not pickled: they would leave the process unsealed")


def verify(public_key: bytes, signature: bytes, octets: bytes) -> None:
    """Raise `SecurityError` unless `signature` (r and s) over `octets` is by `public_key`.

    The curve follows from the length of the key; `UsageError` for a key of impossible length.
    """
    library = _library()
    size = len(public_key) // 2
    curve = Curve.of_public_key(public_key)
    if len(signature) != 2 * size:
        raise SecurityError(f"a signature has {2 * size} octets, not {len(signature)}")
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    try:
        point = loaded_point(curve, public_key)
        point.verify(library.put_together(r, s), octets, _algorithm(curve))
    except library.invalid:
        raise SecurityError("the signature does not verify") from None


@cache
def _named(curve: Curve) -> ec.EllipticCurve:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

    return ec.SECP256R1() if curve is Curve.P256 else ec.SECP384R1()


@cache
def _algorithm(curve: Curve) -> ec.ECDSA:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

    return ec.ECDSA(suite_hash(curve), deterministic_signing=True)


class _Library(NamedTuple):
    """What we call, looked up once: a statement of import costs as much as a small call."""

    derive: Callable[[int, ec.EllipticCurve], ec.EllipticCurvePrivateKey]
    load: Callable[[ec.EllipticCurve, bytes], ec.EllipticCurvePublicKey]
    diffie_hellman: ec.ECDH
    taken_apart: Callable[[bytes], tuple[int, int]]
    put_together: Callable[[int, int], bytes]
    invalid: type[Exception]


@cache
def _library() -> _Library:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (slow import)
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415

    return _Library(
        ec.derive_private_key,
        ec.EllipticCurvePublicKey.from_encoded_point,
        ec.ECDH(),
        utils.decode_dss_signature,
        utils.encode_dss_signature,
        InvalidSignature,
    )


def suite_hash(curve: Curve) -> hashes.SHA256 | hashes.SHA384:
    """The hash of the curve's suite, as the library knows it."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  (slow import)

    return hashes.SHA256() if curve is Curve.P256 else hashes.SHA384()


@lru_cache(maxsize=1024)  # loading and checking a point costs a third of what is done with it
def loaded_point(curve: Curve, public_key: bytes) -> ec.EllipticCurvePublicKey:
    """The library's object for x and y; `SecurityError` when that is no point of the curve."""
    if len(public_key) != 2 * curve.octets:
        raise SecurityError(f"a public key of {len(public_key)} octets is not of {curve.value}")
    try:
        return _library().load(_named(curve), b"\x04" + public_key)
    except ValueError:
        raise SecurityError(f"the public key is no point of {curve.value}") from None


_BY_LENGTH = {2 * curve.octets: curve for curve in Curve}
_CURVES = {"secp256r1": Curve.P256, "secp384r1": Curve.P384}
_ORDERS = {
    Curve.P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    Curve.P384: (
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF << 128
        | 0x581A0DB248B0A77AECEC196ACCC52973
    ),
}
"""Number of points of each curve [sp800-186]."""
