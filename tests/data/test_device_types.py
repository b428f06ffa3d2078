"""Device types of M-Bus: codes, names, and the medium of their values."""

from __future__ import annotations

import pytest

from ferraris.data.device_types import DEVICE_TYPES, device_type


@pytest.mark.parametrize(
    ("code", "name", "medium"),
    [
        (0x02, "electricity", 1),
        (0x03, "gas", 7),
        (0x06, "warm water, 30 to 90 °C", 9),
        (0x08, "heat cost allocator", 4),
        (0x0A, "cooling, volume measured at the outlet", 5),
        (0x0C, "heat, volume measured at the inlet", 6),
        (0x16, "cold water", 8),
        (0x1A, "smoke detector", None),
        (0x37, "radio converter, meter side", None),
    ],
)
def test_names_and_media(code: int, name: str, medium: int | None) -> None:
    assert device_type(code) == (code, name, medium)


def test_a_reserved_code_says_so() -> None:
    assert device_type(0x22).name == "reserved 22h"
    assert device_type(0x22).medium is None


def test_names_are_distinct() -> None:
    assert len({each.name for each in DEVICE_TYPES.values()}) == len(DEVICE_TYPES)
