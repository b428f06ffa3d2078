"""Makes `small_device` importable for the tests of this folder, and one for each test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ferraris.server.device import LogicalDevice

sys.path.insert(0, str(Path(__file__).parent))

from small_device import Device


@pytest.fixture
def device() -> Device:
    made = Device()
    _: LogicalDevice = made
    return made
