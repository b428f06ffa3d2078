"""Checks over real sockets: a meter passes its own specification, a damaged one fails by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

import ferraris
from ferraris.client.checking import DIFFERS, EXTRA, MISSING, UNCHECKED, CheckReport, Finding
from ferraris.core.errors import UsageError
from ferraris.line.url import parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.template import Template
from ferraris.meter.templates.companions import companion_template
from ferraris.model import companion

T = TypeVar("T")


def ask(
    template: Template, work: Callable[[ferraris.Meter], Awaitable[T]], client: int | None = None
) -> T:
    """What `work` makes of a meter of the template, over a socket on loopback."""

    async def session() -> T:
        fleet = Fleet(template, 1, seed=5)
        async with await listen(fleet, parse_url("tcp://127.0.0.1:0")) as listening:
            line = listening.line(0)
            security: ferraris.Security = ferraris.HighGMAC(
                bytes.fromhex(line["encryption_key"]),
                bytes.fromhex(line["authentication_key"]),
                client=line["client"],
            )
            if client == 16:
                security = ferraris.NoSecurity()
            url, server = line["url"], line["server"]
            async with ferraris.connect(url, server=server, security=security) as meter:
                return await work(meter)

    return asyncio.run(session())


def told(report: CheckReport, *verdicts: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.verdict in verdicts]


@pytest.mark.parametrize("name", companion.names())
def test_a_template_passes_the_check_of_its_own_specification(name: str) -> None:
    specification = companion.companion(name)
    for kind in specification.kinds:
        report = ask(
            companion_template(specification, kind), lambda meter: meter.check(specification)
        )
        assert told(report, MISSING, EXTRA, DIFFERS) == []
        assert report.passed
        assert (report.companion, report.kind) == (name, kind)
        assert report.client == meter_client(name)
        assert all(finding.found or finding.expected for finding in report.of(UNCHECKED))


def meter_client(name: str) -> int:
    return 48 if name.startswith("is-15959") else 1


def damaged(change: str) -> CheckReport:
    """A meter after SMR 5.0 with a change, checked against SMR 5.0 as it is."""
    other = companion.parse(f'name = "odd"\nextends = "smr-5.0"\n{change}', "odd.toml")
    specification = companion.companion("smr-5.0")
    return ask(companion_template(other), lambda meter: meter.check(specification))


ENERGY = '[[objects]]\nclass = 3\nobis = "1-0:1.8.1*255"\nname = "energy"\nscaler = 0\n'
HOURLY = '[[objects]]\nclass = 7\nversion = 1\nobis = "0-1:24.3.0*255"\nperiod = 3600\n'
COLUMNS = [
    "8/0-0:1.0.0*255/2",
    "1/0-1:96.10.3*255/2",
    "4/0-1:24.2.2*255/2",
    "4/0-1:24.2.2*255/5",
]


def hourly(columns: list[str], entries: int = 240) -> str:
    return f"{HOURLY}entries = {entries}\ncolumns = {columns}\nvalues = {{ 5 = 1 }}\n"


@pytest.mark.parametrize(
    ("change", "verdict", "where", "what", "expected", "found"),
    [
        ('drop = ["3/1-0:1.8.1*255"]', MISSING, (3, "1-0:1.8.1*255", 0), "", "", ""),
        (
            '[[objects]]\nclass = 1\nobis = "0-0:96.50.0*255"\ntypes = { 2 = "unsigned" }',
            EXTRA,
            (1, "0-0:96.50.0*255", 0),
            *("", "", ""),
        ),
        (
            'drop = ["1/1-0:0.2.0*255"]\n[[objects]]\nclass = 3\nobis = "1-0:0.2.0*255"',
            DIFFERS,
            (1, "1-0:0.2.0*255", 0),
            *("class", "class 1", "class 3"),
        ),
        (
            '[[objects]]\nclass = 40\nversion = 1\nobis = "0-1:25.9.0*255"\n'
            "rights = { RW = [2, 3, 4, 5, 6, 7] }",
            DIFFERS,
            (40, "0-1:25.9.0*255", 0),
            *("version", "version 0", "version 1"),
        ),
        (
            f'{ENERGY}unit = "Wh"\ntypes = {{ 2 = "long64-unsigned" }}',
            DIFFERS,
            (3, "1-0:1.8.1*255", 2),
            *("type", "double-long-unsigned", "long64-unsigned"),
        ),
        (
            '[[objects]]\nclass = 3\nobis = "1-0:1.8.1*255"\nunit = "varh"\nscaler = 0\n'
            'types = { 2 = "double-long-unsigned" }',
            DIFFERS,
            (3, "1-0:1.8.1*255", 3),
            *("unit", "Wh", "varh"),
        ),
        (
            '[[objects]]\nclass = 3\nobis = "1-0:1.8.1*255"\nunit = "Wh"\nscaler = 3\n'
            'types = { 2 = "double-long-unsigned" }',
            DIFFERS,
            (3, "1-0:1.8.1*255", 3),
            *("scaler", "0", "3"),
        ),
        (
            f'{ENERGY}unit = "Wh"\ntypes = {{ 2 = "double-long-unsigned" }}\n'
            "rights = { RW = [2] }",
            DIFFERS,
            (3, "1-0:1.8.1*255", 2),
            *("rights", "R", "RW"),
        ),
        (
            hourly([*COLUMNS[:2], "4/0-1:24.2.1*255/2", COLUMNS[3]]),
            DIFFERS,
            (7, "0-1:24.3.0*255", 3),
            "columns",
            "column 3: 4/0-1:24.2.2*255/2",
            "column 3: 4/0-1:24.2.1*255/2",
        ),
        (
            hourly(COLUMNS[:3]),
            DIFFERS,
            (7, "0-1:24.3.0*255", 3),
            *("columns", "column 4: 4/0-1:24.2.2*255/5", "column 4: nothing"),
        ),
        (
            hourly(COLUMNS, 10),
            DIFFERS,
            (7, "0-1:24.3.0*255", 8),
            *("entries", "240", "10"),
        ),
        (
            hourly(COLUMNS).replace("3600", "1800"),
            DIFFERS,
            (7, "0-1:24.3.0*255", 4),
            *("period", "3600", "1800"),
        ),
        (
            '[[objects]]\nclass = 72\nversion = 1\nobis = "0-2:24.1.0*255"\n'
            'values = { 2 = "0-0:24.6.1*255" }\nrights = { R = [2, 3, 10, 11, 12, 13, 14], '
            "RW = [4, 5, 6, 7, 8, 9] }",
            DIFFERS,
            (72, "0-2:24.1.0*255", 2),
            *("value", "0-0:24.6.0*255", "0-0:24.6.1*255"),
        ),
    ],
)
def test_a_damaged_meter_fails_by_name(  # noqa: PLR0917 - the columns of a table
    change: str, verdict: str, where: tuple[int, str, int], what: str, expected: str, found: str
) -> None:
    report = damaged(change)
    assert not report.passed
    (finding,) = told(report, MISSING, EXTRA, DIFFERS)
    place = (finding.class_id, str(finding.logical_name), finding.attribute)
    assert (finding.verdict, place) == (verdict, where)
    assert (finding.what, finding.expected, finding.found) == (what, expected, found)
    assert finding.name


def test_the_kind_is_what_fits_best_unless_it_is_said() -> None:
    specification = companion.companion("smr-5.0")

    async def work(meter: ferraris.Meter) -> CheckReport:
        assert (await meter.check(specification)).kind == "single-phase"
        with pytest.raises(UsageError, match="knows no 'gas'"):
            await meter.check(specification, kind="gas")
        return await meter.check(specification, kind="three-phase")

    strict = ask(companion_template(specification, "single-phase"), work)
    missing = {str(finding.logical_name) for finding in strict.of(MISSING)}
    assert {"1-0:52.7.0*255", "1-0:72.7.0*255"} <= missing
    assert not strict.assumed


def test_channels_that_are_not_fitted_are_not_missing() -> None:
    specification = companion.companion("smr-5.0")

    async def work(meter: ferraris.Meter) -> CheckReport:
        assert (await meter.check(specification, channels=1)).passed
        return await meter.check(specification)

    report = ask(companion_template(specification, channels=1), work)
    of_a_channel = [row for row in specification.objects if "-x:" in row.pattern]
    assert len(report.of(MISSING)) == 3 * len(of_a_channel)


def test_another_client_cannot_check_the_rights() -> None:
    specification = companion.companion("smr-5.0")
    template = companion_template(specification)
    report = ask(template, lambda meter: meter.check(specification), client=16)
    assert report.client == 16
    assert report.of(DIFFERS) == []
    reasons = {finding.expected for finding in report.of(UNCHECKED) if finding.what == "rights"}
    assert reasons == {"stated for another client", "no source states them"}
    assert (3, "1-0:1.8.1*255") in {(f.class_id, str(f.logical_name)) for f in report.of(MISSING)}


def test_secrets_and_long_buffers_are_not_read() -> None:
    specification = companion.companion("smr-5.0")
    template = companion_template(specification)
    report = ask(template, lambda meter: meter.check(specification))
    found = ask(template, lambda meter: meter.inventory())
    unread = {
        (finding.class_id, finding.attribute): finding.found
        for finding in report.of(UNCHECKED)
        if finding.what == "type"
    }
    assert unread[15, 7] == "secret"
    assert unread[7, 2] == "long"
    association = next(each for each in found if each.class_id == 15)
    assert 7 not in association.values
    assert association.unread[7] == "secret"
    assert association.attributes[3] == 1
    clock = next(each for each in found if each.class_id == 8)
    assert clock.attributes[2] == 3
    assert clock.methods[1] & 1


def test_what_rests_on_memory_is_said() -> None:
    specification = companion.companion("idis-like")
    template = companion_template(specification)
    report = ask(template, lambda meter: meter.check(specification))
    assert {finding.rests_on for finding in report.findings} == {"memory"}


def test_meters_with_short_names_are_checked_too() -> None:
    specification = companion.companion("idis-like")
    with ferraris.open("sim://residential-sn") as meter:
        report = meter.check(specification)
        found = meter.inventory()
    assert (3, "1-0:1.8.0*255") not in {
        (f.class_id, str(f.logical_name)) for f in report.findings if f.verdict == MISSING
    }
    assert (9, "0-0:10.0.1*255") in {(f.class_id, str(f.logical_name)) for f in report.of(MISSING)}
    energy = next(each for each in found if str(each.logical_name) == "1-0:1.8.0*255")
    assert energy.values[3] == (2, [(15, 0), (22, 30)])
