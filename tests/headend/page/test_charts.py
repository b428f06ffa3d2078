from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.headend.page.charts import (
    Amount,
    Arrivals,
    Curve,
    DayShare,
    Mark,
    arrivals,
    curve,
    daily,
    days,
    sample,
    share_bar,
)
from ferraris.headend.page.charts.axes import hours, midnights, nice
from ferraris.headend.page.charts.drawing import SAMPLES
from ferraris.headend.page.charts.svg import steps

BERLIN = ZoneInfo("Europe/Berlin")
SVG = "{http://www.w3.org/2000/svg}"
SPRING, AUTUMN, PLAIN = date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 10)
NAME = 'load of <b>"x"</b> & y'


def text(value):
    return f"{value:g}"


def day_text(day):
    return f"{day:%d.%m.}"


def bounds(day, count=1):
    return tuple(
        int(datetime.combine(each, time(), BERLIN).timestamp())
        for each in (day, day + timedelta(days=count))
    )


def a_day(day=PLAIN, values=None, marks=None, period=900, count=1):
    start, end = bounds(day, count)
    ends = list(range(start + period, end + 1, period))
    found = values or [math.sin(at / 9000) + 1.5 for at in ends]
    return Curve(
        start,
        end,
        BERLIN,
        period,
        ends,
        found,
        list(found),
        marks or [Mark.VALID] * len(ends),
        "kW",
    )


def parsed(svg):
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img" or root.get("aria-hidden") == "true"
    assert not re.search(r"nan|inf\b|None|e[+-]\d", re.sub(r">[^<]+<", "><", svg))
    # A strict policy of the page forbids both.
    assert "style=" not in svg
    assert "<style" not in svg
    return root


def path(root, kind):
    found = [each.get("d") for each in root.iter(f"{SVG}path") if each.get("class") == kind]
    assert len(found) <= 1
    return found[0] if found else ""


def texts(root):
    return [each.text for each in root.iter(f"{SVG}text")]


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.integers(2, 10))
def test_ticks_are_nice_and_enclose(low, size, most):
    high = low + size
    ticks = nice(low, high, most)
    step = ticks[1] - ticks[0]
    assert 2 <= len(ticks) <= most + 1
    slack = step * 1e-3
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert any(abs(mantissa - wanted) < 0.01 for wanted in (1, 2, 5, 10))
    # They are multiples of the step, so zero is one of them when it lies between.
    assert all(abs(tick / step - round(tick / step)) < 1e-3 for tick in ticks)


def test_local_hours_follow_the_clocks():
    spring, autumn = bounds(SPRING), bounds(AUTUMN)
    assert [name for _, name in hours(*spring, BERLIN, 1)] == [
        f"{hour:02d}:00" for hour in range(24) if hour != 2
    ]
    assert [at - autumn[0] for at, _ in hours(*autumn, BERLIN, 3)][:3] == [0, 4 * 3600, 7 * 3600]
    for at, name in hours(*autumn, BERLIN, 1):
        assert datetime.fromtimestamp(at, BERLIN).strftime("%H:%M") == name


def test_midnights_are_local():
    start, end = bounds(date(2026, 3, 27), 4)
    found = midnights(start, end, BERLIN)
    assert [after - at for at, after in itertools.pairwise(found)] == [
        86_400,
        86_400,
        82_800,
        86_400,
    ]
    assert (found[0], found[-1]) == (start, end)


@pytest.mark.parametrize(("day", "count"), [(PLAIN, 96), (SPRING, 92), (AUTUMN, 100)])
def test_a_day_has_as_many_steps_as_intervals(day, count):
    drawn = a_day(day)
    assert len(drawn.ends) == count
    root = parsed(curve(drawn, NAME, text, day_text))
    line = path(root, "final")
    assert line.count("M") == 1
    assert line.count("H") == count
    # The last step ends where the frame does.
    assert float(line.rpartition("H")[2]) == pytest.approx(float(root.get("data-right")), abs=0.1)


