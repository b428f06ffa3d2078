"""Answers of the authentication mechanisms: vectors and refusals [facts-g]."""

from __future__ import annotations

import pytest

from ferraris.core.errors import SecurityError, UsageError
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener, Sealer, hls

CLIENT = bytes.fromhex("4D4D4D0000000001")
SERVER = bytes.fromhex("4D4D4D0000BC614E")
CTOS, STOC, SECRET = b"K56iVagY", b"P6wRJ21F", b"12345678"
VECTORS = [
    (3, "53D4537E37DAB4FF089629E25557AF9F", "870F56D7F2BA75482CA41BE31A21630B"),
    (
        4,
        "6DBD949D1B1EFDD6FE5F9EA627877E986E8708CB",
        "900162368EE99CD4765ECE8E9075D3DE84C44A95",
    ),
    (
        6,
        "67342BAA6815DA654EEFBB879B6A23DA0D2BB0404ABBB1A738631241A6B96516",
        "5DA97807E1B30B5D95A5B48BDA34C4232130F761E57C316CCDEF70322605A90D",
    ),
]


@pytest.mark.parametrize(("mechanism", "client_answer", "server_answer"), VECTORS)
def test_digest_vectors_both_ways(mechanism: int, client_answer: str, server_answer: str) -> None:
    first = hls.digest_reply(
        mechanism, SECRET, received=STOC, sent=CTOS, own_title=CLIENT, peer_title=SERVER
    )
    assert first == bytes.fromhex(client_answer)
    second = hls.digest_reply(
        mechanism, SECRET, received=CTOS, sent=STOC, own_title=SERVER, peer_title=CLIENT
    )
    assert second == bytes.fromhex(server_answer)
    hls.check_digest_reply(  # the server checks the client
        mechanism, SECRET, first, sent=STOC, received=CTOS, own_title=SERVER, peer_title=CLIENT
    )
    hls.check_digest_reply(  # the client checks the server
        mechanism, SECRET, second, sent=CTOS, received=STOC, own_title=CLIENT, peer_title=SERVER
    )
    for wrong in (b"", first, second[:-1], second + b"\x00"):
        with pytest.raises(SecurityError) as caught:
            hls.check_digest_reply(
                mechanism,
                SECRET,
                wrong,
                sent=CTOS,
                received=STOC,
                own_title=CLIENT,
                peer_title=SERVER,
            )
        assert second.hex() not in str(caught.value)
        assert "12345678" not in str(caught.value)


def test_mechanisms_that_do_not_digest() -> None:
    for mechanism in (0, 1, 2, 5, 7):
        with pytest.raises(UsageError):
            hls.digest_reply(mechanism, SECRET, received=CTOS)
    with pytest.raises(UsageError):
        hls.digest_reply(3, b"", received=CTOS)
    with pytest.raises(UsageError):
        hls.digest_reply(6, SECRET, received=CTOS, sent=STOC)


def test_gmac_by_name() -> None:
    keys = CipherKeys(0, bytes(range(16)), bytes(range(0xD0, 0xE0)))
    token = hls.gmac_token(Sealer(keys, CLIENT, CounterLease(1, 2)), STOC)
    assert token == bytes.fromhex("10000000011A52FE7DD3E72748973C1E28")
    assert hls.check_gmac_token(Opener(keys, CLIENT), token, STOC) == 1
    with pytest.raises(SecurityError):  # another originator
        hls.check_gmac_token(Opener(keys, SERVER), token, STOC)


def test_passwords() -> None:
    hls.check_password(b"secret-1", b"secret-1")
    for given in (b"", b"secret-2", b"secret-1 "):
        with pytest.raises(SecurityError) as caught:
            hls.check_password(b"secret-1", given)
        assert "secret" not in str(caught.value)
    with pytest.raises(SecurityError):
        hls.check_password(b"", b"")


def test_reflection_is_refused() -> None:
    hls.check_challenges(CTOS, STOC)
    with pytest.raises(SecurityError, match="back"):
        hls.check_challenges(CTOS, CTOS)
    for length in (0, 7, 65):
        with pytest.raises(SecurityError):
            hls.check_challenges(CTOS, bytes(length))
    hls.check_system_titles(CLIENT, SERVER)
    for peer in (CLIENT, b"", b"short"):
        with pytest.raises(SecurityError):
            hls.check_system_titles(CLIENT, peer)
