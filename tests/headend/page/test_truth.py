"""Thirty days made in the store, and what the charts and tables say of them."""

from __future__ import annotations

import html
import random
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import town
from front import Place, entered
from litestar.testing import TestClient
from sqlalchemy import insert

from ferraris.headend.collect import plan_of, put_plan
from ferraris.headend.collect.plans import plans
from ferraris.headend.collect.success import count_success, write_success
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.tables.collecting import PLAN_METER
from ferraris.headend.store.tables.inventory import METER, NODE, TENANT
from ferraris.headend.store.tables.readings import BLOCK, LAYOUT, PROFILE

DAY_S, DAYS, METERS = 86_400, 30, 12
BERLIN = ZoneInfo("Europe/Berlin")
NEVER = 1 << 60
NODES = {1: ("Land", None), 2: ("Berg", 1), 3: ("Tal", 1), 4: ("Insel", None)}
CHANCE = random.Random(30)
# When the rows of a meter's UTC day were stored: most in the night, some late, some never.
STORED = {
    (meter, day): CHANCE.choice(
        [(day + 1) * DAY_S + CHANCE.randrange(3600, 14_000)] * 6
        + [(day + 1) * DAY_S + CHANCE.randrange(20_000, 60_000), NEVER]
    )
    for meter in range(1, METERS + 1)
    for day in range(town.TODAY - DAYS - 1, town.TODAY)
}


def node(meter):
    return 2 + meter % 3


def fill(engine):
    """Blocks as they came in, and the read success that is counted of them."""
    migrate(engine)
    with engine.transaction() as connection:
        connection.execute(insert(TENANT).values(id=1, name="town"))
        for number, (name, parent) in NODES.items():
            values = {"id": number, "tenant": 1, "kind": "network", "name": name, "parent": parent}
            connection.execute(insert(NODE).values(values))
        meters = [
            {"id": each, "tenant": 1, "external_id": f"M{each}", "state": "active",
             "node": node(each), "model": "A" if each % 2 else "B", "firmware": "1", "maker": "",
             "system_title": b"", "zone": "UTC", "created_s": 0, "changed_s": 0}
            for each in range(1, METERS + 1)
        ]  # fmt: skip
        connection.execute(insert(METER), meters)
        plan = plan_of(
            {
                "name": "daily",
                "zone": "Europe/Berlin",
                "profiles": [{"profile": town.PROFILE, "period": "15 min"}],
                "windows": [{"from": "00:15", "until": "05:00"}],
                "deadline": "06:00",
            }
        )
        put_plan(connection, 1, plan, now=town.NOW - 40 * DAY_S)
        members = [
            {"tenant": 1, "plan": 1, "meter": each, "since_day": 0} for each in range(1, METERS + 1)
        ]
        connection.execute(insert(PLAN_METER), members)
        connection.execute(insert(PROFILE).values(id=1, tenant=1, obis=town.PROFILE))
        connection.execute(insert(LAYOUT).values(id=1, tenant=1, channels="[]"))
        blocks = [
            {"tenant": 1, "meter": meter, "profile": 1, "day": day, "layout": 1, "version": 1,
             "rows": 96, "stored_s": stored_s, "digest": b"", "body": b""}
            for (meter, day), stored_s in STORED.items()
            if stored_s != NEVER
        ]  # fmt: skip
        connection.execute(insert(BLOCK), blocks)
        [known] = plans(connection, 1)
        days = range(town.TODAY - DAYS, town.TODAY)
        counted = count_success(connection, 1, known, days, town.NOW)
        write_success(connection, 1, counted, town.NOW)


@pytest.fixture(scope="module")
def visitor(tmp_path_factory):
    place = Place(str(tmp_path_factory.mktemp("month") / "store.sqlite"), fill)
    with TestClient(place.app, base_url="https://headend.example") as client:
        entered(client, place.token("viewer"))
        yield client
    place.close()


def expected(day, meters):
    """Due, in time and with late ones; a local day is whole when both of its UTC days are."""
    local = date(1970, 1, 1) + timedelta(days=day + 1)
    deadline_s = datetime(local.year, local.month, local.day, 6, tzinfo=BERLIN).timestamp()
    done = [max(STORED[meter, day - 1], STORED[meter, day]) for meter in meters]
    return (
        len(meters),
        sum(each <= deadline_s for each in done),
        sum(each < NEVER for each in done),
    )


