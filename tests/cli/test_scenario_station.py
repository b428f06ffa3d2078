"""`ferraris meter run --scenario`: what is done to the meters is what a client finds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ferraris.cli.scenario_station import Report
from ferraris.meter.scenario.course import Course, Done
from ferraris.meter.scenario.plan import scenario_of
from ferraris.meter.scenario.yaml_text import read

ROOT = Path(__file__).parents[2]
MAIN = [sys.executable, "-c", "from ferraris.cli.main import main; main()", "meter", "run"]
STREET = """\
scenario: street
start: 2026-03-02T00:00:00+01:00
lasts: 2 d
meters:
  - {group: houses, template: residential, count: 3}
  - {group: old, template: residential-sn, count: 1}
events:
  - {at: 06:30, who: "houses[0..1]", what: outage, for: 2 h}
  - {at: 12:00, who: "houses[1]", what: try wrong password}
"""


def test_a_client_finds_what_was_done(ferraris: Any, tmp_path: Path) -> None:
    scenario, keys, report = (tmp_path / name for name in ("s.yaml", "keys.jsonl", "report.jsonl"))
    scenario.write_text(STREET)
    command = [*MAIN, "--scenario", str(scenario), "--speed", "max", "--report", str(report)]
    command += ["--listen", "tcp://127.0.0.1:0", "--keys-out", str(keys)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            shown = [process.stdout.readline() for _ in range(5)]
            assert shown[0] == "2026-03-02T05:30:00Z  outage begins: 2 meters\n"
            assert shown[2] == "2026-03-02T11:00:00Z  try wrong password begins: 1 meter\n"
            assert shown[3].startswith("street: 3 x residential at tcp://127.0.0.1:")
            lines = [json.loads(line) for line in keys.read_text().splitlines()]
            assert len(lines) == 4
            at = (lines[1]["url"], "--server", str(lines[1]["server"]), "--keys", str(keys))
            log = ferraris("read", at[0], "--profile", "0-0:99.98.1*255", *at[1:], "--json")
            assert log.code == 0
            (row,) = log.json["profile"]["rows"]
            assert "2026-03-02T11:00:00" in json.dumps(row)
        finally:
            process.send_signal(signal.SIGTERM)
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(each["meter"], each["act"], each["phase"]) for each in told] == [
        (lines[0]["id"], "outage", "begins"),
        (lines[1]["id"], "outage", "begins"),
        (lines[0]["id"], "outage", "ends"),
        (lines[1]["id"], "outage", "ends"),
        (lines[1]["id"], "try wrong password", "begins"),
    ]


SHORT = """\
scenario: short
seed: 3
start: 2026-03-02T00:00:00+01:00
lasts: 3 s
meters:
  - {group: houses, template: residential, count: 8}
events:
  - {at: +1 s, who: houses 50 %, what: open meter cover, for: 1 s}
  - {at: +2 s, who: houses 25 %, what: try wrong key, times: 2}
"""


@pytest.mark.parametrize("speed", ["1", "1000", "max"])
def test_real_faster_and_virtual_time_have_the_same_result(
    ferraris: Any, tmp_path: Path, speed: str
) -> None:
    scenario, keys, report = (tmp_path / name for name in ("s.yaml", "keys.jsonl", "report.jsonl"))
    scenario.write_text(SHORT)
    command = [*MAIN, "--scenario", str(scenario), "--speed", speed, "--report", str(report)]
    command += ["--listen", "tcp://127.0.0.1:0", "--keys-out", str(keys)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            shown = sorted(process.stdout.readline() for _ in range(4))
            assert [line.partition("  ")[2] for line in shown[:3]] == [
                "open meter cover begins: 4 meters\n",
                "open meter cover ends: 4 meters\n",
                "try wrong key begins: 2 meters\n",
            ]
            told = [json.loads(line) for line in report.read_text().splitlines()]
            assert len(told) == 10
            lines = {each["id"]: each for each in map(json.loads, keys.read_text().splitlines())}
            for name in sorted({each["meter"] for each in told}):
                at = (lines[name]["url"], "--server", str(lines[name]["server"]))
                wish = ("--profile", "0-0:99.98.1*255", "--keys", str(keys), "--json")
                log = ferraris("read", *at, *wish).json["profile"]["rows"]
                mine = [each["act"] for each in told if each["meter"] == name]
                assert len(log) == len(mine) + mine.count("try wrong key")
        finally:
            process.send_signal(signal.SIGTERM)
    course = Course(scenario_of(read(str(scenario))))
    with Report(str(tmp_path / "virtual.jsonl")) as virtual:
        course.on_done = virtual.write
        course.finish()
    assert report.read_text() == (tmp_path / "virtual.jsonl").read_text()


@pytest.mark.parametrize("document", sorted((ROOT / "docs" / "scenarios").glob("*.yaml")))
def test_every_parameter_of_the_documents_is_reported(document: Path, tmp_path: Path) -> None:
    course = Course(scenario_of(read(str(document))))
    report = tmp_path / "report.jsonl"
    with Report(str(report)) as told:
        for event in course.scenario.events:
            told.write(Done(event.at, "FRR", event.act.name, "begins", dict(event.given)))
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(lines) == len(course.scenario.events)
    (tariff,) = (each["given"] for each in lines if each["act"] == "program tariff")
    assert tariff["day"] == {"00:00": 1, "11:00": 2, "15:00": 1}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (("--scenario", "none.yaml"), "none.yaml: No such file"),
        (("residential", "--scenario", "none.yaml"), "--scenario says which meters"),
        (("--scenario", "none.yaml", "--speed", "0"), "--speed is a number"),
        ((), "name a template, or --scenario"),
        (("residentail",), "residential"),
    ],
)
def test_what_is_wrong_is_one_line(ferraris: Any, more: tuple[str, ...], error: str) -> None:
    ran = ferraris("meter", "run", *more)
    assert ran.code == 2
    assert error in ran.err


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("own.toml", "template = 1\nclient = 300\n", "line 2: client: a whole number 0..127"),
        ("own.yaml", SHORT.replace("houses 50 %", "barns"), "own.yaml:8: one of the groups houses"),
    ],
)
def test_a_malformed_file_is_told_by_its_line(
    ferraris: Any, tmp_path: Path, name: str, text: str, error: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    how = ("--scenario", str(file)) if name.endswith(".yaml") else (str(file),)
    ran = ferraris("meter", "run", *how)
    assert ran.code == 2
    assert name in ran.err
    assert error in ran.err
    assert len(ran.err.splitlines()) == 1
