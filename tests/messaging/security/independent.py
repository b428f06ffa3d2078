"""A second implementation of every form of protection, for cross-checks with the first.

Written from [facts-g] and [asn1] alone, on bare primitives, with nothing of Ferraris in it: two
readings of one text that agree are worth more than one that agrees with itself. Slow and plain.
"""

# ruff: noqa: PLR0917 - octets in the order of the text

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

A, E = 0x10, 0x20

GLO = {0x01: 0x21, 0x08: 0x28, 0xC0: 0xC8, 0xC1: 0xC9, 0xC3: 0xCB, 0xC4: 0xCC, 0xC5: 0xCD}
GLO |= {0xC7: 0xCF, 0xC2: 0xCA}
DED = {0xC0: 0xD0, 0xC1: 0xD1, 0xC3: 0xD3, 0xC4: 0xD4, 0xC5: 0xD5, 0xC7: 0xD7, 0xC2: 0xD2}


class Bad(Exception):
    """A message that is not what it should be."""


def lv(octets: bytes) -> bytes:
    """Length, then the octets."""
    n = len(octets)
    if n < 0x80:
        return bytes([n]) + octets
    size = (n.bit_length() + 7) // 8
    return bytes([0x80 | size]) + n.to_bytes(size, "big") + octets


def un_lv(octets: bytes, at: int) -> tuple[bytes, int]:
    """The octets at `at`, and where they end."""
    n = octets[at]
    at += 1
    if n & 0x80:
        size = n & 0x7F
        n = int.from_bytes(octets[at : at + size], "big")
        at += size
    if at + n > len(octets):
        raise Bad("cut")
    return octets[at : at + n], at + n


# -- GCM by the book: counter mode, and the tag over it ---------------------------------------


def gcm(key: bytes, iv: bytes, aad: bytes, plain: bytes) -> tuple[bytes, bytes]:
    made = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
    made.authenticate_additional_data(aad)
    return made.update(plain) + made.finalize(), made.tag[:12]


def ctr(key: bytes, iv: bytes, octets: bytes) -> bytes:
    made = Cipher(algorithms.AES(key), modes.CTR(iv + b"\x00\x00\x00\x02")).encryptor()
    return made.update(octets) + made.finalize()


def protect(
    sc: int, ek: bytes, ak: bytes, title: bytes, ic: int, apdu: bytes, fields: bytes = b""
) -> bytes:
    """Security header, content and tag."""
    head = bytes([sc]) + struct.pack(">I", ic)
    iv = title + struct.pack(">I", ic)
    if sc & A and sc & E:
        cipher, tag = gcm(ek, iv, bytes([sc]) + ak + fields, apdu)
        return head + cipher + tag
    if sc & A:
        return head + apdu + gcm(ek, iv, bytes([sc]) + ak + fields + apdu, b"")[1]
    return head + ctr(ek, iv, apdu)


def unprotect(
    ek: bytes, ak: bytes, title: bytes, content: bytes, fields: bytes = b""
) -> tuple[int, int, bytes]:
    """Control octet, counter, APDU."""
    sc, ic = content[0], int.from_bytes(content[1:5], "big")
    iv, body = title + content[1:5], content[5:]
    if not sc & A:
        return sc, ic, ctr(ek, iv, body)
    body, tag = body[:-12], body[-12:]
    apdu = ctr(ek, iv, body) if sc & E else body
    again = protect(sc, ek, ak, title, ic, apdu, fields)
    if again[-12:] != tag:
        raise Bad("tag")
    return sc, ic, apdu


# -- curves ------------------------------------------------------------------------------------

CURVES = {1: (ec.SECP256R1(), hashes.SHA256(), 32), 2: (ec.SECP384R1(), hashes.SHA384(), 48)}
KEY_OCTETS = {0: 16, 1: 16, 2: 32}


def private(suite: int, scalar: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(scalar, CURVES[suite][0])


def public(suite: int, key: ec.EllipticCurvePrivateKey) -> bytes:
    n, size = key.public_key().public_numbers(), CURVES[suite][2]
    return n.x.to_bytes(size, "big") + n.y.to_bytes(size, "big")


def sign(suite: int, key: ec.EllipticCurvePrivateKey, octets: bytes) -> bytes:
    _, digest, size = CURVES[suite]
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def check(suite: int, key: bytes, signature: bytes, octets: bytes) -> None:
    curve, digest, size = CURVES[suite]
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    point = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + key)
    try:
        point.verify(encode_dss_signature(r, s), octets, ec.ECDSA(digest))
    except InvalidSignature as error:
        raise Bad("signature") from error


