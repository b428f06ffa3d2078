"""`sim://` at the command line: a meter in the process that gives its own keys."""

from __future__ import annotations

from typing import Any


def test_a_simulated_meter_is_read_without_keys(ferraris: Any) -> None:
    ran = ferraris("read", "sim://residential", "1-0:1.8.0", "1-0:32.7.0", "--json")
    assert ran.code == 0, ran.err
    assert "1-0:1.8.0*255" in ran.out


def test_an_unknown_template_is_named(ferraris: Any) -> None:
    ran = ferraris("read", "sim://castle", "1-0:1.8.0")
    assert ran.code == 2
    assert "residential" in ran.err
