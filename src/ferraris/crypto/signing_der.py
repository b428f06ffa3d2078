"""Signing what X.509 signs with any `SigningKey`, one in a token included.

The library builds and signs in one breath, with a key that it must hold. So it signs a draft with a
key that everybody knows; the octets to be signed are taken out of the draft and signed by the true
key, and the draft's signature is thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferraris.crypto.curves import Curve, SigningKey, loaded_point, suite_hash
from ferraris.crypto.der import BIT_STRING, SEQUENCE, encoded, one, parts

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = [
    "loaded_public_key",
    "named_title",
    "signed_certificate",
    "signed_list",
    "signed_request",
]


def signed_certificate(builder: x509.CertificateBuilder, key: SigningKey) -> bytes:
    """The certificate in DER."""
    draft = builder.sign(
        _everybodys_key(key.curve), suite_hash(key.curve), ecdsa_deterministic=True
    )
    return _signed(draft.tbs_certificate_bytes, draft.signature_algorithm_oid.dotted_string, key)


def signed_list(builder: x509.CertificateRevocationListBuilder, key: SigningKey) -> bytes:
    """The revocation list in DER."""
    draft = builder.sign(
        _everybodys_key(key.curve), suite_hash(key.curve), ecdsa_deterministic=True
    )
    return _signed(draft.tbs_certlist_bytes, draft.signature_algorithm_oid.dotted_string, key)


def signed_request(builder: x509.CertificateSigningRequestBuilder, key: SigningKey) -> bytes:
    """The request in DER; the public key of the draft gives way to the true one."""
    draft = builder.sign(
        _everybodys_key(key.curve), suite_hash(key.curve), ecdsa_deterministic=True
    )
    inside = parts(one(draft.tbs_certrequest_bytes, SEQUENCE))
    version, subject, _, *attributes = (each.whole for each in inside)
    own = _public_key_info(key.public_key)
    octets = encoded(SEQUENCE, version, subject, own, *attributes)
    return _signed(octets, draft.signature_algorithm_oid.dotted_string, key)


def loaded_public_key(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """The library's object for x and y; `SecurityError` for a point off the curve."""
    return loaded_point(Curve.of_public_key(public_key), public_key)


def named_title(title: bytes, *, text: str = "") -> x509.Name:
    """The subject of a device or client: its title as common name, or another text."""
    from cryptography import x509  # noqa: PLC0415  (slow import)
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text or title.hex().upper())])


def _everybodys_key(curve: Curve) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (slow import)

    return ec.derive_private_key(1, ec.SECP256R1() if curve is Curve.P256 else ec.SECP384R1())


def _signed(octets: bytes, algorithm: str, key: SigningKey) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415  (slow import)
        encode_dss_signature,
    )

    raw = key.sign(octets)
    half = len(raw) // 2
    pair = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    frame = b"\x00" + encode_dss_signature(*pair)
    named = encoded(SEQUENCE, _object_identifier(algorithm))
    return encoded(SEQUENCE, octets, named, encoded(BIT_STRING, frame))


def _object_identifier(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    octets = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.insert(0, 0x80 | arc & 0x7F)
        octets += bytes(groups)
    return encoded(0x06, bytes(octets))


def _public_key_info(public_key: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  (slow import)
        Encoding,
        PublicFormat,
    )

    key = loaded_public_key(public_key)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
