"""Security control octets, suites and the tags of ciphered services."""

from __future__ import annotations

import pytest

from ferraris.messaging.dlms.security import SecurityControl, SecuritySuite
from ferraris.messaging.dlms.tags import DEDICATED, GLOBAL


def test_control_octet() -> None:
    assert SecurityControl.of() == 0x30
    assert SecurityControl.of(2, encryption=False) == 0x12
    assert SecurityControl.of(1, authentication=False, broadcast=True) == 0x61
    control = SecurityControl(0xB0)
    assert control.compression
    assert control.authentication
    assert control.encryption
    assert not control.broadcast
    assert control.suite == 0
    assert repr(control) == (
        "SecurityControl(0xB0: suite 0, authentication+encryption+compression)"
    )
    assert repr(SecurityControl(0)) == "SecurityControl(0x00: suite 0, none)"


def test_suites() -> None:
    assert [suite.key_octets for suite in SecuritySuite] == [16, 16, 32]


@pytest.mark.parametrize(
    ("plain", "glo", "ded"),
    [
        (0x01, 0x21, 0x41),
        (0x05, 0x25, 0x45),
        (0x06, 0x26, 0x46),
        (0x08, 0x28, 0x48),
        (0x0C, 0x2C, 0x4C),
        (0x0D, 0x2D, 0x4D),
        (0x0E, 0x2E, 0x4E),
        (0x16, 0x36, 0x56),
        (0x18, 0x38, 0x58),
        (0xC0, 0xC8, 0xD0),
        (0xC1, 0xC9, 0xD1),
        (0xC2, 0xCA, 0xD2),
        (0xC3, 0xCB, 0xD3),
        (0xC4, 0xCC, 0xD4),
        (0xC5, 0xCD, 0xD5),
        (0xC7, 0xCF, 0xD7),
    ],
)
def test_tags(plain: int, glo: int, ded: int) -> None:
    assert (GLOBAL[plain], DEDICATED[plain]) == (glo, ded)


def test_tags_without_twin() -> None:
    for tag in (0x0F, 0xC6, 0xD8, 0xD9, 0xDA, 0xDB):
        assert tag not in GLOBAL
        assert tag not in DEDICATED