def test_a_chart_says_what_it_is_and_needs_few_octets():
    svg = curve(a_day(), NAME, text, day_text)
    root = parsed(svg)
    assert root.find(f"{SVG}title").text == NAME
    assert texts(root)[-1] == "21:00"
    assert "kW" in texts(root)
    assert len(svg) < 5000
    assert len(curve(a_day(), NAME, text, day_text, width=340)) < 5000


def test_gaps_are_gaps():
    values = [1.0] * 96
    values[10:20] = [None] * 10
    values[50:51] = [None]
    drawn = a_day(values=values)
    root = parsed(curve(drawn, NAME, text, day_text))
    assert path(root, "final").count("M") == 3
    assert path(root, "area").count("Z") == 3
    assert path(root, "missing").count("z") == 2
    # Rows that are not there at all are gaps as well.
    less = [at for at in range(96) if values[at] is not None]
    rows = Curve(
        drawn.start_s,
        drawn.end_s,
        BERLIN,
        900,
        [drawn.ends[at] for at in less],
        [1.0] * len(less),
        [1.0] * len(less),
        [Mark.VALID] * len(less),
        "kW",
    )
    assert path(parsed(curve(rows, NAME, text, day_text)), "missing") == path(root, "missing")


def test_the_future_is_not_missing():
    drawn = a_day(values=[None] * 96)
    now = drawn.start_s + 6 * 3600
    upto = replace(drawn, until_s=now)
    root = parsed(curve(upto, NAME, text, day_text))
    [right] = re.findall(r"H([\d.]+)v", path(root, "missing"))
    left, end = float(root.get("data-left")), float(root.get("data-right"))
    assert (float(right) - left) / (end - left) == pytest.approx(0.25, abs=0.001)
    tomorrow = replace(drawn, until_s=drawn.start_s - 5)
    assert path(parsed(curve(tomorrow, NAME, text, day_text)), "missing") == ""


def test_what_is_wrong_is_marked_by_shape():
    marks = [Mark.VALID] * 96
    marks[5], marks[6:9], marks[20] = Mark.SUSPECT, [Mark.ESTIMATED] * 3, Mark.EDITED
    drawn = a_day(marks=marks)
    raw = list(drawn.raw)
    raw[6:9], raw[20] = [None] * 3, 0.1
    found = Curve(
        drawn.start_s, drawn.end_s, BERLIN, 900, drawn.ends, drawn.final, raw, marks, "kW"
    )
    root = parsed(curve(found, NAME, text, day_text, key="k"))
    assert path(root, "suspect").count("M") == 1
    assert path(root, "edited").count("M") == 1
    assert path(root, "estimated").count("Z") == 2
    assert path(root, "raw").count("M") == 1
    [estimated] = [each for each in root.iter(f"{SVG}path") if each.get("class") == "estimated"]
    assert estimated.get("fill") == "url(#k-e)"
    assert {each.get("id") for each in root.iter(f"{SVG}pattern")} == {"k-e", "k-m"}


def test_a_week_names_its_days():
    root = parsed(curve(a_day(date(2026, 3, 23), period=3600, count=7), NAME, text, day_text))
    assert [name for name in texts(root) if name.endswith(".03.")] == [
        f"{day}.03." for day in range(23, 30)
    ]


values_of_a_day = st.lists(
    st.one_of(st.none(), st.floats(-1e7, 1e7, allow_nan=False)), min_size=24, max_size=24
)


@given(values_of_a_day, values_of_a_day, st.lists(st.sampled_from(Mark), min_size=24, max_size=24))
def test_any_values_give_a_sound_drawing(final, raw, marks):
    start, end = bounds(PLAIN)
    ends = list(range(start + 3600, end + 1, 3600))
    drawn = Curve(start, end, BERLIN, 3600, ends, final, raw, marks, "<&>")
    root = parsed(curve(drawn, NAME, text, day_text))
    low, high = (float(root.get(f"data-{side}")) for side in ("top", "bottom"))
    for y in re.findall(r"V(-?[\d.]+)", path(root, "final")):
        assert low - 0.1 <= float(y) <= high + 0.1


