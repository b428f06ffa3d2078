"""What the pages say, with which rights, on both back ends."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
import town
from front import both, form_key, plain, section
from sqlalchemy import delete, func, insert, select, update

from ferraris.headend.inventory.groups import create_group
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.collecting import COMMAND, READ_SUCCESS
from ferraris.headend.store.tables.validated import FINAL


@both
def test_the_overview_tells_how_the_night_went(enter):
    page = enter("operator").get("/").text
    today = plain(section(page, "today"))
    assert "Reads of Mon 9 Mar" in today
    assert "1,200 due" in today or "due 1,200" in today
    assert "06:00" in today
    month = plain(section(page, "month"))
    assert "29 of 30" in month
    assert re.search(r"Sun 1 Mar 1,200 8\d\.\d% 9\d\.\d%", month)
    groups = plain(section(page, "groups"))
    assert all(name in groups for name in town.NODES)
    reasons = plain(section(page, "reasons"))
    assert re.search(r"Silent, or line broken Tried again .* at its power, .* 3 Refused", reasons)
    assert re.search(r"Wrong setting Correct the inventory, .* 3 In 30 days \d+ days of", reasons)
    missing = section(page, "missing")
    assert "no answer within 10 s" in missing
    assert "All missing meters" in missing
    assert "1 open" in plain(section(page, "alarms"))
    assert "1 under way" in plain(section(page, "commands"))
    assert "4652523030303939" in section(page, "strangers")


def test_a_clock_in_doubt_and_a_full_store_are_told_on_every_page(place, enter, visitor):
    words = "machine is in doubt"
    place.health.fault("clock", "clock: the clock says 1970, and where the store is")
    try:
        assert words not in visitor.get("/login").text  # for those who are in
        seen = [enter("operator").get(path).text for path in ("/", "/meters", "/missing")]
    finally:
        place.health.leave("clock")
    assert all(words in page for page in seen)
    assert "1970" not in seen[0]
    assert words not in visitor.get("/").text


def test_a_head_end_that_has_just_begun(place, enter):
    """Nothing was read yet, then one day only."""
    with place.engine.transaction() as connection:
        rows = connection.execute(select(READ_SUCCESS)).mappings().all()
        connection.execute(delete(READ_SUCCESS))
    page = enter("viewer").get("/").text
    assert "No plan is being read yet." in page
    assert "Nothing has been due yet." in page
    newest = [dict(row) for row in rows if row["day"] == town.TODAY - 1]
    with place.engine.transaction() as connection:
        connection.execute(insert(READ_SUCCESS), newest)
    page = enter("viewer").get("/").text
    with place.engine.transaction() as connection:
        connection.execute(delete(READ_SUCCESS))
        connection.execute(insert(READ_SUCCESS), [dict(row) for row in rows])
    assert "1 of 1" in plain(section(page, "month"))


@both
def test_segments_models_and_firmware(enter):
    visitor = enter("viewer")
    for by, names in (("model", town.MODELS), ("firmware", ("1.4.2",)), ("nonsense", town.NODES)):
        found = plain(section(visitor.get(f"/?by={by}").text, "groups"))
        assert all(name in found for name in names)


def listed(page):
    """The meters of a list, in its order."""
    return [
        html.unescape(name)
        for name in re.findall(r'<th scope="row"><a href="/meters/[^>]*>([^<]*)</a>', page)
    ]


@both
def test_missing_meters_by_reason_segment_model_and_firmware(enter):
    visitor = enter("viewer")
    page = visitor.get("/missing").text
    assert sorted(listed(page)) == sorted(town.METERS[:12])
    only = visitor.get("/missing?reason=security").text
    assert len(listed(only)) == 3
    assert "no answer" not in section(only, "missing")
    assert "Security. Compare system title and keys" in plain(only)
    assert '<option value="security" selected>' in only
    nodes = {name: place % 3 + 1 for place, name in enumerate(town.METERS, 1)}
    harbour = {name for name in town.METERS[:12] if nodes[name] == 3}
    assert set(listed(visitor.get("/missing?segment=Hafen").text)) == harbour
    found = listed(visitor.get("/missing?segment=Hafen&model=E450&firmware=1.4.2").text)
    assert set(found) == {name for name in harbour if town.METERS.index(name) % 2 == 0}
    assert listed(visitor.get("/missing?firmware=9.9.9").text) == []
    assert visitor.get("/missing?segment=Nirgends").status_code == 404


@both
def test_the_order_of_missing_meters(enter):
    visitor = enter("viewer")

    def in_order(order):
        return listed(visitor.get(f"/missing?sort={order}").text)

    assert in_order("silent")[0] == town.METERS[6]  # never heard
    assert in_order("silent")[1:] == [town.METERS[at] for at in (11, 10, 9, 8, 7, 5, 4, 3, 2, 1, 0)]
    assert in_order("meter") == sorted(town.METERS[:12])
    assert in_order("next")[:3] == [town.METERS[at] for at in (2, 6, 10)]  # held for somebody
    assert in_order("nonsense") == in_order("silent")
    page = visitor.get("/missing?sort=next&reason=line").text
    assert re.search(r'<th scope="col" aria-sort="ascending">Next try</th>', page)
    assert 'href="/missing?sort=segment&amp;reason=line"' in page


@both
def test_a_long_list_of_missing_meters_goes_on(enter, monkeypatch):
    monkeypatch.setattr("ferraris.headend.page.attention._PAGE", 5)
    visitor = enter("viewer")
    for order in ("silent", "meter", "segment", "reason", "next", "tries"):
        page = visitor.get(f"/missing?sort={order}").text
        found = listed(page)
        while further := re.search(r'href="(/missing[^"]+)">Next page', page):
            page = visitor.get(html.unescape(further[1])).text
            found += listed(page)
        assert len(found) == 12, order
        assert set(found) == set(town.METERS[:12]), order
        for wrong in ("x", "[1]", '["x", 1]', '[1, "a\\u0000"]', "[1e999]", "[[[[", '[null,"x"]'):
            answer = visitor.get("/missing", params={"sort": order, "after": wrong})
            assert answer.status_code in (200, 400), (order, wrong)


def test_from_the_success_of_a_segment_to_its_missing_meters(enter):
    visitor = enter("viewer")
    groups = section(visitor.get("/").text, "groups")
    links = [
        html.unescape(each) for each in re.findall(r'<th scope="row"><a href="([^"]+)', groups)
    ]
    assert "/missing?segment=Hafen" in links
    for link in links:
        assert len(listed(visitor.get(link).text)) == 4
    month = html.unescape(re.search(r'href="(/\?[^"#]*Hafen)#part-month"', groups)[1])
    assert "Last 30 days, Hafen" in plain(section(visitor.get(month).text, "month"))


@both
def test_what_is_lost_is_not_missing(place, enter):
    """It can come no more, so it is told apart: of today, of each day and of each segment."""
    with place.engine.reading() as connection:
        c = READ_SUCCESS.c
        sums = select(func.sum(c.due - c.in_time - c.late - c.lost), func.sum(c.lost))
        missing, lost = connection.execute(sums.where(c.day == town.TODAY - 1)).one()
        parts = select(c.node, func.sum(c.late), func.sum(c.lost)).group_by(c.node)
        of_nodes = connection.execute(parts.where(c.day == town.TODAY - 1)).all()
        _, worst = connection.execute(sums.where(c.day == town.TODAY - 9)).one()
        _, all_days = connection.execute(sums).one()
    page = enter("viewer").get("/").text
    assert f"{missing} missing {lost} lost" in shown_figures(section(page, "today"))
    assert f"{all_days} lost" in shown_figures(section(page, "month"))
    [row] = re.findall(r"<tr data-from[^>]*><th[^>]*>Sun 1 Mar.*?</tr>", page, re.S)
    assert html.unescape(re.search(r'href="(/lost[^"]*)"', row)[1]) == LOST
    assert re.search(rf">{worst}</a>", row)
    told = plain(section(page, "groups"))
    for node, late, gone in of_nodes:
        name = re.escape(town.NODES[node - 1])
        assert re.search(rf"{name} 400 [\d.]+% {late} \d+ {gone} ", told), name
    assert sum(gone for *_, gone in of_nodes) > 0
    assert f"In 30 days {all_days} days of meters were lost" in plain(section(page, "reasons"))


LOST = "/lost?plan=daily&day=2026-03-01"


def shown_figures(part):
    """The figures of a part, each before its name."""
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", part, re.S)
    return ", ".join(f"{plain(value).strip()} {name}" for name, value in pairs).replace(", ", " ")


@both
def test_meters_that_lost_a_day(place, enter, monkeypatch):
    monkeypatch.setattr("ferraris.headend.page.lost._PAGE", 25)
    visitor = enter("viewer")
    page = visitor.get(LOST).text
    assert "1-0:1.8.0*255, 1-0:1.7.0*255" in plain(section(page, "lost"))
    found = listed(page)
    while further := re.search(r'href="(/lost[^"]+)">Next page', page):
        page = visitor.get(html.unescape(further[1])).text
        found += listed(page)
    assert found == town.METERS
    nodes = {name: place % 3 + 1 for place, name in enumerate(town.METERS, 1)}
    assert {nodes[name] for name in listed(visitor.get(f"{LOST}&segment=Hafen").text)} == {3}
    only = listed(visitor.get(f"{LOST}&model=E450&firmware=1.4.2").text)
    assert only
    assert {town.METERS.index(name) % 2 for name in only} == {0}
    assert "No meter lost this day" in visitor.get("/lost?plan=daily&day=2026-03-09").text
    for wrong, status in (("day=x", 400), ("after=x", 400), ("segment=Nirgends", 404)):
        assert visitor.get(f"/lost?{wrong}").status_code == status
    days = section(visitor.get(f"/meters/{town.SHOWN}").text, "lost_days")
    assert "Sun 1 Mar" in plain(days)
    assert LOST in html.unescape(days)


def test_who_sees_some_meters_sees_what_those_lost(place, enter):
    with place.engine.transaction() as connection:
        create_group(connection, 1, "docks", "node=Hafen")
    visitor = enter("viewer", group="docks")
    page = visitor.get(LOST).text
    nodes = {name: place % 3 + 1 for place, name in enumerate(town.METERS, 1)}
    assert {nodes[name] for name in listed(page)} == {3}
    assert "(" not in re.search(r'<select id="day".*?</select>', page, re.S)[0]
    assert "days of meters were lost" not in visitor.get("/missing").text


@both
def test_meters_are_found_and_paged(enter):
    visitor = enter("viewer")
    first = visitor.get("/meters").text
    assert "60 meters" in plain(first)
    links = re.findall(r'<th scope="row"><a href="(/meters/[^"]+)"', first)
    further = html.unescape(re.search(r'href="(/meters\?after=[^"]+)"', first)[1])
    links += re.findall(r'<th scope="row"><a href="(/meters/[^"]+)"', visitor.get(further).text)
    assert len(set(links)) == len(links) == 60
    assert "1 meter " in plain(visitor.get("/meters?q=frr0000000007").text) + " "
    assert "No meter fits" in visitor.get("/meters?q=100%25").text
    assert "No meter fits" in visitor.get("/meters?q=_").text
    suspended = plain(visitor.get("/meters?state=suspended").text)
    assert "6 meters" in suspended
    assert "20 meters" in plain(visitor.get("/meters", params={"q": town.NODES[1].upper()}).text)


@both
def test_a_meter_and_all_that_is_known_of_it(enter):
    page = enter("operator").get(f"/meters/{town.SHOWN}").text
    curve = section(page, "curve")
    assert "Load profile, Mon 9 Mar 2026" in plain(curve)
    assert len(re.findall(r"<tr data-from=", curve)) == 96
    assert re.findall(r"(\w+)</td></tr>", curve).count("Estimated") == 11
    assert 'class="estimated"' in curve
    assert "Not all of this is validated" not in curve
    assert "10.4" in plain(section(page, "registers"))
    assert "MWh" in plain(section(page, "registers"))
    assert "Active energy import" in section(page, "registers")
    assert "no answer within 10 s" in section(page, "sessions")
    assert "2 power up" in plain(section(page, "events"))
    assert "shipment" in section(page, "life")
    assert "Active, keys renewed" in plain(section(page, "registration"))
    facts = plain(section(page, "facts"))
    assert "SP-1001" in facts
    assert "C-88123" in facts
    assert "wanted: 1.5.0" in facts


def test_looks_at_what_belongs_to_a_customer_are_audited(place, enter):
    def lines(principal):
        with place.engine.reading() as connection:
            found = connection.execute(
                select(AUDIT.c.action, AUDIT.c.subject).where(AUDIT.c.principal == principal)
            )
            return {tuple(line) for line in found} - {("sign_in", principal)}

    enter("planner").get(f"/meters/{town.SHOWN}")
    assert ("list_assignments", "C-88123") in lines("planner")
    enter("keeper of keys").get(f"/meters/{town.SHOWN}")
    assert lines("keeper of keys") == set()


def test_a_look_at_readings_tells_from_when_they_are(place, enter):
    enter("analyst", name="onlooker").get(f"/meters/{town.SHOWN}?day=2026-03-08")
    with place.engine.reading() as connection:
        rows = connection.execute(
            select(AUDIT.c.action, AUDIT.c.detail).where(
                AUDIT.c.principal == "onlooker", AUDIT.c.subject == town.SHOWN
            )
        ).all()
    begin = (town.TODAY - 2) * town.DAY_S - 3600  # midnight of Berlin
    day = {"by": "page", "readings": [begin, begin + town.DAY_S]}
    read = int(town.NOW - 9000)
    assert [(row.action, json.loads(row.detail)) for row in rows] == [
        ("show_final", day),
        ("show_readings", day),
        ("show_readings", {"by": "page", "readings": [read, read + 1]}),
    ]


def test_a_meter_is_read_now(place, enter):
    visitor = enter("operator")
    page = visitor.get(f"/meters/{town.SHOWN}").text
    form = {"csrf": form_key(page)}
    answer = visitor.post(f"/meters/{town.SHOWN}/read", data=form, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/meters/{town.SHOWN}#part-now"
    assert "Read registers Queued" in plain(visitor.get(f"/meters/{town.SHOWN}").text)
    with place.engine.reading() as connection:
        [command] = connection.execute(
            select(COMMAND).where(COMMAND.c.meter == 2).order_by(COMMAND.c.id.desc())
        ).all()
        line = connection.execute(select(AUDIT).where(AUDIT.c.action == "put_new_command")).one()
    assert json.loads(command.parameters)["names"] == ["1-0:1.8.0*255", "1-0:1.7.0*255"]
    assert (command.requested_by, command.state) == ("operator", "queued")
    assert (line.principal, line.subject, line.outcome) == ("operator", town.SHOWN, "done")
    result = {
        "readings": [
            {"name": "1-0:1.8.0*255", "value": 10_543_210, "unit": "Wh", "time": None},
            {"name": "1-0:32.7.0*255", "value": "230.1", "unit": "V", "time": None},
            {"name": "0-0:96.1.0*255", "value": "<b>", "unit": None, "time": None},
            {
                "name": "0-0:1.0.0*255",
                "value": "07ea030a02072f1e00ffc400",
                "unit": None,
                "time": None,
            },
        ],
        "missing": ["1-0:1.7.0*255"],
    }
    with place.engine.transaction() as connection:
        connection.execute(
            update(COMMAND)
            .where(COMMAND.c.id == command.id)
            .values(state="done", ended_s=town.NOW + 2, result=json.dumps(result))
        )
    now = section(visitor.get(f"/meters/{town.SHOWN}").text, "now")
    assert "10.543\N{NO-BREAK SPACE}MWh" in now
    assert "230.1\N{NO-BREAK SPACE}V" in now
    assert "&lt;b&gt;" in now
    assert "10 Mar 2026, 07:47:30 CET" in now
    assert "Not given: 1-0:1.7.0" in now
    assert "took 2.0\N{NO-BREAK SPACE}s" in now
    # Who may not see readings sees that it was read, and nothing of what was.
    assert "MWh" not in enter("viewer").get(f"/meters/{town.SHOWN}").text


def test_who_may_not_command_does_not(place, enter):
    for role in ("viewer", "analyst", "auditor"):
        visitor = enter(role)
        key = form_key(visitor.get("/").text)
        answer = visitor.post(f"/meters/{town.SHOWN}/read", data={"csrf": key})
        assert answer.status_code == 403
        assert "You may not do this" in answer.text
    visitor = enter("operator")
    key = form_key(visitor.get("/").text)
    assert visitor.post(f"/meters/{town.FOREIGN}/read", data={"csrf": key}).status_code == 404
    assert visitor.post("/meters/NOBODY/read", data={"csrf": key}).status_code == 404
    suspended = visitor.post(f"/meters/{town.METERS[8]}/read", data={"csrf": key})
    assert suspended.status_code == 409
    assert "suspended" in suspended.text
    visitor.cookies.clear()
    assert visitor.post(f"/meters/{town.SHOWN}/read", data={"csrf": key}).status_code == 403


def test_what_no_rule_has_looked_at_is_shown_as_it_was_read(place, enter):
    with place.engine.transaction() as connection:
        days = connection.execute(select(FINAL.c.day)).scalars().all()
        yesterday = FINAL.c.day == max(days)
        kept = connection.execute(select(FINAL).where(yesterday)).mappings().all()
        connection.execute(delete(FINAL).where(yesterday))
    curve = section(enter("analyst").get(f"/meters/{town.SHOWN}").text, "curve")
    with place.engine.transaction() as connection:
        connection.execute(insert(FINAL), [dict(row) for row in kept])
    assert "Not all of this is validated" in curve
    assert re.findall(r"(\w+)</td></tr>", curve).count("Missing") == 11
    assert 'class="missing"' in curve


@pytest.mark.parametrize(
    ("query", "name", "rows"),
    [
        ("span=day&day=2026-03-08", "Sun 8 Mar 2026", 96),
        ("span=week&day=2026-03-08", "2 Mar – 8 Mar 2026", 168),
        ("span=month&day=2026-02-28", "Feb 2026", 28),
        ("span=day&day=2025-03-30", "Sun 30 Mar 2025", 92),
        ("span=day&day=2025-10-26", "Sun 26 Oct 2025", 100),
        # What is still to come is neither there nor missing.
        ("span=week&day=2026-03-10", "9 Mar – 15 Mar 2026", 32),
        ("span=day&day=2026-03-11", "Wed 11 Mar 2026", 0),
        ("span=nonsense&day=9999-99-99&channel=x", "Mon 9 Mar 2026", 96),
        ("day=0001-01-01", "Mon 9 Mar 2026", 96),
    ],
)
def test_days_weeks_and_months(enter, query, name, rows):
    answer = enter("analyst").get(f"/meters/{town.SHOWN}?{query}")
    curve = section(answer.text, "curve")
    assert name in plain(curve)
    assert len(re.findall(r"<tr data-from=", curve)) == rows


def test_a_channel_without_flow(enter):
    page = enter("analyst").get(
        f"/meters/{town.SHOWN}", params={"channel": f"{town.PROFILE} 1-0:2.8.0"}
    )
    assert "selected>1-0:2.8.0" in page.text
    assert "0.000" in section(page.text, "curve")


def test_a_meter_without_readings_says_so(enter):
    page = enter("operator").get(f"/meters/{town.METERS[5]}").text
    assert "Nothing has been read yet." in page
    assert "No register has been read yet." in page


def test_who_may_not_see_readings_is_told(enter):
    page = enter("viewer").get(f"/meters/{town.SHOWN}").text
    for name in ("curve", "registers"):
        assert "You would need the right: see readings." in plain(section(page, name))
    assert "C-88123" not in page
    assert "SP-1001" in page
    assert "MWh" not in page
    assert "Read now" not in page
    assert "Read now" in enter("operator").get(f"/meters/{town.SHOWN}").text


def test_meters_of_others_are_not_there(place, enter):
    with place.engine.transaction() as connection:
        create_group(connection, 1, "harbour", 'node = "Hafen"')
    visitor = enter("operator")
    unknown = visitor.get("/meters/NOBODY")
    foreign = visitor.get(f"/meters/{town.FOREIGN}")
    assert unknown.status_code == foreign.status_code == 404
    assert strip_key(unknown.text) == strip_key(foreign.text)
    assert town.FOREIGN not in visitor.get("/meters").text
    # A principal of a group sees the meters of the group alone.
    member = enter("operator", group="harbour")
    assert member.get(f"/meters/{town.METERS[1]}").status_code == 200
    other = member.get(f"/meters/{town.METERS[2]}")
    assert other.status_code == 404
    assert strip_key(other.text) == strip_key(member.get("/meters/NOBODY").text)
    assert "20 meters" in plain(member.get("/meters").text)
    # What is counted over all meters is for those who may see all of them.
    overview = member.get("/").text
    assert "You would need the right: see meters." in plain(section(overview, "today"))
    assert "no answer" in section(overview, "missing")
    neighbour = enter("operator", tenant=2, name="neighbour")
    assert neighbour.get(f"/meters/{town.FOREIGN}").status_code == 200
    assert neighbour.get(f"/meters/{town.SHOWN}").status_code == 404
    for name in (town.SHOWN, "no answer within", "terminal cover", "4652523030303939", "Hafen"):
        assert name not in neighbour.get("/").text


def strip_key(text):
    return re.sub(r'name="csrf" value="[0-9a-f]+"', "", text)


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.attributes = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name) for name, _ in attrs]


@pytest.mark.parametrize(
    "path",
    ["/", "/missing", "/meters", "/meters/" + quote(town.EVIL), "/meters?q=" + quote(town.EVIL)],
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_names_stay_names(enter, path, language):
    answer = enter("administrator").get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
    assert "<script>alert" not in answer.text
    assert "<b>Mitte" not in answer.text
    assert "<b>removed" not in answer.text
    found = Elements()
    found.feed(answer.text)
    assert not {name for _, name in found.attributes if name.startswith("on") or name == "style"}
    assert not {tag for tag, _ in found.attributes} & {"iframe", "object", "embed", "base"}


def test_parts_come_by_themselves(enter):
    visitor = enter("operator")
    answer = visitor.get(
        f"/meters/{town.SHOWN}", headers={"X-Parts": "curve sessions nonsense <x>"}
    )
    assert re.findall(r'id="part-([a-z]+)"', answer.text) == ["curve", "sessions"]
    whole = visitor.get(f"/meters/{town.SHOWN}").text
    assert section(whole, "sessions") == section(answer.text, "sessions")
    nothing = visitor.get("/", headers={"X-Parts": "nonsense"})
    assert "section" not in nothing.text


def test_colours_and_language_are_kept(enter):
    visitor = enter("viewer")
    page = visitor.get("/meters?q=x").text
    assert 'data-theme="auto"' in page
    key = form_key(page)
    answer = visitor.post(
        "/view", data={"csrf": key, "theme": "dark", "next": "/meters?q=x"}, follow_redirects=True
    )
    assert str(answer.url).endswith("/meters?q=x")
    assert 'data-theme="dark"' in answer.text
    german = visitor.post("/view", data={"csrf": key, "language": "de"}).text
    assert '<html lang="de" data-theme="dark">' in german
    assert "Übersicht" in german
    nonsense = {"csrf": key, "language": "xx", "theme": '"><script>'}
    assert '<html lang="de" data-theme="dark">' in visitor.post("/view", data=nonsense).text


def test_a_mistake_of_ours_is_a_page_that_tells_nothing(place, enter, monkeypatch):
    visitor = enter("viewer")

    def broken(*_):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("ferraris.headend.page.attention.asking.counts", broken)
    answer = visitor.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "secret of the house" not in answer.text
    assert "RuntimeError" not in answer.text
