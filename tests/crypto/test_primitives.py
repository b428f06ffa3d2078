"""AES-GCM with short tags, key wrap and digests: vectors and refusals."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.compare import require_equal
from ferraris.crypto.digests import md5, sha1, sha256
from ferraris.crypto.gcm import Gcm
from ferraris.crypto.wrap import unwrap, unwrap_padded, wrap, wrap_padded

KEY = bytes(range(16))


@given(st.binary(min_size=12, max_size=12), st.binary(max_size=60), st.binary(max_size=300))
def test_gcm_agrees_with_the_general_interface(vector: bytes, head: bytes, plain: bytes) -> None:
    encryptor = Cipher(algorithms.AES(KEY), modes.GCM(vector)).encryptor()
    encryptor.authenticate_additional_data(head)
    expected = encryptor.update(plain) + encryptor.finalize()
    tag = encryptor.tag[:12]
    gcm = Gcm(KEY)
    assert gcm.seal(vector, head, plain) == expected + tag
    assert gcm.open(vector, head, expected + tag) == plain
    assert gcm.stream(vector, plain) == expected
    assert gcm.stream(vector, expected) == plain
    gcm.check(vector, head, gcm.tag(vector, head))


def test_gcm_refuses_any_change() -> None:
    gcm, vector = Gcm(KEY), bytes(12)
    sealed = gcm.seal(vector, b"head", b"plain text")
    for position in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(SecurityError):
            gcm.open(vector, b"head", bytes(altered))
    for wrong in (sealed[:-1], sealed[1:], sealed[:11], b""):
        with pytest.raises(SecurityError):
            gcm.open(vector, b"head", wrong)
    with pytest.raises(SecurityError):
        gcm.open(vector, b"heap", sealed)
    with pytest.raises(SecurityError):
        gcm.check(vector, b"head", b"")
    for length in (0, 15, 24, 33):
        with pytest.raises(UsageError):
            Gcm(bytes(length))


@pytest.mark.parametrize(
    ("kek", "key", "wrapped"),
    [
        (
            bytes(range(16)),
            "00112233445566778899AABBCCDDEEFF",
            "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5",
        ),
        (
            bytes(range(32)),
            "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
        ),
    ],
)
def test_key_wrap_vectors(kek: bytes, key: str, wrapped: str) -> None:
    assert wrap(kek, bytes.fromhex(key)) == bytes.fromhex(wrapped)
    assert unwrap(kek, bytes.fromhex(wrapped)) == bytes.fromhex(key)
    altered = bytearray.fromhex(wrapped)
    altered[3] ^= 1
    with pytest.raises(SecurityError) as caught:
        unwrap(kek, bytes(altered))
    assert key.lower() not in str(caught.value).lower()


@pytest.mark.parametrize(
    ("secret", "wrapped"),
    [
        (
            "c37b7e6492584340bed12207808941155068f738",
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
        ),
        ("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
    ],
)
def test_padded_wrap_vectors(secret: str, wrapped: str) -> None:
    """The two of RFC 5649."""
    kek = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
    assert wrap_padded(kek, bytes.fromhex(secret)).hex() == wrapped
    assert unwrap_padded(kek, bytes.fromhex(wrapped)).hex() == secret
    altered = bytearray.fromhex(wrapped)
    altered[-1] ^= 1
    for bad in (bytes(altered), altered[:-1], b"", bytes(16), bytes(8000)):
        with pytest.raises(SecurityError):
            unwrap_padded(kek, bytes(bad))
    for secret_octets in (0, 4097):
        with pytest.raises(UsageError):
            wrap_padded(kek, bytes(secret_octets))


def test_key_wrap_lengths() -> None:
    for kek, key in [(b"", KEY), (KEY, b""), (KEY, bytes(17))]:
        with pytest.raises(UsageError):
            wrap(kek, key)
    for wrapped in (b"", bytes(8), bytes(25), bytes(48)):
        with pytest.raises(SecurityError):
            unwrap(KEY, wrapped)
    with pytest.raises(UsageError):
        unwrap(bytes(5), bytes(24))


def test_digests() -> None:
    assert md5(b"").hex() == "d41d8cd98f00b204e9800998ecf8427e"
    assert sha1(b"abc").hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert sha256(b"abc").hex().startswith("ba7816bf8f01cfea414140de5dae2223")


def test_comparison_shows_nothing() -> None:
    require_equal(b"same", b"same", "differs")
    with pytest.raises(SecurityError) as caught:
        require_equal(b"expected", b"given", "differs", where="here")
    assert str(caught.value) == "here: differs"


def test_the_library_is_loaded_when_the_first_key_is_used() -> None:
    """It takes longer to load than all of `import ferraris` may take."""
    lines = [
        "import sys",
        "import ferraris.keys, ferraris.messaging.dlms.security.hls",
        "assert 'cryptography' not in sys.modules",
        "ferraris.messaging.dlms.security.CipherKeys(0, bytes(16), bytes(16)).cipher()",
        "assert 'cryptography' in sys.modules",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, timeout=20)
