"""Proving who one is in high-level security, the same for both ends [facts-g §3]."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.compare import require_equal
from ferraris.messaging.dlms.acse import Mechanism
from ferraris.messaging.dlms.security import hls
from ferraris.messaging.dlms.security.forms import KeyPairs

__all__ = ["Challenges", "OwnMechanism", "Proofs"]

_WHERE = "authentication"


class Challenges(NamedTuple):
    """What an answer is made of: whoever answers is `own`, and answers `received`."""

    received: bytes
    sent: bytes
    own_title: bytes
    peer_title: bytes


OwnMechanism = Callable[[Challenges], bytes]
"""Mechanism 2 is each manufacturer's own: makes the answer of either end."""


class Tokens(Protocol):
    """What makes and checks tokens under the keys of an association."""

    def token(self, challenge: bytes) -> bytes: ...

    def check_token(self, token: bytes, challenge: bytes) -> None: ...


class Proofs(NamedTuple):
    """Everything that either end needs to prove itself and to check the other."""

    mechanism: int
    secret: bytes
    own_title: bytes
    peer_title: bytes
    tokens: Tokens | None
    pairs: KeyPairs
    own_mechanism: OwnMechanism | None

    def __repr__(self) -> str:
        return f"Proofs(mechanism {self.mechanism}, …)"

    def answer(self, *, received: bytes, sent: bytes) -> bytes:
        """Answer the peer's challenge `received`; raises `SecurityError`, `UsageError`."""
        if self.mechanism == Mechanism.HIGH_GMAC:
            assert self.tokens is not None
            return self.tokens.token(received)
        challenges = Challenges(received, sent, self.own_title, self.peer_title)
        if self.mechanism == Mechanism.HIGH_ECDSA:
            if self.pairs.signing is None:
                raise UsageError("ECDSA needs a signing key", where=_WHERE)
            return hls.ecdsa_reply(self.pairs.signing, **challenges._asdict())
        if self.mechanism == Mechanism.HIGH:
            return self._own(challenges)
        return hls.digest_reply(self.mechanism, self.secret, **challenges._asdict())

    def check(self, reply: bytes, *, sent: bytes, received: bytes) -> None:
        """Raise `SecurityError` unless `reply` answers our challenge `sent`."""
        if self.mechanism == Mechanism.HIGH_GMAC:
            assert self.tokens is not None
            self.tokens.check_token(reply, sent)
            return
        titles = {"own_title": self.own_title, "peer_title": self.peer_title}
        if self.mechanism == Mechanism.HIGH_ECDSA:
            if not self.pairs.peer_signing:
                raise SecurityError("no certificate of the peer for signatures", where=_WHERE)
            hls.check_ecdsa_reply(
                self.pairs.peer_signing, reply, sent=sent, received=received, **titles
            )
            return
        if self.mechanism == Mechanism.HIGH:
            expected = self._own(Challenges(sent, received, self.peer_title, self.own_title))
            require_equal(expected, reply, "the peer failed to authenticate itself", where=_WHERE)
            return
        hls.check_digest_reply(
            self.mechanism, self.secret, reply, sent=sent, received=received, **titles
        )

    def _own(self, challenges: Challenges) -> bytes:
        if self.own_mechanism is None:
            raise UsageError("mechanism 2 is a manufacturer's own: give what answers", where=_WHERE)
        return self.own_mechanism(challenges)
