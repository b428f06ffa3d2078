"""Values and objects as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ferraris.cli.values import parse_moment, parse_object, parse_value
from ferraris.core.errors import UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.model.time_control import Clock, DisconnectControl


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("unsigned:5", (17, 5)),
        ("double-long:-0x10", (5, -16)),
        ("boolean:yes", (3, True)),
        ("octet-string:0a0b", (9, b"\n\x0b")),
        ("octet-string:'ab'", (9, b"ab")),
        ("visible-string:a:b", (10, "a:b")),
        ("float32:1.5", (23, 1.5)),
        ("hex:020111", None),
        ("hex:02011105", (2, [(17, 5)])),
        ("null", (0, None)),
        ("unsigned:256", None),
        ("unsigned:x", None),
        ("boolean:maybe", None),
        ("5", None),
    ],
)
def test_kinds(text, data):
    if data is None:
        with pytest.raises((UsageError, Exception)):
            parse_value(text)
    else:
        assert parse_value(text) == data


def test_the_declared_type_stands_in_for_the_kind():
    assert parse_value("2", DisconnectControl.control_mode.type) == (22, 2)
    tag, octets = parse_value("2026-03-01T12:00+01:00", Clock.time.type)
    assert tag == 9
    assert DateTime(octets).to_datetime() == datetime(2026, 3, 1, 11, tzinfo=UTC)


def test_objects():
    assert parse_object("8/0-0:1.0.0*255/2") == (8, Obis.of(0, 0, 1, 0, 0), 2)
    for wrong in ("8/1.0.0", "x/1.8.0/2", "3/nonsense/2"):
        with pytest.raises(UsageError):
            parse_object(wrong)


def test_moments():
    assert parse_moment("2026-03-01").tzinfo is UTC
    assert parse_moment("2026-03-01T00:00+01:00").astimezone(UTC).hour == 23
    with pytest.raises(UsageError, match="write 2026"):
        parse_moment("yesterday")