def test_nothing_at_all_is_a_gap():
    start, end = bounds(PLAIN)
    nothing = Curve(start, end, BERLIN, 900, (), (), (), (), "kW")
    root = parsed(curve(nothing, NAME, text, day_text))
    assert path(root, "final") == ""
    assert path(root, "missing").count("z") == 1


def test_days_as_bars():
    amounts = [Amount("1", 5.0, 0.0), Amount("2", 5.0, 5.0, 3), Amount("3", 0.0, 0.0, 96)]
    root = parsed(daily(amounts, NAME, "kWh", text))
    assert path(root, "bar").count("z") == 2
    assert path(root, "estimated").count("z") == 1
    assert path(root, "absent").count("M") == 2
    solid = path(root, "bar").split("z")
    tops = [float(re.search(r"V([\d.]+)", part)[1]) for part in solid if part]
    assert tops[0] == tops[1]
    assert float(re.search(r"V([\d.]+)", path(root, "estimated"))[1]) < tops[0]
    parsed(daily([], NAME, "kWh", text))


def test_reads_arrive_until_the_deadline():
    start, end = bounds(PLAIN)
    of = Arrivals(
        start,
        end,
        BERLIN,
        [(start + 900, 0.5), (start + 1800, 1.0)],
        start + 6 * 3600,
        start + 7 * 3600,
        0.98,
    )
    root = parsed(arrivals(of, NAME, text, "Deadline <06:00>"))
    assert "Deadline <06:00>" in texts(root)
    left, right = float(root.get("data-left")), float(root.get("data-right"))
    deadline = float(re.match(r"M([\d.]+)", path(root, "deadline"))[1])
    assert (deadline - left) / (right - left) == pytest.approx(0.25, abs=0.001)
    # The line ends now, not at the end of the day.
    now = float(path(root, "final").rpartition("H")[2])
    assert (now - left) / (right - left) == pytest.approx(7 / 24, abs=0.001)


def test_a_deadline_of_another_day_is_not_drawn():
    start, end = bounds(PLAIN)
    of = Arrivals(start, end, BERLIN, [], end + 1, start - 5, 0.98)
    assert path(parsed(arrivals(of, NAME, text, "x")), "deadline") == ""


def test_days_below_the_target_have_another_shape():
    shares = [DayShare("1", 0.99, 1.0), DayShare("", 0.97, 0.97), DayShare("3", None, None)]
    root = parsed(days(shares, 0.98, NAME, text))
    assert path(root, "good").count("M") == 1
    assert path(root, "bad").count("M") == 1
    assert path(root, "stem").count("M") == 2  # the stem and its cap
    assert "0.95" in texts(root)
    bad = parsed(days([DayShare("1", 0.4, 0.4)], 0.98, NAME, text))
    assert "0" in texts(bad)


@pytest.mark.parametrize("in_time", [0.0, 0.5, 1.0, 1.7])
def test_a_share_stays_in_its_bar(in_time):
    root = parsed(share_bar(in_time, 0.2, 0.98))
    for bar in root.iter(f"{SVG}rect"):
        assert float(bar.get("x")) + float(bar.get("width")) <= 120


@pytest.mark.parametrize("kind", SAMPLES)
def test_samples_are_silent(kind):
    assert parsed(sample(kind)).get("aria-hidden") == "true"


def test_steps_join_what_touches():
    assert steps([(0, 1, 5), (1, 2, 5), (2, 3, 6)]) == "M0 5H2V6H3"
    assert steps([(0, 1, 5), (2, 3, 5)], floor=9) == "M0 9V5H1V9ZM2 9V5H3V9Z"
    assert steps([]) == ""


def test_the_day_before_the_epoch_is_a_day():
    assert midnights(-86_400, 0, UTC) == [-86_400, 0]
