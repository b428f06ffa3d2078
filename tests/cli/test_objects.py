"""Browsed objects as lines and as JSON: what is not known of a class is said."""

from __future__ import annotations

import json

import pytest

from ferraris.cli.objects import show_objects
from ferraris.client.browsing import BrowsedAttribute, BrowsedObject
from ferraris.data.obis import Obis

FOUND = [
    BrowsedObject(
        95,
        0,
        Obis.parse("0-0:96.128.1*255"),
        "Wi-SUN set-up",
        (BrowsedAttribute(2, "attribute 2", (17, 5)),),
        "layout not known",
    ),
    BrowsedObject(3, 0, Obis.parse("1-0:1.8.0*255"), "Register"),
]


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_objects("tcp://meter", FOUND, as_json=False)
    first, value, second = capsys.readouterr().out.splitlines()
    assert "Wi-SUN set-up (95, version 0), layout not known" in first
    assert value.split() == ["2", "attribute", "2", "unsigned", "5"]
    assert "Register (3, version 0) " in second
    assert "not known" not in second


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_objects("tcp://meter", FOUND, as_json=True)
    first, second = json.loads(capsys.readouterr().out)["objects"]
    assert (first["class"], first["layout"]) == ("Wi-SUN set-up", "layout not known")
    assert (second["class"], second["layout"]) == ("Register", None)
