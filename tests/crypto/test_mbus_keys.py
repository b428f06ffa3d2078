from __future__ import annotations

import pytest

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.mbus_keys import (
    DeviceAddress,
    opened_dsmr4,
    opened_smr5,
    wrapped_dsmr4,
    wrapped_smr5,
)

DEFAULT = bytes(range(16))
USER = bytes.fromhex("11111111222222223333333344444455")
ADDRESS = DeviceAddress("99310014", 0x198F, 0x50, 3)


def test_the_public_vector_of_one_block() -> None:
    """Published by the head-end platform GXF, computed again [gxf-profiles]."""
    wrapped = wrapped_dsmr4(DEFAULT, USER)
    assert wrapped.hex().upper() == "08EAB184363141F1E7B554939DFB75B8"
    assert opened_dsmr4(DEFAULT, wrapped) == USER


def test_the_public_vector_with_counter_and_tag() -> None:
    """Published by the head-end platform GXF, computed again [gxf-profiles]."""
    assert ADDRESS.octets.hex() == "140031998f195003"
    wrapped = wrapped_smr5(DEFAULT, USER, ADDRESS, 1)
    assert wrapped.hex().upper() == ("000000011928DD82E493E489EED5A235E771C2232523C60AC982F22C820A")
    assert opened_smr5(DEFAULT, wrapped, ADDRESS, 0) == (1, 2, USER)


@pytest.mark.parametrize("place", range(30))
def test_every_altered_octet_is_noticed(place: int) -> None:
    wrapped = bytearray(wrapped_smr5(DEFAULT, USER, ADDRESS, 5))
    wrapped[place] ^= 0x40
    with pytest.raises(SecurityError):
        opened_smr5(DEFAULT, bytes(wrapped), ADDRESS, 0)


def test_what_does_not_fit() -> None:
    wrapped = wrapped_smr5(DEFAULT, USER, ADDRESS, 5)
    with pytest.raises(SecurityError, match="used before"):
        opened_smr5(DEFAULT, wrapped, ADDRESS, 5)
    with pytest.raises(SecurityError, match="tag"):
        opened_smr5(DEFAULT, wrapped, ADDRESS._replace(number="99310015"), 0)
    with pytest.raises(SecurityError, match="30 octets"):
        opened_smr5(DEFAULT, wrapped[:-1], ADDRESS, 0)
    with pytest.raises(SecurityError, match="16 octets"):
        opened_dsmr4(DEFAULT, USER[:-1])
    for make in (lambda: wrapped_dsmr4(DEFAULT, b"short"), lambda: wrapped_dsmr4(b"short", USER)):
        with pytest.raises(UsageError, match="16 octets"):
            make()
    with pytest.raises(UsageError, match="16 octets"):
        wrapped_smr5(DEFAULT, b"short", ADDRESS, 1)
