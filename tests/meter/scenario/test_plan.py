from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.meter.scenario.plan import Scenario, scenario_of
from ferraris.meter.scenario.yaml_text import parse, read

HEAD = """\
scenario: street
seed: 7
start: 2026-03-02T00:00:00+01:00
lasts: 3 d
meters:
  - {group: houses, template: residential, count: 40}
  - {group: old, template: residential-sn, count: 3}
events:
"""
START = 1772406000


def scenario(*events: str) -> Scenario:
    return scenario_of(parse(HEAD + "".join(f"  - {event}\n" for event in events), "street.yaml"))


def test_groups_and_times() -> None:
    said = scenario()
    assert (said.name, said.seed, said.start, said.end) == ("street", 7, START, START + 3 * 86400)
    assert [(each.name, each.template, each.count) for each in said.groups] == [
        ("houses", "residential", 40),
        ("old", "residential-sn", 3),
    ]


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        ("+90 s", 90),
        ("+1.5 h", 5400),
        ("06:30", 6 * 3600 + 1800),
        ("06:30:15", 6 * 3600 + 1815),
        ("2 06:30", 86400 + 6 * 3600 + 1800),
        ("2026-03-02T12:00:00+00:00", 13 * 3600),
    ],
)
def test_moments(at: str, seconds: int) -> None:
    (event,) = scenario(f'{{at: "{at}", who: everybody, what: replay}}').events
    assert event.at == START + seconds


def test_who() -> None:
    one, some, rest, both = scenario(
        "{at: +1 h, who: 'houses[3]', what: replay}",
        "{at: +1 h, who: 'houses[38..39]', what: replay}",
        "{at: +1 h, who: houses, what: replay}",
        "{at: +1 h, who: [old, 'houses[0]'], what: replay}",
    ).events
    assert one.members == ((0, 3),)
    assert some.members == ((0, 38), (0, 39))
    assert len(rest.members) == 40
    assert both.members == ((1, 0), (1, 1), (1, 2), (0, 0))


def test_a_share_is_drawn_by_lot_and_always_the_same() -> None:
    event = "{at: +1 h, who: houses 25 %, what: replay}"
    first, second = scenario(event, event).events
    assert len(first.members) == len(second.members) == 10
    assert first.members != second.members
    assert scenario(event, event).events[0].members == first.members


def test_repetitions_come_in_order_with_the_others() -> None:
    events = scenario(
        "{at: +1 h, every: 1 h, repeat: 3, who: old, what: replay}",
        "{at: +90 min, who: old, what: outage, for: 10 min}",
    ).events
    assert [(each.at - START) // 60 for each in events] == [60, 90, 120, 180]
    assert events[1].until == events[1].at + 600


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ("{who: old, what: replay}", "street.yaml:9: an event with 'at' was expected"),
        ("{at: 4 d, who: old, what: replay}", "street.yaml:9: a time was expected"),
        ("{at: +4 d, who: old, what: replay}", "street.yaml:9: a time within the scenario"),
        ("{at: +1 h, who: young, what: replay}", "street.yaml:9: one of the groups houses, old"),
        ("{at: +1 h, who: 'old[3]', what: replay}", "street.yaml:9: meters from 0 to 2"),
        ("{at: +1 h, who: 'old[', what: replay}", "street.yaml:9: meters were expected"),
        ("{at: +1 h, who: old, what: dance}", "street.yaml:9: one of the acts"),
        ("{at: +1 h, who: old, what: replay, for: 1 h}", "street.yaml:9: there is no 'for' here"),
        ("{at: +1 h, who: old, what: outage, fro: 1 h}", "(did you mean 'for'?)"),
        ("{at: +1 h, who: old, what: outage, for: long}", "street.yaml:9: a duration as in"),
        ("{at: +1 h, who: old, what: replay, times: 0}", "street.yaml:9: a number from 1"),
        ("{at: +1 h, who: old, what: move clock}", "'move clock' with 'by' was expected"),
        ("{at: +1 h, who: old, what: write, attribute: x, data: '00'}", "CLASS/OBIS/INDEX"),
        ("{at: +1 h, repeat: 2, who: old, what: replay}", "'repeat' together with 'every'"),
        ("{at: +1 h, who: old, what: program tariff, name: N, day: {x: 1}}", "a time as 06:30"),
        ("{at: +1 h, who: old, what: program tariff, name: N, day: {'01:00': 1}}", "a day was"),
        ("{at: +1 h, who: old, what: refuse firmware, at step: never}", "one of transfer,"),
        ("[1]", "street.yaml:9: a mapping was expected, not a list"),
        ("{at: [, }", "street.yaml:9:"),
        ("{at: +1 h, at: +2 h}", "street.yaml:9: 'at' is here twice"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(event: str, error: str) -> None:
    with pytest.raises(UsageError) as raised:
        scenario(event)
    assert error in str(raised.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "x.yaml:1: the document is empty"),
        ("a: &b 1\nc: *b\n", "references"),
        ("scenario: x\nstart: 2026-03-02\nlasts: 1 d\nmeters: []\n", "x.yaml:2: a date and time"),
        ("scenario: x\nlasts: 1 d\n", "a scenario with 'start'"),
        ("[" * 200, "x.yaml:"),
        ("- " * 60 + "x", "nested too deep"),
        ("\x00", "x.yaml"),
    ],
)
def test_no_document_raises_anything_else(text: str, error: str) -> None:
    with pytest.raises(UsageError) as raised:
        scenario_of(parse(text, "x.yaml"))
    assert error in str(raised.value)


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(str(tmp_path / "none.yaml"))
