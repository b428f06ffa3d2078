"""A night of a whole neighbourhood: what fails heals, what is late comes, and all of it is true."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

COMMAND = [sys.executable, "-c", "from ferraris.cli.main import main; main()", "demo"]


def summary_of(store: str, meters: int) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, "--meters", str(meters), "--once", "--json", "--store", store],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    assert isinstance(summary, dict)
    return summary


def check_night(summary: dict[str, Any], meters: int, troubled: int) -> None:
    """Everything is there in the end, what was late is told, and all of it is true."""
    assert summary["meters"] == summary["read"] == meters
    assert summary["failed"] == 0
    assert (summary["registers"], summary["intervals"]) == (20 * meters, 96 * meters)
    night = summary["night"]
    first, second, third = night["rounds"]
    dead = (troubled + 1) // 2
    assert night["delivered"] == meters
    assert night["registered"] == min(20, meters - troubled)
    assert dead <= first["failed"] <= troubled
    assert second["failed"] == dead
    assert third["failed"] == 0
    assert (third["due"], third["late"]) == (meters, dead)
    assert first["finals"]["estimated"] >= 96 * dead
    assert third["finals"]["estimated"] == third["finals"]["missing"] == 0
    values = 4 * 96 * meters
    expected = {"intervals": values, "registers": 4 * meters, "finals": values, "wrong": 0}
    assert night["agreement"] == expected


def test_a_night_and_the_same_night_again(tmp_path) -> None:
    store = str(tmp_path / "demo.sqlite")
    summary = summary_of(store, 24)
    check_night(summary, 24, 2)
    assert summary["store"] == store
    # The same night again: everything is there, so nothing is read twice.
    again = summary_of(store, 24)
    assert (again["read"], again["failed"], again["registers"], again["intervals"]) == (24, 0, 0, 0)
    assert again["night"]["agreement"] == summary["night"]["agreement"]


@pytest.mark.services
def test_the_same_in_postgresql(postgresql_location: str) -> None:
    check_night(summary_of(postgresql_location, 24), 24, 2)
