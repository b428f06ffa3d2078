"""The street of the documents, by commands alone: run it, read all of it, hold both together."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import ferraris

STREET = Path(__file__).parents[2] / "docs" / "scenarios" / "street.yaml"
MAIN = [sys.executable, "-c", "from ferraris.cli.main import main; main()"]
STANDARD, FRAUD = "0-0:99.98.0*255", "0-0:99.98.1*255"
METERS, GROUPS, AT_ONCE = 200, 7, 25
BEGUN = 1_772_406_000
Log = Counter[tuple[int, int]]
OUTAGE = {"begins": 1, "ends": 2}
CODES = {
    "open meter cover": {"begins": 44, "ends": 45},
    "magnet": {"begins": 42, "ends": 43},
    "try wrong password": {"begins": 46},
}


class Run:
    """One run of the scenario: what it reported, and what clients read of it afterwards."""

    def __init__(self, folder: Path) -> None:
        keys, report = folder / "keys.jsonl", folder / "report.jsonl"
        command = [*MAIN, "meter", "run", "--scenario", str(STREET), "--speed", "max"]
        command += ["--listen", "tcp://127.0.0.1:0", "--keys-out", str(keys)]
        command += ["--report", str(report)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                told = 0
                while told < GROUPS:
                    told += process.stdout.readline().startswith("street: ")
                self.names = _read(keys, "0-0:42.0.0*255")
                self.versions = _read(keys, "1-0:0.2.0*255")
                self.keys = [json.loads(line) for line in keys.read_text().splitlines()]
                self.standard, self.fraud = asyncio.run(_logs(self.keys))
            finally:
                process.send_signal(signal.SIGTERM)
        assert process.returncode == 0
        self.report = [json.loads(line) for line in report.read_text().splitlines()]

    def of(self, *acts: str) -> Iterator[dict[str, Any]]:
        return (each for each in self.report if each["act"] in acts and each["refused"] is None)


def _read(keys: Path, *what: str) -> dict[str, Any]:
    """What `ferraris read --all` finds, by the meters' names."""
    command = [*MAIN, "read", "--all", "--keys", str(keys), *what, "--json"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(lines) == METERS
    return {line["id"]: line for line in lines}


async def _logs(keys: list[dict[str, Any]]) -> tuple[dict[str, Log], dict[str, Log]]:
    """Standard and fraud log of every meter; a short-name meter has no fraud log."""
    found: tuple[dict[str, Log], dict[str, Log]] = {}, {}

    async def look(line: dict[str, Any]) -> None:
        security = ferraris.HighGMAC(
            bytes.fromhex(line["encryption_key"]),
            bytes.fromhex(line["authentication_key"]),
            client=line["client"],
        )
        at = ferraris.connect(line["url"], server=line["server"], security=security)
        async with at as meter:
            found[0][line["id"]] = await _log(meter, STANDARD)
            if "names=short" not in line["url"]:
                found[1][line["id"]] = await _log(meter, FRAUD)

    for start in range(0, len(keys), AT_ONCE):
        await asyncio.gather(*(look(line) for line in keys[start : start + AT_ONCE]))
    return found


async def _log(meter: ferraris.Meter, name: str) -> Log:
    """Instant and code of each event since the scenario began, and how often it is there."""
    log = await meter.profile(name)
    events = zip(log.ends, log.columns[-1], strict=True)
    return Counter((int(end), int(code)) for end, code in events if end >= BEGUN)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("street"))


def _instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_all_two_hundred_are_read(run: Run) -> None:
    assert len(run.keys) == METERS
    for name, found in run.names.items():
        assert found["error"] is None
        assert found["readings"][0]["value"] == name


def test_the_fraud_logs_tell_of_every_tamper_and_of_nothing_else(run: Run) -> None:
    expected: dict[str, Log] = defaultdict(Counter)
    for each in run.of(*CODES):
        code = CODES[each["act"]].get(each["phase"])
        if code is not None:
            expected[each["meter"]][_instant(each["at"]), code] += each["given"].get("times", 1)
    assert len(expected) == 2
    assert {name: log for name, log in run.fraud.items() if log} == expected


def test_the_standard_logs_tell_of_the_outage(run: Run) -> None:
    expected: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for each in run.of("outage"):
        expected[each["meter"]].add((_instant(each["at"]), OUTAGE[each["phase"]]))
    assert len(expected) == 20
    for name, log in run.standard.items():
        told = {event for event in log if event[1] in OUTAGE.values()}
        assert told == expected[name], name


def test_firmware_and_tariff_changed_where_the_report_says(run: Run) -> None:
    refusing = {each["meter"] for each in run.of("refuse firmware")}
    updated = {each["meter"] for each in run.of("update firmware")}
    assert len(updated) > 140
    for name, found in run.versions.items():
        new = name in updated - refusing
        if found["error"] is None:
            (version,) = found["readings"]
            assert (version["value"] == "FRR-R2.0") == new, name
            codes = Counter(code for _, code in run.standard[name])
            assert (codes[17], codes[18]) == (int(new), int(new)), name
    drifting = {each["meter"] for each in run.of("drift")}
    for each in run.of("program tariff"):
        at = _instant(each["at"]) + each["given"]["activate after"]
        (activated,) = (time for time, code in run.standard[each["meter"]] if code == 9)
        late_s = abs(activated - at)
        assert late_s == 0 or (each["meter"] in drifting and late_s < 60), each["meter"]


def test_the_same_seed_is_the_same_street(run: Run, tmp_path: Path) -> None:
    """Another run has other keys and tells the same of all two hundred."""
    again = Run(tmp_path)
    assert again.report == run.report
    assert (again.standard, again.fraud) == (run.standard, run.fraud)
    for one, other in ((run.names, again.names), (run.versions, again.versions)):
        assert {name: _told(found) for name, found in one.items()} == {
            name: _told(found) for name, found in other.items()
        }
    assert {each["encryption_key"] for each in run.keys}.isdisjoint(
        each["encryption_key"] for each in again.keys
    )


def _told(found: dict[str, Any]) -> Any:
    """What was read, not where."""
    return {part: value for part, value in found.items() if part != "meter"}
