"""A night of a whole neighbourhood: what fails heals, what is late comes, and all of it is true."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from ferraris.headend.demo.night import Night, NightSettings
from ferraris.meter.faults import lots

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


def cut(meters: list[Any], at_s: float) -> None:
    """From now on no answer of these arrives."""
    for meter in meters:
        lots.begin(meter, "cut before answer", int(at_s), share=1.0)


def mend(meters: list[Any], at_s: float) -> None:
    for meter in meters:
        lots.end(meter, "cut before answer", int(at_s))


def test_a_machine_that_lets_everybody_wait_changes_no_count(tmp_path, monkeypatch) -> None:
    """Whenever meters are registered or read, none of them is heard the first time."""
    failed: list[int] = []

    async def story() -> Night:
        settings = NightSettings(store=tmp_path / "demo.sqlite", keys=tmp_path / "keys", meters=4)
        async with Night(settings) as night:
            meters, run_once = list(night.neighbourhood.fleets[0]), night.whole.collection.run_once
            registered: list[int] = []
            register = night.whole.registrar.round

            async def registering() -> int:
                if not registered:
                    cut(meters, night.clock())
                registered.append(await register())
                mend(meters, night.clock())
                return registered[-1]

            monkeypatch.setattr(night.whole.registrar, "round", registering)
            assert night.deliver() == await night.commission() == 4
            assert registered == [4, 0, 4, 0]

            async def waiting() -> Any:
                if not failed or failed[-1] == 0:
                    cut(meters, night.clock())
                summary = await run_once()
                mend(meters, night.clock())
                failed.append(summary.failed)
                return summary

            monkeypatch.setattr(night.whole.collection, "run_once", waiting)
            evening = await night.evening()
            assert evening is not None
            assert (evening.failed, evening.intervals) == (0, 2 * 96 * 4)
            for part in (night.first_round, night.second_round, night.third_round):
                await part()
            night.compare()
            return night

    told = asyncio.run(story()).told
    assert (told.summary.registers, told.summary.intervals) == (20 * 4, 96 * 4)
    assert failed == [4, 0, 4, 0, 0, 0]  # the evening and three rounds, two of them once more
    assert told.success[0].in_time == 4
    assert told.agreement.whole
