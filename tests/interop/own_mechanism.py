"""Mechanism 2 as both foreign clients have it: the challenge in AES-128, block by block."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ferraris.messaging.dlms.association.proofs import Challenges, OwnMechanism

__all__ = ["answering"]


def answering(secret: bytes) -> OwnMechanism:
    """Answers challenges under a secret of 16 octets."""

    def answer(challenges: Challenges) -> bytes:
        padded = challenges.received + bytes(-len(challenges.received) % 16)
        encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()
        return encryptor.update(padded) + encryptor.finalize()

    return answer
