"""Deviations are chosen by name, and unknown names are refused with those that are known."""

from __future__ import annotations

import pytest

from ferraris.client.security import HighECDSA, HighGMAC
from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.security.deviations import check_association, deviation


def test_names() -> None:
    assert deviation("gbcs") is deviation("GBCS")
    for name in ("", "gbcs2", "idis"):
        with pytest.raises(UsageError, match="known are gbcs"):
            deviation(name)


def test_associations_have_none_of_those_known() -> None:
    check_association("")
    for kind in (HighGMAC, HighECDSA):
        assert kind(bytes(16), bytes(16)).deviation == ""
        with pytest.raises(UsageError, match="format of messages, not of associations"):
            kind(bytes(16), bytes(16), deviation="gbcs")
        with pytest.raises(UsageError, match="known are gbcs"):
            kind(bytes(16), bytes(16), deviation="dsmr")
