"""The web page over 10,000 meters: how long its pages take, and the processor time of each.

`python bench/page.py [REQUESTS] [--store URL]` fills a new store with a network of forty segments,
thirty days of read success, a night's blocks and register reads, 1,000 meters in trouble, alarms,
strangers, commands and sessions, serves the page by uvicorn in a process of its own, and asks for
one page after another with the cookie of a signed-in operator. What is told are the median and the
nineteenth of twenty by the clock, and the processor time of the server for a page. Before each
"overview, counted anew" the newest day is counted otherwise, so that nothing is remembered of it.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import statistics
import subprocess
import sys
import time
from array import array
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import insert, text, update

from _places import named, place
from api import spent
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series
from ferraris.headend.access import principals, tokens
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.opening import Access
from ferraris.headend.api.application import application
from ferraris.headend.collect import plan_of, put_plan
from ferraris.headend.collect.plans import plans
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.operations import House
from ferraris.headend.page.routes import Page
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.exchange import pack_series
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.collecting import (
    COMMAND,
    CONTACT,
    LACK,
    PLAN_METER,
    READ_SUCCESS,
    SESSION,
)
from ferraris.headend.store.tables.inventory import METER, NODE, STRANGER
from ferraris.headend.store.tables.readings import ALARM, BLOCK, LAYOUT, REGISTER_READ
from ferraris.headend.vee.rounds import Rounds
from ferraris.keys import MemoryKeys

METERS, NODES, DAYS, DAY_S = 10_000, 40, 30, 86_400
PROFILE = "1-0:99.1.0*255"
MODELS, FIRMWARES = ("AM550", "E450", "S650"), ("1.4.2", "1.5.0")
NOW = 1_773_127_500.0  # 10 March 2026, 07:25 UTC
TODAY = int(NOW // DAY_S)
SHOWN = "M00007"
PAGES = {
    "overview": "/",
    "overview, counted anew": "/?",
    "its success alone": "today month groups",
    "missing": "/missing",
    "missing, one segment": "/missing?segment=cell-7&sort=next",
    "meters": "/meters",
    "meters, searched": "/meters?q=cell-7",
    "alarms": "/alarms?shown=all",
    "a meter, day": f"/meters/{SHOWN}",
    "a meter, month": f"/meters/{SHOWN}?span=month",
}


def put(connection: Any, table: Any, rows: list[dict[str, Any]]) -> None:
    """Rows of the first tenant."""
    for start in range(0, len(rows), 5000):
        some = [{"tenant": 1, **row} for row in rows[start : start + 5000]]
        connection.execute(insert(table), some)


def furnish(where: str) -> str:
    """The town, as a night has left it; the token of an operator."""
    engine, chance = Engine(where), random.Random(1)
    migrate(engine)
    with engine.transaction() as connection:
        tenant = tenant_number(connection, "main", make=True)
        put(connection, NODE, [{"kind": "network", "name": "network"}])
        put(
            connection,
            NODE,
            [{"kind": "cell", "name": f"cell-{n}", "parent": 1} for n in range(1, NODES)],
        )
        put(connection, METER, [meter(number) for number in range(1, METERS + 1)])
        plan = {
            "name": "daily",
            "zone": "Europe/Berlin",
            "profiles": [{"profile": PROFILE, "period": "15 min"}],
            "registers": ["1-0:1.8.0*255"],
            "windows": [{"from": "00:15", "until": "05:00"}],
            "deadline": "06:00",
        }
        put_plan(connection, tenant, plan_of(plan), now=NOW - 40 * DAY_S)
        members = [{"plan": 1, "meter": n, "since_day": 0} for n in range(1, METERS + 1)]
        put(connection, PLAN_METER, members)
        success(connection, chance)
        curve(engine, connection)
        night(connection, tenant, chance)
        trouble(connection, chance)
        olga = principals.create(connection, tenant, "olga", at_s=NOW)
        assert olga
        principals.grant(connection, tenant, olga, Grant("operator"))
        _, secret = tokens.issue(connection, tenant, olga, "bench", at_s=NOW - 1)
    Rounds(engine).all(NOW)
    if engine.is_postgresql:
        with engine.transaction() as connection:
            connection.execute(text("ANALYZE"))
    engine.close()
    return secret


def meter(number: int) -> dict[str, Any]:
    """One of ten thousand."""
    return {
        "external_id": f"M{number:05d}",
        "state": "active",
        "node": number % NODES + 1,
        "model": MODELS[number % 3],
        "firmware": FIRMWARES[number % 2],
        "maker": "FRR",
        "system_title": b"",
        "zone": "Europe/Berlin",
        "created_s": 0,
        "changed_s": 0,
        "heard_s": NOW - number,
    }


def success(connection: Any, chance: random.Random) -> None:
    """Thirty days of it, as they are counted: by segment, model and firmware."""
    rows = []
    for day in range(TODAY - DAYS, TODAY):
        for number in range(NODES * 6):
            lost = chance.randrange(3)
            rows.append(
                {
                    "plan": 1,
                    "day": day,
                    "node": number % NODES + 1,
                    "model": MODELS[number % 3],
                    "firmware": FIRMWARES[number // 3 % 2],
                    "due": 42,
                    "in_time": 42 - lost,
                    "late": lost // 2,
                    "deadline_s": (day + 1) * DAY_S + 5 * 3600,
                    "counted_s": NOW,
                    "final": 0,
                }
            )
    unique = {(row["day"], row["node"], row["model"], row["firmware"]): row for row in rows}
    put(connection, READ_SUCCESS, list(unique.values()))


def curve(engine: Engine, connection: Any) -> None:
    """One meter has a load profile of a month."""
    start, end = (TODAY - DAYS) * DAY_S, TODAY * DAY_S
    ends = list(range(start + 900, end + 1, 900))
    names = [Obis.parse(f"1-0:{group}.8.0*255") for group in (1, 2, 3, 4)]
    series = Series(
        "",
        Obis.parse(PROFILE),
        array("q", ends),
        [Channel(name, 3, 2, 0, 30) for name in names],
        [[1000 + at // 900 % 997 * turn for at in ends] for turn in range(4)],
        stamps=[DateTime.from_epoch(at).octets for at in ends],
        status=[0] * len(ends),
    )
    brought = Brought(blocks=pack_series(PROFILE, series, start, end))
    Archive(engine, 1).put(connection, int(SHOWN[1:]), brought, now=NOW - 8000)


def night(connection: Any, tenant: int, chance: random.Random) -> None:
    """What of two days came from nearly everybody; only that it is there is asked for."""
    profile = connection.execute(text("SELECT MIN(id) FROM profile")).scalar_one()
    put(connection, LAYOUT, [{"channels": "[0]"}])
    layout = connection.execute(text("SELECT MAX(id) FROM layout")).scalar_one()
    there = [n for n in range(1, METERS + 1) if n % 97 and n != int(SHOWN[1:])]
    block = {"profile": profile, "layout": layout, "version": 1, "rows": 96}
    empty = {"digest": b"", "body": b""}
    for day in (TODAY - 2, TODAY - 1):
        stored_s = (day + 1) * DAY_S
        rows = [{**block, **empty, "meter": n, "day": day,
                 "stored_s": stored_s + chance.randrange(14_000)} for n in there]  # fmt: skip
        put(connection, BLOCK, rows)
    [known] = plans(connection, tenant)
    registers = next(number for number, item in known.items.items() if item.kind == "registers")
    connection.execute(
        text("INSERT INTO item_layout (tenant, item, layout) VALUES (1, :item, :layout)"),
        {"item": registers, "layout": layout},
    )
    reads = [{**empty, "meter": n, "day": TODAY, "read_s": TODAY * DAY_S + chance.randrange(14_000),
              "layout": layout, "version": 1, "count": 1} for n in there]  # fmt: skip
    put(connection, REGISTER_READ, reads)
    sessions = [{"meter": n, "started_s": NOW - 9000, "ended_s": NOW - 8999, "occasion": "plan",
                 "outcome": "done", "message": "", "intervals": 96, "registers": 1, "events": 0}
                for n in there]  # fmt: skip
    put(connection, SESSION, sessions)


def trouble(connection: Any, chance: random.Random) -> None:
    """A tenth of the meters was tried in vain; some days of others are short of rows."""
    reasons = ("line", "security", "refused", "decode", "usage")
    contacts = [
        {"meter": n, "state": "held" if n % 50 == 0 else "waiting", "tries": 3,
         "not_before_s": NOW + n, "reason": reasons[n // 10 % 5], "since_s": NOW,
         "message": "no answer within 10 s from 10.1.2.3:4059"}
        for n in range(10, METERS + 1, 20)
    ]  # fmt: skip
    put(connection, CONTACT, contacts)
    item = connection.execute(text("SELECT MIN(id) FROM item")).scalar_one()
    lacks = [
        {"meter": n, "item": item, "day": TODAY - back, "held": 0, "tries": 1,
         "not_before_s": NOW + 600, "reason": "short", "message": "", "since_s": NOW}
        for n in range(5, METERS + 1, 20) for back in range(1, 11)
    ]  # fmt: skip
    put(connection, LACK, lacks)
    times = {"raised_s": NOW - 4000, "last_s": NOW - 3000, "times": 2}
    put(connection, ALARM, [{"meter": n, "name": "terminal cover removed", "source": "push",
                             **times} for n in range(1, 1001)])  # fmt: skip
    told = {"first_s": NOW - 9000, "last_s": NOW - 300, "times": 4}
    put(connection, STRANGER, [{"identity": f"{n:016x}", "peer": "10.20.0.9:51234", "message": "",
                                "reason": "unknown", **told} for n in range(200)])  # fmt: skip
    put(connection, COMMAND, [{"meter": chance.randrange(1, METERS), "kind": "read registers",
                               "parameters": "{}", "priority": 0, "state": "done", "changes": 0,
                               "requested_by": "olga", "requested_s": NOW - 500 + n}
                              for n in range(1000)])  # fmt: skip


def serve(where: str) -> None:
    """The process of the server; prints its port."""
    import socket

    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    house = House(Engine(where), MemoryKeys(), lambda: NOW)
    access = Access(house.engine, house.journal.write, clock=house.clock, monotonic=time.monotonic)
    app = application(house, Page(house, access).routes)
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", access_log=False, log_level="warning", ws="none"
    )
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listening])


class Browser:
    """One connection with its cookies."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.cookies: dict[str, str] = {}

    def ask(
        self, path: str, form: dict[str, str] | None = None, parts: str = ""
    ) -> tuple[int, str]:  # fmt: skip
        """Status and text of an answer."""
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if parts:
            headers["X-Parts"] = parts
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        self.connection.request("GET" if form is None else "POST", path, body, headers)
        answer = self.connection.getresponse()
        for kept in answer.headers.get_all("set-cookie", []):
            name, _, value = kept.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.read().decode()

    def enter(self, secret: str) -> None:
        """Sign in."""
        door = self.ask("/login")[1]
        key = re.search('name="csrf" value="([^"]+)"', door)
        assert key
        status, _ = self.ask("/login", {"csrf": key[1], "token": secret, "next": "/"})
        assert status == 303, status


