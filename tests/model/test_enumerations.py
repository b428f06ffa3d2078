"""Every enumeration by name, found where it is declared."""

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.model.enumerations import enumeration, enumerations
from ferraris.model.management import ImageTransferStatus
from ferraris.model.time_control import ControlState


def test_states_are_those_of_their_classes() -> None:
    assert enumeration("control-state").values == {
        0: "disconnected",
        1: "connected",
        2: "ready for reconnection",
    }
    assert set(enumeration("image-transfer-status").values) == set(map(int, ImageTransferStatus))
    assert set(enumeration("control-state").values) == set(map(int, ControlState))
    assert set(enumeration("control-mode-v1").values) == set(range(8))
    assert {"account-status", "credit-status", "token-status-code"} <= set(enumerations())


def test_bits_of_a_clock() -> None:
    status = enumeration("clock-status")
    assert status.bits
    assert status.values == {
        1: "invalid value",
        2: "doubtful value",
        4: "different clock base",
        8: "invalid clock status",
        128: "daylight saving",
    }


def test_device_types_of_m_bus() -> None:
    types = enumeration("device-type")
    assert not types.bits
    assert types.values[7] == "water"
    assert types.values[0x21] == "valve, gas or water"


def test_each_says_what_it_is_about() -> None:
    for found in enumerations().values():
        assert found.about.endswith("."), found
        assert "[" not in found.about
        assert found.values


def test_an_unknown_one() -> None:
    with pytest.raises(UsageError, match="perpetuum"):
        enumeration("perpetuum")
