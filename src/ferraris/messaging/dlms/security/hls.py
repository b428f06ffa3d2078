"""Low and high level security: what proves who one is, and the checks of it.

In the four passes of high level security both sides send a challenge and answer the other's:
client f(StoC), then server f(CtoS). Mechanisms 3, 4 and 6 digest a shared secret, mechanism 5 is a
GMAC under the keys of the association, mechanism 7 a signature [facts-g]. Checks raise
`SecurityError` and answer nothing.
"""

from __future__ import annotations

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.compare import require_equal
from ferraris.crypto.curves import SigningKey, verify
from ferraris.crypto.digests import md5, sha1, sha256
from ferraris.messaging.dlms.security.cipher_keys import check_system_title
from ferraris.messaging.dlms.security.protection import Opener, Sealer

__all__ = [
    "CHALLENGE_OCTETS",
    "ECDSA_CHALLENGE_OCTETS",
    "HLS_ECDSA",
    "HLS_GMAC",
    "HLS_MD5",
    "HLS_SHA1",
    "HLS_SHA256",
    "check_challenges",
    "check_digest_reply",
    "check_ecdsa_reply",
    "check_gmac_token",
    "check_password",
    "check_strength",
    "check_system_titles",
    "digest_reply",
    "ecdsa_reply",
    "gmac_token",
]

CHALLENGE_OCTETS = 16
"""Length of the challenges we send in mechanisms 3 to 6; 8 to 64 are accepted."""

HLS_MD5 = 3
HLS_SHA1 = 4
HLS_GMAC = 5
HLS_SHA256 = 6
HLS_ECDSA = 7
ECDSA_CHALLENGE_OCTETS = 32
"""Least length of the challenges we send in mechanism 7; 8 and more are accepted."""

_WEAK = {HLS_MD5: "MD5", HLS_SHA1: "SHA-1"}
_WHERE = "authentication"
_FAILED = "the peer failed to authenticate itself: wrong secret, or another mechanism"


def check_password(expected: bytes, given: bytes) -> None:
    """Mechanism 1: raise `SecurityError` unless the password is right; an empty one never is."""
    if not expected:
        raise SecurityError("no password is set", where=_WHERE)
    require_equal(expected, given, "wrong password", where=_WHERE)


def check_strength(mechanism: int, *, weak: bool) -> None:
    """Raise `UsageError` for mechanisms 3 and 4 unless `weak` says that they are wanted.

    Their digests are fast and broken: whoever records one exchange searches it for the secret.
    """
    digest = _WEAK.get(mechanism)
    if digest is not None and not weak:
        message = (
            f"{digest} (mechanism {mechanism}) is too weak to be used unasked: prefer SHA-256 or "
            "GMAC, or say weak=True (--weak) for a meter that knows nothing better"
        )
        raise UsageError(message, where=_WHERE)


def check_challenges(sent: bytes, received: bytes) -> None:
    """Raise `SecurityError` for a challenge of impossible length, or one that is ours sent back.

    A peer that reflects our challenge would have us compute its answer.
    """
    if not 8 <= len(received) <= 64:
        message = f"a challenge has 8 to 64 octets, not {len(received)}"
        raise SecurityError(message, where=_WHERE)
    if sent == received:
        raise SecurityError("the peer sent our own challenge back", where=_WHERE)


def check_system_titles(own: bytes, peer: bytes) -> None:
    """Raise `SecurityError` when the peer claims our title: both would use the same nonces."""
    if len(peer) != 8:
        message = f"the peer's system title has {len(peer)} octets instead of 8"
        raise SecurityError(message, where=_WHERE)
    if own == peer:
        raise SecurityError("the peer claims our own system title", where=_WHERE)


def digest_reply(
    mechanism: int,
    secret: bytes,
    *,
    received: bytes,
    sent: bytes = b"",
    own_title: bytes = b"",
    peer_title: bytes = b"",
) -> bytes:
    """Answer the challenge `received` by mechanism 3 (MD5), 4 (SHA-1) or 6 (SHA-256).

    Mechanism 6 also digests our own challenge `sent` and both system titles of 8 octets. The same
    call serves both sides. Raises `UsageError` for another mechanism, an empty secret, or titles
    that mechanism 6 lacks.
    """
    if not secret:
        raise UsageError("high level security needs a secret")
    if mechanism == HLS_MD5:
        return md5(received + secret)
    if mechanism == HLS_SHA1:
        return sha1(received + secret)
    if mechanism == HLS_SHA256:
        titles = check_system_title(own_title) + check_system_title(peer_title)
        return sha256(secret + titles + received + sent)
    raise UsageError(f"mechanism {mechanism} does not answer by a digest")


def check_digest_reply(
    mechanism: int,
    secret: bytes,
    reply: bytes,
    *,
    sent: bytes,
    received: bytes = b"",
    own_title: bytes = b"",
    peer_title: bytes = b"",
) -> None:
    """Raise `SecurityError` unless `reply` is the peer's right answer to our challenge `sent`."""
    expected = digest_reply(
        mechanism,
        secret,
        received=sent,
        sent=received,
        own_title=peer_title,
        peer_title=own_title,
    )
    require_equal(expected, reply, _FAILED, where=_WHERE)


def ecdsa_reply(
    signing: SigningKey, *, received: bytes, sent: bytes, own_title: bytes, peer_title: bytes
) -> bytes:
    """Mechanism 7: our signature, r and s, that answers the challenge `received`."""
    titles = check_system_title(own_title) + check_system_title(peer_title)
    return signing.sign(titles + received + sent)


def check_ecdsa_reply(
    peer_public: bytes,
    reply: bytes,
    *,
    sent: bytes,
    received: bytes,
    own_title: bytes,
    peer_title: bytes,
) -> None:
    """Mechanism 7: raise `SecurityError` unless the peer signed the answer to `sent`."""
    titles = check_system_title(peer_title) + check_system_title(own_title)
    try:
        verify(peer_public, reply, titles + sent + received)
    except SecurityError:
        message = "the peer failed to authenticate itself: other certificate, title or challenge"
        raise SecurityError(message, where=_WHERE) from None


def gmac_token(sealer: Sealer, challenge: bytes) -> bytes:
    """Mechanism 5: our answer to the peer's challenge, 17 octets; takes one counter value.

    Make it before the APDU that carries it is sealed.
    """
    return sealer.token(challenge)


def check_gmac_token(opener: Opener, token: bytes, challenge: bytes) -> int:
    """Mechanism 5: check the peer's answer to our challenge; the counter that it used.

    Call it after the APDU that carried the token was opened by the same `opener`. Raises
    `SecurityError`.
    """
    return opener.check_token(token, challenge)
