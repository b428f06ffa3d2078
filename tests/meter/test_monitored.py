from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import NOW, SWITCH, act, get

from ferraris.data.obis import Obis
from ferraris.meter.behaviour.monitored import Band, leaves, tag_of, value_of
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import QUARTER
from ferraris.meter.templates import template
from ferraris.model.references import AttributeIdentity

TEMPLATE = template("residential")
POWER, ENERGY = (
    AttributeIdentity(3, Obis.parse(name), 2) for name in ("1-0:1.7.0*255", "1-0:1.8.0*255")
)
RUNNING, LAST = (AttributeIdentity(5, Obis.parse("1-0:1.4.0*255"), index) for index in (2, 3))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([POWER, ENERGY, RUNNING, LAST]),
    st.integers(0, 20),
    st.integers(0, 6 * 3600),
    st.floats(0.5, 2.0),
    st.booleans(),
)
def test_a_value_leaves_its_band_at_the_second_that_was_told(
    what: AttributeIdentity, index: int, start: int, factor: float, upwards: bool
) -> None:
    """Nothing before the second told is outside, by asking at many seconds in between."""
    meter = Fleet(TEMPLATE, 21, 5)[index]
    after = NOW + start
    value = value_of(meter, what, after + 1)
    assert value is not None
    edge = value + 3 if what == ENERGY else int(value * factor)
    band = Band(high=edge) if upwards else Band(low=edge)
    found = leaves(meter, what, band, after)
    assert found is not None
    assert found > after
    for second in {*range(after + 1, found, 97), found - 1} - {after}:
        before = value_of(meter, what, second)
        assert before is not None
        assert band.holds(before)
    there = value_of(meter, what, found)
    assert there is not None
    is_look_again = found - after > 20 * 3600
    assert is_look_again or not band.holds(there)


def test_power_steps_with_the_quarters(fleet: Fleet) -> None:
    begin = NOW // QUARTER * QUARTER
    for meter in fleet:
        powers = {value_of(meter, POWER, begin + second) for second in range(0, QUARTER, 60)}
        assert powers == {4 * (meter.total(0, begin + QUARTER) - meter.total(0, begin))}


def test_nothing_flows_nothing_crosses(fleet: Fleet) -> None:
    meter = fleet[0]
    act(meter, SWITCH, 70, 1)
    assert value_of(meter, POWER, NOW) == 0
    assert leaves(meter, POWER, Band(high=1), NOW) is None
    assert leaves(meter, POWER, Band(low=1), NOW) == NOW + 1


@pytest.mark.parametrize(
    "what",
    [
        AttributeIdentity(3, Obis.parse("1-0:99.99.9*255"), 2),
        AttributeIdentity(1, Obis.parse("0-0:42.0.0*255"), 2),
        AttributeIdentity(7, Obis.parse("1-0:99.1.0*255"), 3),
        AttributeIdentity(15, Obis.parse("0-0:40.0.0*255"), 2),
    ],
)
def test_what_is_no_number_is_not_monitored(fleet: Fleet, what: AttributeIdentity) -> None:
    assert value_of(fleet[0], what, NOW) is None
    assert tag_of(fleet[0], what, NOW) is None
    assert leaves(fleet[0], what, Band(), NOW) is None


def test_what_changes_by_events_alone_is_looked_at_then(fleet: Fleet) -> None:
    what = AttributeIdentity(1, Obis.parse("0-0:97.98.10*255"), 2)
    assert value_of(fleet[0], what, NOW) == get(fleet[0], "0-0:97.98.10*255", 1)
    assert leaves(fleet[0], what, Band(low=1), NOW) is None
    assert leaves(fleet[0], what, Band(high=1), NOW) == NOW + 1
