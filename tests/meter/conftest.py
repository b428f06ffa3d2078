from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ferraris.meter.fleet import Fleet
from ferraris.meter.template import Template
from ferraris.meter.templates import template

sys.path.insert(0, str(Path(__file__).parent))  # for meter_asking, which the tests share


@pytest.fixture(scope="session")
def residential() -> Template:
    return template("residential")


@pytest.fixture
def fleet(residential: Template) -> Fleet:
    return Fleet(residential, 50, seed=7)
