"""The image format of simulated meters: a header that says what it is and for whom, then content.

    4   "FRRI"
    1   version of the format, 1
    1   how it is proved: 0 by the digest alone, 1 by ECDSA with P-256
    1+n meters it is for: the name of their template
    1+n version that the meters have afterwards
    4   octets of the content
    32  SHA-256 of the content
    32  SHA-256 of all before, or 64 the signature over it
    n   the content

It is a format of our own, like every maker's. Simulated meters trust one key, which is no secret,
so that anybody may make images for them; one that was signed by another key is refused.
"""

from __future__ import annotations

from enum import IntEnum, unique
from functools import cache
from hashlib import blake2b
from typing import NamedTuple

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.core.octets import Reader
from ferraris.crypto.curves import Curve, PrivateKey, verify
from ferraris.crypto.digests import sha256

__all__ = ["Image", "Proof", "check", "maker_key", "pack", "unpack"]

_MAGIC = b"FRRI"
_FORMAT = 1
_DIGEST_OCTETS = 32
_LONGEST_NAME = 64


@unique
class Proof(IntEnum):
    """What shows that an image is the maker's."""

    DIGEST = 0
    ECDSA_P256 = 1


_PROOF_OCTETS = {Proof.DIGEST: 32, Proof.ECDSA_P256: 64}


class Image(NamedTuple):
    """An image that was read: `signature` is the digest or signature over its header."""

    target: str
    version: str
    proof: Proof
    header: bytes
    signature: bytes
    content: bytes


def pack(
    target: str, version: str, content: bytes, *, key: PrivateKey | None = None, signed: bool = True
) -> bytes:
    """An image for meters of the template `target`, signed by `key` or by the meters' maker.

    Raises `UsageError` for names that are empty, longer than 64 octets or not ASCII, or a key of
    another curve.
    """
    proof = Proof.ECDSA_P256 if signed else Proof.DIGEST
    signing = key or (maker_key() if signed else None)
    if signing is not None and signing.curve is not Curve.P256:
        raise UsageError("images are signed with a key of P-256")
    header = b"".join(
        (
            _MAGIC,
            bytes((_FORMAT, proof)),
            _named(target),
            _named(version),
            len(content).to_bytes(4, "big"),
            sha256(content),
        )
    )
    signature = signing.sign(header) if signed and signing is not None else sha256(header)
    return header + signature + content


def unpack(octets: bytes) -> Image:
    """Read an image; `DecodeError` when it is none, or not whole. Nothing is proved by it."""
    reader = Reader(octets, where="image")
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise DecodeError("this is no image for simulated meters", where="image")
    form, kind = reader.take(2)
    if form != _FORMAT or kind not in tuple(Proof):
        raise DecodeError(f"an image of format {form}, proof {kind}, is not known", where="image")
    target, version = (_text(reader.take(reader.take(1)[0])) for _ in range(2))
    size = int.from_bytes(reader.take(4), "big")
    reader.take(_DIGEST_OCTETS)
    proof = Proof(kind)
    header = octets[: reader.position]
    signature = reader.take(_PROOF_OCTETS[proof])
    content = octets[reader.position :]
    if len(content) != size:
        message = f"the content has {len(content)} octets, the header says {size}"
        raise DecodeError(message, where="image")
    return Image(target, version, proof, header, signature, content)


def check(image: Image, target: str) -> None:
    """Raise `SecurityError` unless an image is whole, the maker's, and for meters of `target`."""
    if image.proof is Proof.DIGEST:
        if image.signature != sha256(image.header):
            raise SecurityError("the header of the image is damaged")
    else:
        verify(maker_key().public_key, image.signature, image.header)
    if image.header[-_DIGEST_OCTETS:] != sha256(image.content):
        raise SecurityError("the content of the image is damaged")
    if image.target != target:
        raise SecurityError(f"the image is for {image.target}, not for {target}")


@cache
def maker_key() -> PrivateKey:
    """The key of the maker of all simulated meters; everybody has it."""
    drawn = blake2b(b"maker of simulated meters", digest_size=64).digest()
    return PrivateKey.generate(Curve.P256, lambda octets: drawn[:octets])


def _named(text: str) -> bytes:
    try:
        octets = text.encode("ascii")
    except UnicodeEncodeError:
        octets = b""
    if not 0 < len(octets) <= _LONGEST_NAME:
        raise UsageError(f"a name in an image has 1 to {_LONGEST_NAME} ASCII characters")
    return bytes((len(octets),)) + octets


def _text(octets: bytes) -> str:
    try:
        return octets.decode("ascii")
    except UnicodeDecodeError:
        raise DecodeError("a name in the image is not ASCII", where="image") from None
