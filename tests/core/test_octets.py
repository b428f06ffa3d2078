"""The bounded reader: every overrun is a DecodeError with its offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError
from ferraris.core.octets import Reader


def test_integers() -> None:
    reader = Reader(bytes.fromhex("01 ff 0102 fffe 01020304 aabb"))
    assert (reader.u8(), reader.i8(), reader.u16(), reader.i16()) == (1, -1, 0x0102, -2)
    assert reader.u32() == 0x01020304
    assert reader.peek() == 0xAA
    assert reader.rest() == b"\xaa\xbb"
    assert reader.peek() is None
    reader.finish()


def test_errors_name_layer_and_offset() -> None:
    reader = Reader(b"\x01\x02\x03", where="hdlc")
    reader.u16()
    with pytest.raises(DecodeError, match="hdlc: 2 octets expected, 1 left at octet 2") as caught:
        reader.u16()
    assert caught.value.offset == 2


def test_a_restricted_reader_keeps_offsets_and_ends() -> None:
    reader = Reader(b"\x00\x01\x02\x03\x04")
    reader.u8()
    inner = reader.restrict(2)
    assert inner.take(2) == b"\x01\x02"
    with pytest.raises(DecodeError) as caught:
        inner.u8()
    assert caught.value.offset == 3
    assert reader.u8() == 3
    with pytest.raises(DecodeError, match="exceeds"):
        reader.restrict(2)
    with pytest.raises(DecodeError, match="1 octets too many"):
        reader.finish()


@given(st.binary(max_size=40), st.lists(st.integers(-5, 50), max_size=8))
def test_never_reads_beyond_its_end(octets: bytes, counts: list[int]) -> None:
    reader = Reader(octets)
    taken = b""
    for count in counts:
        try:
            taken += reader.take(count)
        except DecodeError:
            continue
    assert octets.startswith(taken)
    assert reader.remaining == len(octets) - len(taken)