def shared(suite: int, key: ec.EllipticCurvePrivateKey, other: bytes) -> bytes:
    point = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[suite][0], b"\x04" + other)
    return key.exchange(ec.ECDH(), point)


def kdf(suite: int, z: bytes, party_u: bytes, party_v: bytes, *, wrap: bool = False) -> bytes:
    """One round of the concatenation KDF."""
    number = (2 if wrap else 0) + (suite == 2)
    algorithm = bytes.fromhex("608574050803") + bytes([number])
    digest = hashes.Hash(CURVES[suite][1])
    digest.update(b"\x00\x00\x00\x01" + z + algorithm + party_u + party_v)
    return digest.finalize()[: KEY_OCTETS[suite]]


# -- the forms ---------------------------------------------------------------------------------


@dataclass
class End:
    """What one end knows of itself and of the other."""

    suite: int
    ek: bytes
    ak: bytes
    title: bytes
    peer: bytes
    gbek: bytes = b""
    kek: bytes = b""
    dedicated: bytes = b""
    signing: ec.EllipticCurvePrivateKey | None = None
    agreement: ec.EllipticCurvePrivateKey | None = None
    peer_signing: bytes = b""
    peer_agreement: bytes = b""
    seen: list[str] = field(default_factory=list)

    def glo(self, apdu: bytes, bits: int, ic: int) -> bytes:
        content = protect(bits | self.suite, self.ek, self.ak, self.title, ic, apdu)
        return bytes([GLO[apdu[0]]]) + lv(content)

    def ded(self, apdu: bytes, bits: int, ic: int) -> bytes:
        content = protect(bits | self.suite, self.dedicated, self.ak, self.title, ic, apdu)
        return bytes([DED[apdu[0]]]) + lv(content)

    def general_glo(self, apdu: bytes, bits: int, ic: int) -> bytes:
        content = protect(bits | self.suite, self.ek, self.ak, self.title, ic, apdu)
        return b"\xdb" + lv(self.title) + lv(content)

    def general_ded(self, apdu: bytes, bits: int, ic: int) -> bytes:
        content = protect(bits | self.suite, self.dedicated, self.ak, self.title, ic, apdu)
        return b"\xdc" + lv(self.title) + lv(content)

    def _fields(self, transaction: bytes) -> bytes:
        return lv(transaction) + lv(self.title) + lv(self.peer) + lv(b"") + lv(b"")

    def general_ciphering(
        self, apdu: bytes, bits: int, ic: int, transaction: int, key: str, fresh: bytes = b""
    ) -> bytes:
        """`fresh` is a message key to be wrapped, or the scalar of an ephemeral key."""
        number = transaction.to_bytes(8, "big")
        fields = self._fields(number)
        if key == "identified":
            ek, info = self.ek, b"\x00\x00"
        elif key == "wrapped":
            ek = fresh
            info = b"\x01\x00" + lv(aes_key_wrap(self.kek, fresh))
        elif key == "one pass":
            assert self.signing is not None
            ephemeral = private(self.suite, int.from_bytes(fresh, "big"))
            point = public(self.suite, ephemeral)
            z = shared(self.suite, ephemeral, self.peer_agreement)
            ek = kdf(self.suite, z, self.title, self.peer)
            info = b"\x02\x01\x01" + lv(point + sign(self.suite, self.signing, point))
        else:
            assert self.agreement is not None
            z = shared(self.suite, self.agreement, self.peer_agreement)
            ek = kdf(self.suite, z, self.title + lv(number), self.peer)
            info = b"\x02\x01\x02" + lv(b"")
        content = protect(bits | self.suite, ek, self.ak, self.title, ic, apdu, fields)
        return b"\xdd" + fields + b"\x01" + info + lv(content)

    def general_signing(self, apdu: bytes, transaction: int) -> bytes:
        assert self.signing is not None
        signed = self._fields(transaction.to_bytes(8, "big")) + lv(apdu)
        return b"\xdf" + signed + lv(sign(self.suite, self.signing, signed))

    # -- and back ------------------------------------------------------------------------------

    def open(self, octets: bytes) -> bytes:
        """The plain APDU inside any form; `seen` tells the layers in order, outermost first."""
        tag = octets[0]
        if tag == 0xDF:
            return self.open(self._open_signed(octets))
        if tag == 0xDD:
            return self.open(self._open_ciphered(octets))
        if tag in (0xDB, 0xDC):
            title, at = un_lv(octets, 1)
            content, _ = un_lv(octets, at)
            if title not in (b"", self.peer):
                raise Bad("title")
            self.seen.append("general glo" if tag == 0xDB else "general ded")
            key = self.ek if tag == 0xDB else self.dedicated
            return self.open(self._inner(key, content))
        for name, twins, key in (("glo", GLO, self.ek), ("ded", DED, self.dedicated)):
            if tag in twins.values():
                self.seen.append(name)
                return self._inner(key, un_lv(octets, 1)[0])
        return octets

    def _inner(self, key: bytes, content: bytes) -> bytes:
        if content[0] & 0x0F != self.suite:
            raise Bad("suite")
        if content[0] & 0x40:
            key = self.gbek
        return unprotect(key, self.ak, self.peer, content)[2]

    def _open_signed(self, octets: bytes) -> bytes:
        at, parts = 1, []
        for _ in range(6):
            part, at = un_lv(octets, at)
            parts.append(part)
        signature, end = un_lv(octets, at)
        if end != len(octets) or parts[1] != self.peer or parts[2] != self.title:
            raise Bad("signed envelope")
        check(self.suite, self.peer_signing, signature, octets[1:at])
        self.seen.append("signing")
        return parts[5]

    def _open_ciphered(self, octets: bytes) -> bytes:
        at, parts = 1, []
        for _ in range(5):
            part, at = un_lv(octets, at)
            parts.append(part)
        fields, transaction = octets[1:at], parts[0]
        if parts[1] != self.peer or parts[2] != self.title or octets[at] != 1:
            raise Bad("ciphered envelope")
        choice = octets[at + 1]
        at += 2
        if choice == 0:
            key, at = (self.ek, self.gbek)[octets[at]], at + 1
            self.seen.append("identified")
        elif choice == 1:
            wrapped, at = un_lv(octets, at + 1)
            key = aes_key_unwrap(self.kek, wrapped)
            self.seen.append("wrapped")
        else:
            way, at = un_lv(octets, at)
            data, at = un_lv(octets, at)
            key = self._agreed(way, data, transaction)
        content, end = un_lv(octets, at)
        if end != len(octets) or content[0] & 0x0F != self.suite:
            raise Bad("content")
        return unprotect(key, self.ak, self.peer, content, fields)[2]

    def _agreed(self, way: bytes, data: bytes, transaction: bytes) -> bytes:
        assert self.agreement is not None
        if way == b"\x01":
            half = len(data) // 2
            check(self.suite, self.peer_signing, data[half:], data[:half])
            self.seen.append("one pass")
            z = shared(self.suite, self.agreement, data[:half])
            return kdf(self.suite, z, self.peer, self.title)
        self.seen.append("static unified")
        z = shared(self.suite, self.agreement, self.peer_agreement)
        return kdf(self.suite, z, self.peer + lv(transaction), self.title)


# -- high-level security -----------------------------------------------------------------------


def gmac_token(suite: int, ek: bytes, ak: bytes, title: bytes, ic: int, challenge: bytes) -> bytes:
    """Mechanism 5."""
    sc = bytes([A | suite])
    tag = gcm(ek, title + struct.pack(">I", ic), sc + ak + challenge, b"")[1]
    return sc + struct.pack(">I", ic) + tag


def digest_proof(
    mechanism: int, secret: bytes, own: bytes, peer: bytes, received: bytes, sent: bytes
) -> bytes:
    """Mechanisms 3, 4 and 6."""
    kinds: dict[int, tuple[hashes.HashAlgorithm, bytes]] = {
        3: (hashes.MD5(), received + secret),
        4: (hashes.SHA1(), received + secret),
        6: (hashes.SHA256(), secret + own + peer + received + sent),
    }
    algorithm, octets = kinds[mechanism]
    digest = hashes.Hash(algorithm)
    digest.update(octets)
    return digest.finalize()


def ecdsa_input(own: bytes, peer: bytes, received: bytes, sent: bytes) -> bytes:
    """Mechanism 7: what is signed."""
    return own + peer + received + sent
