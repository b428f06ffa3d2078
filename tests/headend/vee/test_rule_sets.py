"""Rules are data with versions; a change has days run again, a bounded number of them."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.vee import Made, Quality, parse
from ferraris.headend.vee.applies import Counting
from ferraris.headend.vee.local_days import DAY_S
from ferraris.headend.vee.rule_sets import (
    book_of,
    install,
    put_rules,
    rule_versions,
    withdraw,
)
from ferraris.headend.vee.rules import High, Rollover, SumCheck, ZeroRun
from ferraris.headend.vee.rules_file import built_in, digest_of

from .world import DAY, IMPORT, World, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
OURS = """
name = "ours"

[applies]
channels = ["1-0:1.8.*"]
groups = ["south"]
order = 2

[[rules]]
rule = "gaps"

[[rules]]
rule = "high"
limit = 60
"""


def put(world, text, **more):
    with world.engine.transaction() as connection:
        return put_rules(connection, world.tenant, text, by="anna", at_s=world.now, **more)


def counts(world, meter=0):
    return {
        key: (row.estimated, row.rules) for key, (row, _) in world.finals(meter).items()
    }  # fmt: skip


def test_other_rules_run_again_for_whom_they_are(engine):
    world = World(engine, meters=2)
    world.now = float(END + DAY_S)
    world.rounds.members = lambda connection, tenant, name: world.meters[1:]
    for meter in (0, 1):
        world.put(rows_of(START - 900, END), meter=meter)
    world.run()
    made = put(world, OURS)
    assert [(meter, reason) for meter, _, _, reason in world.due()] == [
        (meter, "other rules") for _ in (0, 1) for meter in world.meters
    ]
    world.run()
    usual = next(one for one in built_in() if one == "household-electricity")
    assert counts(world)[IMPORT, DAY] == (0, digest_of(built_in()[usual]))
    estimated, digest = counts(world, 1)[IMPORT, DAY]
    assert (estimated > 20, digest) == (True, made.digest)
    with world.engine.transaction() as connection:
        withdraw(connection, world.tenant, "ours", by="anna", at_s=world.now)
    assert {meter for meter, *_ in world.due()} == {world.meters[1]}
    world.run()
    assert counts(world, 1)[IMPORT, DAY][0] == 0
    row, columns = world.finals(1)[IMPORT, DAY]
    assert row.version == 3
    assert set(columns.quality[0]) == {Quality.VALID}


def test_the_same_text_again_changes_nothing(make_world):
    world = make_world()
    world.now = float(END)
    world.put(rows_of(START - 900, END))
    world.run()
    first = put(world, OURS)
    world.run()
    assert put(world, OURS) == first
    assert world.due() == []
    with world.engine.transaction() as connection:
        assert install(connection, world.tenant, at_s=world.now) == 0


def test_the_back_log_is_bounded(make_world):
    world = make_world()
    world.put(rows_of(START - 900, END + 20 * DAY_S))
    world.now = float(END + 20 * DAY_S)
    world.run()
    put(world, OURS.replace('groups = ["south"]\n', ""), back_log_days=3)
    assert {day for _, day, _, _ in world.due()} == {DAY + n for n in (18, 19, 20)}


def test_what_the_utility_put_is_not_replaced_by_what_comes_with_us(make_world):
    world = make_world()
    text = built_in()["electricity"] + "\n# ours\n"
    put(world, text)
    with world.engine.transaction() as connection:
        assert install(connection, world.tenant, at_s=1.0) == 0
        versions = rule_versions(connection, world.tenant, newest=False)
    of_name = [each for each in versions if each.name == "electricity"]
    assert [(each.version, each.by) for each in of_name] == [(2, "anna"), (1, "ferraris")]
    with pytest.raises(UsageError, match="no rules"), world.engine.transaction() as connection:
        withdraw(connection, world.tenant, "nobody", by="anna", at_s=1.0)


def key(name, unit=30, scaler=0, attribute=2):
    return ChannelKey(name, 1, 3, attribute, 0, scaler, unit)


def test_which_rules_are_for_a_channel(make_world):
    world = make_world(meters=2)
    put(world, OURS)
    put(world, OURS.replace("ours", "gone").replace("south", "nowhere").replace("= 2", "= 1"))

    def members(connection, tenant, name):
        if name == "nowhere":
            raise UsageError("no such group")
        return world.meters[:1]

    with world.engine.reading() as connection:
        book = book_of(connection, world.tenant, members)
    meters = [(meter, "electricity") for meter in world.meters]

    def names(channel):
        return {ruled.rules.name: places for ruled, places in book.assigned(channel, meters)}

    assert names(key(IMPORT)) == {"ours": [0], "household-electricity": [1]}
    assert names(key("1-0:2.8.0*255")) == {"electricity": [0, 1]}
    assert names(key("7-0:3.0.0*255", 13, -3)) == {"gas-and-water": [0, 1]}
    for name in ("6-0:1.0.0*255", "5-0:1.0.0*255", "0-1:24.2.1*255"):
        assert names(key(name, 30, 3)) == {"heat": [0, 1]}
    assert names(key("0-1:24.2.1*255", 13, -3)) == {"gas-and-water": [0, 1]}
    for channel in (
        key("6-0:10.0.0*255", 9),
        key("1-0:32.7.0*255", 35),
        key("1-0:1.7.0*255", 27),
        key(IMPORT, attribute=5),
    ):
        assert names(channel) == {}
    (ruled, _), *_ = book.assigned(key("1-0:1.29.0*255"), meters)
    assert ruled.counting(key("1-0:1.29.0*255")) is Counting.INTERVAL


def test_limits_follow_scaler_and_period():
    rules = parse(built_in()["household-electricity"])
    hourly = {type(each): each for each in rules.measured_in(-3, 3600).rules}
    assert hourly[High].limit == 15_000 * 4 * 1000
    assert hourly[SumCheck].tolerance == 1000
    assert hourly[ZeroRun].intervals == 12
    assert hourly[Rollover].modulus == 1 << 32
    thousands = {type(each): each for each in rules.measured_in(3, 900).rules}
    assert (thousands[High].limit, thousands[SumCheck].tolerance) == (15, 1)


CURVE = """
name = "curve"
period_s = 3600

