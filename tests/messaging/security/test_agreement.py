"""Key agreement: published vectors of suite 1, both directions, and suite 2 by symmetry."""

from __future__ import annotations

from random import Random

import pytest

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.crypto.curves import Curve, PrivateKey, verify
from ferraris.messaging.dlms.security.agreement import (
    Purpose,
    agree_ephemeral_unified,
    agree_one_pass,
    agree_static_unified,
    curve_of,
    open_ephemeral,
    open_key_data,
    signed_ephemeral,
    signed_key_data,
)

CLIENT_TITLE = bytes.fromhex("4D4D4D0000BC614E")
SERVER_TITLE = bytes.fromhex("4D4D4D0000000001")

CLIENT_SIGNING = "418073C239FA6125011DE4D6CD2E645780289F761BB21BFB0835CB5585E8B373"
CLIENT_SIGNING_PUBLIC = bytes.fromhex(
    "BAAFFDE06A8CB1C9DAE8D94023C601DBBB249254BA22EDD827E820BCA2BCC64362FBB83D86A82B87BB8B7161D2AA"
    "B5521911A946B97A284A90F7785CD9047D25"
)
SERVER_SIGNING_PUBLIC = bytes.fromhex(
    "933ACF15B03A9248E029B2787FB52A0AECAF635F07C42A0019FB3197E38F8F549A125EA36781B0CA96BE89A0E1FE"
    "2CF9B7361ED48B3C5E24592B9C0F4EDD31D1"
)
# C(2e,0s)
CLIENT_KEY_DATA = bytes.fromhex(
    "2914D60E10AB705F62ED6CC349D7CB99B9AB3F3978E59278C7AF595B3AF987941372DAB6D5AF1FA867E134167E6F"
    "23DE664A6693E05F43414611058D1B48F894"
    "06F0607702AA0E2435A183E2F6B1ECD19629712E389A213610C03F77B2590860EA840AF5C3FA1F2BCDF055D4744E"
    "9A01CE9A0E55026BCAA4EEBEB764CED64BB3"
)
SERVER_EPHEMERAL = "34A8C23A34DBB519D09B245754C85A6CFE05D14A063EFA5AA41545AA8241EFAE"
SERVER_EPHEMERAL_PUBLIC = bytes.fromhex(
    "95F41066009B185B074F5FFFF736B71C325FCADB2BC0CF1A4F4B17BBE7AB81D62946506BC8169C7B539B39A5D846"
    "3787F449C9BD2583FA67A1075B0DBFC638BA"
)
# C(1e,1s), client to server
CLIENT_EPHEMERAL = "47DAB03842E5B6E74828EF4F449B378D7DD1A5DAE1FFCA5AE0B0BE0AD18EC57E"
CLIENT_EPHEMERAL_SIGNED = bytes.fromhex(
    "C323C2BD45711DE4688637D919F92E9DB8FB2DFC213A88D21C9DC8DCBA917D8170511DE1BADB360D50058F794B09"
    "60AE11FA28D392CFF907A62D13E3357B1DC0"
    "B51BE089D0B682863B2217201E73A1A9031968A9B4121DCBC3281A69739AF87429F5B3AC5471E7B6A04A2C0F2F8A"
    "25FD772A317DF97FC5463FEAC248EB8AB8BE"
)
SERVER_STATIC = "AAD3FD0732E991CF52A74C66C1F2827DDC53522A2E0A169D7C4FFCC0FB5D6A4D"
SERVER_STATIC_PUBLIC = bytes.fromhex(
    "A653565B0E06070BAE9FBE140A5D2156812AEE2DD525053E3EFC850BF13BFDFFCB240BC7B77BFF5883344E727590"
    "8D2287BEFA3725017295A096989D2338290B"
)
# C(1e,1s), server to client
CLIENT_STATIC = "A51C16FF5C498FCC89323D4A9267CD71BF81FD6F6A891CD240DA7F3D6F283E65"
SERVER_EPHEMERAL_SIGNED = bytes.fromhex(
    "6439724714B47CD9CB988897D8424AB946DCD083D37A954637616011B9C2378773295F0F850D8DAFD1BBE9FE666E"
    "53E4F097CD10B38B69622152724A90987444"
    "E1FF47974A1F6931A6502F58147463F0E8CC517D47F55B0AC56DD8AC5C9D0E481934F2D90F9893016BD82B6E3FFE"
    "21FF1588F3278B4E9D98EB4FB62ADD64B380"
)
TRANSACTION = bytes.fromhex("0102030405060708")


def private(octets: str) -> PrivateKey:
    return PrivateKey.from_octets(bytes.fromhex(octets))


