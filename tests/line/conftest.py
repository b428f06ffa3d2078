"""A simulated cable for the tests of serial lines, certificates for those of TLS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from certificates import Authority
from loopback import Files

from ferraris.meter.cable import Cable


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.unplug()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def certificates(authority: Authority) -> Files:
    """Options for a listener, and for clients that trust it."""
    certificate, key = authority.issue("meter")
    return {"cert": str(certificate), "key": str(key)}, {"ca": str(authority.file)}