[applies]
channels = ["1-0:1.8.0*255"]
order = 1

[estimation]
methods = ["class_profile"]
holidays = ["2024-10-05"]

[[rules]]
rule = "gaps"

[[class_profile]]
values = [1, 2, 3, 4]

[[class_profile]]
days = "saturday"
values = [9]

[[class_profile]]
days = "sunday"
values = [24]
"""


def test_the_curve_of_a_class_by_kind_of_day(make_world):
    world = make_world()
    put(world, CURVE)
    midnights = [DAY + n for n in range(4)]  # 2024-10-04, a Friday
    world.put([(DAY * DAY_S, 100), (DAY * DAY_S + 3600, 100), ((DAY + 3) * DAY_S, 4900)])
    world.run()
    friday, holiday, sunday = (world.finals()[IMPORT, day][1].final[0] for day in midnights[:3])
    assert sum(map(sum, (friday, holiday, sunday))) == 4800
    assert set(world.finals()[IMPORT, DAY + 1][1].rule[0]) == {Made.CLASS_PROFILE}
    assert len(set(holiday)) <= 2
    assert holiday[0] > 20 * friday[7]
    assert abs(int(holiday[0]) - int(sunday[0])) <= 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("order = 1", "order = 10", "order: a whole number"),
        ('channels = ["1-0:1.8.0*255"]', 'units = ["furlong"]', "units: no unit"),
        ('channels = ["1-0:1.8.0*255"]', 'counting = "sheep"', "counting: one of"),
        ("2024-10-05", "tomorrow", "holidays: a date"),
        ("values = [9]", "values = [9, 9, 9, 9, 9, 9, 9]", r"class_profile\[2\].values"),
        ('"saturday"', '"caturday"', r"class_profile\[2\].days"),
        ("order = 1", "odor = 1", "applies.odor"),
        ("period_s = 3600", "period_s = 0", "period_s"),
    ],
)
def test_malformed_rules(old, new, message):
    with pytest.raises(UsageError, match=message):
        parse(CURVE.replace(old, new), "curve.toml")