def shown(text):
    return float(text.rstrip("%"))


def rows_of(page, part):
    inside = re.search(rf'<section class="sheet" id="part-{part}".*?</section>', page, re.S)[0]
    return [
        [html.unescape(re.sub("<[^>]+>", "", cell)).strip() for cell in cells]
        for row in re.findall("<tr.*?</tr>", inside, re.S)[1:]
        if (cells := re.findall("<t[hd].*?</t[hd]>", row, re.S))
    ]


@pytest.mark.parametrize(
    ("query", "meters"),
    [
        ("", range(1, METERS + 1)),
        ("?by=segment&part=Land", [each for each in range(1, METERS + 1) if node(each) in (2, 3)]),
        ("?by=segment&part=Tal", [each for each in range(1, METERS + 1) if node(each) == 3]),
        ("?by=model&part=B", range(2, METERS + 1, 2)),
    ],
)
def test_every_day_of_the_month_is_as_the_store_has_it(visitor, query, meters):
    page = visitor.get(f"/{query}").text
    rows = rows_of(page, "month")[::-1]
    days = range(town.TODAY - DAYS, town.TODAY)
    truth = [expected(day, list(meters)) for day in days]
    assert len(rows) == DAYS
    for row, day, (due, in_time, there) in zip(rows, days, truth, strict=True):
        when = datetime.fromtimestamp(day * DAY_S, UTC)
        assert row[0] == f"{when:%a} {when.day} {when:%b}"
        assert int(row[1]) == due
        assert shown(row[2]) == pytest.approx(100 * in_time / due, abs=0.1)
        assert shown(row[3]) == pytest.approx(100 * there / due, abs=0.1)
        assert row[4] == "0"
        assert row[5] == ("day on target" if in_time / due >= 0.98 else "day below it")
    due, in_time, there = (sum(column) for column in zip(*truth, strict=True))
    assert f"{int(10_000 * in_time / due) / 100:.2f}%" in page
    assert f"{int(10_000 * there / due) / 100:.2f}%" in page
    # The drawing has a mark for each day where its share is on the axis.
    drawn = re.search(r'<svg [^>]*class="wide chart days".*?</svg>', page, re.S)[0]
    paths = re.findall(r'<path d="([^"]*)" class="(good|bad)"', drawn)
    marks = {kind: path.count("M") for path, kind in paths}
    on_target = sum(in_time / due >= 0.98 for due, in_time, _ in truth)
    assert marks.get("good", 0) == on_target
    assert marks.get("bad", 0) == DAYS - on_target


def test_each_part_of_the_network_is_as_the_store_has_it(visitor):
    days = range(town.TODAY - DAYS, town.TODAY)
    below = {"Land": (2, 3), "Berg": (2,), "Tal": (3,), "Insel": (4,)}
    found = {row[0]: row[1:] for row in rows_of(visitor.get("/").text, "groups")}
    assert found.keys() == below.keys()
    for name, nodes in below.items():
        meters = [each for each in range(1, METERS + 1) if node(each) in nodes]
        due, in_time, there = expected(days[-1], meters)
        row = found[name]
        assert int(row[0]) == due
        assert shown(row[1]) == pytest.approx(100 * in_time / due, abs=0.1)
        assert [int(each) for each in row[3:6]] == [there - in_time, due - there, 0]
        sums = [expected(day, meters) for day in days]
        due, in_time, _ = (sum(column) for column in zip(*sums, strict=True))
        assert shown(row[6]) == pytest.approx(100 * in_time / due, abs=0.1)


def test_the_day_fills_up_to_what_came_in_time(visitor):
    day = town.TODAY - 1
    rows = rows_of(visitor.get("/").text, "today")
    done = sorted(max(STORED[meter, day - 1], STORED[meter, day]) for meter in range(1, METERS + 1))
    shares = [shown(share) for _, share in rows]
    assert shares == sorted(shares)
    for clock, share in rows:
        hour, minute = map(int, clock.split(":"))
        local = datetime.fromtimestamp(town.NOW, BERLIN).replace(hour=hour, minute=minute, second=0)
        there = sum(each < local.timestamp() for each in done)
        assert shown(share) == pytest.approx(100 * there / METERS, abs=0.1)