def count_anew(where: str, turn: int) -> None:
    """The newest day is counted otherwise."""
    engine = Engine(where)
    newest = (READ_SUCCESS.c.day == TODAY - 1) & (READ_SUCCESS.c.node == 1)
    with engine.transaction() as connection:
        connection.execute(update(READ_SUCCESS).where(newest).values(late=turn % 2))
    engine.close()


def measure(where: str, secret: str, count: int) -> dict[str, dict[str, float]]:
    """Ask for every page so often."""
    found = {}
    command = [sys.executable, __file__, "--serve", where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        browser = Browser(int(server.stdout.readline()))
        browser.enter(secret)
        for name, path in PAGES.items():
            address, parts = (path, "") if path.startswith("/") else ("/", path)
            browser.ask(address, parts=parts)
            took, before = [], spent(server.pid)
            for turn in range(count):
                if path == "/?":
                    count_anew(where, turn)
                began = time.perf_counter()
                status, page = browser.ask(address, parts=parts)
                took.append((time.perf_counter() - began) * 1e3)
                assert status == 200, (status, page)
            found[name] = {
                "ms": statistics.median(took),
                "ms at worst": sorted(took)[len(took) * 19 // 20],
                "ms of processor": (spent(server.pid) - before) / count * 1e3,
                "kB": len(page) / 1e3,
            }
        server.terminate()
    return found


def main() -> None:
    """Print a line for each."""
    arguments = sys.argv[1:]
    given = next(iter(named(arguments)), "")
    count = int(arguments[0]) if arguments else 40
    with place(given) as where:
        rows = measure(where, furnish(where), count)
    for name, row in rows.items():
        figures = "  ".join(f"{value:7.1f} {what}" for what, value in row.items())
        print(f"{name:22} {figures}")
    print(json.dumps(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