def test_published_public_keys_belong_to_their_private_ones() -> None:
    assert private(CLIENT_SIGNING).public_key == CLIENT_SIGNING_PUBLIC
    assert private(SERVER_EPHEMERAL).public_key == SERVER_EPHEMERAL_PUBLIC
    assert private(SERVER_STATIC).public_key == SERVER_STATIC_PUBLIC
    assert private(CLIENT_EPHEMERAL).public_key == CLIENT_EPHEMERAL_SIGNED[:64]


def test_two_ephemeral_keys() -> None:
    peer = open_key_data(0, CLIENT_KEY_DATA, Curve.P256, CLIENT_SIGNING_PUBLIC)
    key = agree_ephemeral_unified(
        1,
        private(SERVER_EPHEMERAL),
        peer,
        initiator_title=CLIENT_TITLE,
        responder_title=SERVER_TITLE,
    )
    assert key.hex().upper() == "C5F4512846EDE51CFB8CCF59F08A694E"
    for wrong in (1, 2, 3):
        with pytest.raises(SecurityError):
            open_key_data(wrong, CLIENT_KEY_DATA, Curve.P256, CLIENT_SIGNING_PUBLIC)


def test_one_ephemeral_and_one_static_key() -> None:
    to_server = {"originator_title": CLIENT_TITLE, "recipient_title": SERVER_TITLE}
    peer = open_ephemeral(CLIENT_EPHEMERAL_SIGNED, Curve.P256, CLIENT_SIGNING_PUBLIC)
    key = agree_one_pass(1, private(SERVER_STATIC), peer, **to_server)
    assert key.hex().upper() == "59A71FD81C929A86A99438DA17A66C05"
    sent = agree_one_pass(1, private(CLIENT_EPHEMERAL), SERVER_STATIC_PUBLIC, **to_server)
    assert sent == key
    peer = open_ephemeral(SERVER_EPHEMERAL_SIGNED, Curve.P256, SERVER_SIGNING_PUBLIC)
    key = agree_one_pass(
        1,
        private(CLIENT_STATIC),
        peer,
        originator_title=SERVER_TITLE,
        recipient_title=CLIENT_TITLE,
    )
    assert key.hex().upper() == "F0184BDA9466BFA4601A64A7EF46504A"


def test_two_static_keys() -> None:
    titles = {"originator_title": CLIENT_TITLE, "recipient_title": SERVER_TITLE}
    key = agree_static_unified(
        1,
        private(CLIENT_STATIC),
        SERVER_STATIC_PUBLIC,
        transaction_id=TRANSACTION,
        **titles,
    )
    assert key.hex().upper() == "56C46B57DF675515C31025455822514A"
    theirs = agree_static_unified(
        1,
        private(SERVER_STATIC),
        private(CLIENT_STATIC).public_key,
        transaction_id=TRANSACTION,
        **titles,
    )
    assert theirs == key
    other = agree_static_unified(
        1,
        private(CLIENT_STATIC),
        SERVER_STATIC_PUBLIC,
        transaction_id=TRANSACTION[:-1],
        **titles,
    )
    assert other != key


@pytest.mark.parametrize(("suite", "octets"), [(1, 16), (2, 32)])
def test_both_sides_agree_in_every_scheme(suite: int, octets: int) -> None:
    chance = Random(suite)
    curve = curve_of(suite)
    client, server, signing = (PrivateKey.generate(curve, chance.randbytes) for _ in range(3))
    data = signed_key_data(3, client.public_key, signing)
    assert open_key_data(3, data, curve, signing.public_key) == client.public_key
    titles = {"initiator_title": CLIENT_TITLE, "responder_title": SERVER_TITLE}
    for purpose in Purpose:
        keys = {
            agree_ephemeral_unified(suite, own, peer, purpose=purpose, **titles)
            for own, peer in ((client, server.public_key), (server, client.public_key))
        }
        assert len(keys) == 1
        assert len(keys.pop()) == octets
    data = signed_ephemeral(client.public_key, signing)
    assert open_ephemeral(data, curve, signing.public_key) == client.public_key
    for position in range(0, len(data) * 8, 37):
        altered = bytearray(data)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(SecurityError):
            open_ephemeral(bytes(altered), curve, signing.public_key)
    for cut in (b"", data[:-1], data + b"\x00"):
        with pytest.raises(DecodeError):
            open_ephemeral(cut, curve, signing.public_key)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError):
        curve_of(0)
    key = private(CLIENT_STATIC)
    with pytest.raises(SecurityError, match="no point"):
        key.agree(b"\x01" * 64)
    with pytest.raises(SecurityError, match="not of P-256"):
        key.agree(b"\x01" * 96)
    with pytest.raises(UsageError):
        PrivateKey.from_octets(b"\x00" * 32)
    with pytest.raises(UsageError):
        verify(b"\x01" * 63, bytes(64), b"")
    assert "…" in repr(key)
