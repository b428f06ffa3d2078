"""A small town in a store, as a night has left it: for the tests of the page."""

from __future__ import annotations

import math
import random
from array import array
from datetime import UTC, datetime

from sqlalchemy import insert, text

from ferraris.data import units
from ferraris.data.date_time import DateTime
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Event, Reading, Series
from ferraris.headend.access import ROLES, principals, tokens
from ferraris.headend.access.grants import Grant
from ferraris.headend.collect import plan_of, put_plan
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.exchange import pack_events, pack_readings, pack_series
from ferraris.headend.store.migrations import migrate
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.collecting import (
    COMMAND,
    CONTACT,
    PLAN_METER,
    READ_SUCCESS,
    SESSION,
)
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    LIFE,
    METER,
    NODE,
    REGISTRATION,
    SERVICE_POINT,
    SERVICE_POINT_METER,
    STRANGER,
    TENANT,
)
from ferraris.headend.store.tables.readings import ALARM
from ferraris.headend.vee.rounds import Rounds

DAY_S = 86_400
NOW = datetime(2026, 3, 10, 7, 25, tzinfo=UTC).timestamp()
TODAY = int(NOW // DAY_S)
ZONE = "Europe/Berlin"
PROFILE = "1-0:99.1.0*255"
EVIL = """"><script>alert('meter')<b onload=x()>"""
METERS = [EVIL, *(f"FRR{number:010d}" for number in range(1, 60))]
SHOWN = METERS[1]
FOREIGN = "FOREIGN1"
NODES = ("Nord", "Süd & <b>Mitte</b>", "Hafen")
MODELS = ("AM550", "E450")
TROUBLES = (
    ("line", "no answer within 10 s from 10.1.2.3:4059"),
    ("security", "the tag does not match: wrong key, or altered message"),
    ("refused", "object 1-0:99.1.0*255 is undefined"),
    ("usage", "clock deviates by 3 h"),
)


def fill(engine) -> None:
    """Make the tables, and fill them."""
    chance = random.Random(7)
    migrate(engine)
    with engine.transaction() as connection:
        _inventory(connection)
        _plan(connection, chance)
        _trouble(connection)
        _readings(engine, connection, chance)
        if engine.is_postgresql:  # the numbers of these meters were given, not drawn
            last = "SELECT setval(pg_get_serial_sequence('meter', 'id'), 1000000)"
            connection.execute(text(last))
    Rounds(engine).all(NOW)
    with engine.transaction() as connection:  # noted late, so nothing is sealed
        connection.execute(
            insert(SERVICE_POINT_METER).values(
                tenant=1, service_point=1, since_s=0, meter=2, customer=1
            )
        )


def token(engine, role, *, group="", tenant=1, name="", expires_s=None):
    """A token of a new principal with a role."""
    with engine.transaction() as connection:
        made = principals.create(connection, tenant, name or f"{role} {group}".strip(), at_s=NOW)
        assert made
        assert role in ROLES
        principals.grant(connection, tenant, made, Grant(role, group))
        _, secret = tokens.issue(
            connection, tenant, made, "test", at_s=NOW - 1, expires_s=expires_s
        )
    return secret


def _inventory(connection):
    for number, name in enumerate(("town", "elsewhere"), 1):
        connection.execute(insert(TENANT).values(id=number, name=name))
    for number, name in enumerate(NODES, 1):
        connection.execute(insert(NODE).values(id=number, tenant=1, kind="cell", name=name))
    rows = [
        {
            "id": number,
            "tenant": 1,
            "external_id": name,
            "state": "active" if number % 9 else "suspended",
            "node": number % 3 + 1,
            "system_title": b"FRR%05d" % number,
            "maker": "Ferraris",
            "model": MODELS[number % 2],
            "firmware": "1.4.2",
            "firmware_wanted": "1.5.0",
            "zone": ZONE,
            "created_s": 0,
            "changed_s": 0,
            "heard_s": NOW - number * 7000 if number % 7 else None,
        }
        for number, name in enumerate(METERS, 1)
    ]
    connection.execute(insert(METER), rows)
    connection.execute(
        insert(METER), [{**rows[0], "id": 900_000, "tenant": 2, "external_id": FOREIGN}]
    )
    connection.execute(insert(SERVICE_POINT).values(id=1, tenant=1, name="SP-1001", zone=ZONE))
    connection.execute(insert(CUSTOMER).values(id=1, tenant=1, name="C-88123"))
    steps = (("", "known", "shipment"), ("known", "installed", "seen"), ("installed", "active", ""))
    for place, (before, after, reason) in enumerate(steps):
        connection.execute(
            insert(LIFE).values(
                tenant=1,
                meter=2,
                before=before,
                after=after,
                at_s=NOW - (90 - place) * DAY_S,
                reason=reason,
                by="import",
            )
        )

    connection.execute(
        insert(REGISTRATION).values(
            tenant=1,
            meter=2,
            step="active",
            occasion="push",
            asked_by="meter",
            since_s=NOW - 50 * DAY_S,
            changed_s=NOW - 50 * DAY_S + 60,
            not_before_s=0,
            counter_asked=0,
            clock_offset_s=-75,
        )
    )


def _plan(connection, chance):
    plan = plan_of(
        {
            "name": "daily",
            "zone": ZONE,
            "profiles": [{"profile": PROFILE, "period": "15 min"}],
            "registers": ["1-0:1.8.0*255", "1-0:1.7.0*255"],
            "windows": [{"from": "00:15", "until": "05:00"}],
            "deadline": "06:00",
        }
    )
    put_plan(connection, 1, plan, now=NOW - 40 * DAY_S)
    connection.execute(
        insert(PLAN_METER),
        [
            {"tenant": 1, "plan": 1, "meter": number, "since_day": 0}
            for number in range(1, len(METERS) + 1)
        ],
    )
    rows = []
    for day in range(TODAY - 30, TODAY):
        for node in range(1, len(NODES) + 1):
            for model in MODELS:
                due = 200
                short = chance.randrange(4) + (30 if day == TODAY - 9 else 0)
                late = 0 if day == TODAY - 1 else short // 2
                rows.append(
                    {
                        "tenant": 1,
                        "plan": 1,
                        "day": day,
                        "node": node,
                        "model": model,
                        "firmware": "1.4.2",
                        "due": due,
                        "in_time": due - short,
                        "late": late,
                        "lost": (short + 1) // 3,
                        "deadline_s": (day + 1) * DAY_S + 5 * 3600,
                        "counted_s": NOW,
                    }
                )
    connection.execute(insert(READ_SUCCESS), rows)


def _trouble(connection):
    for number in range(1, 13):
        reason, message = TROUBLES[number % 4]
        connection.execute(
            insert(CONTACT).values(
                tenant=1,
                meter=number,
                state="held" if reason == "usage" else "waiting",
                tries=3,
                not_before_s=NOW + 600 * number,
                reason=reason,
                message=message,
                since_s=NOW,
            )
        )
    connection.execute(
        insert(ALARM).values(
            tenant=1,
            meter=20,
            name="terminal cover <b>removed</b>",
            source="push",
            raised_s=NOW - 4000,
            last_s=NOW - 3000,
            times=2,
        )
    )
    connection.execute(
        insert(STRANGER).values(
            tenant=1,
            identity="4652523030303939",
            peer="10.20.0.9:51234",
            reason="unknown",
            message="",
            first_s=NOW - 9000,
            last_s=NOW - 300,
            times=4,
        )
    )
    for place, state in enumerate(("done", "failed", "unknown", "running")):
        connection.execute(
            insert(COMMAND).values(
                tenant=1,
                meter=30 + place,
                kind="read registers",
                parameters="{}",
                priority=0,
                state=state,
                requested_by="operator",
                requested_s=NOW - 500 + place,
            )
        )
    for back in range(5):
        fine = back != 2
        connection.execute(
            insert(SESSION).values(
                tenant=1,
                meter=2,
                started_s=NOW - back * DAY_S - 9000,
                ended_s=NOW - back * DAY_S - 8997,
                occasion="plan",
                outcome="done" if fine else "line",
                message="" if fine else "no answer within 10 s",
                intervals=96 * fine,
                registers=5 * fine,
                events=0,
            )
        )


def load(at_s, chance):
    """Kilowatts of a household."""
    hour = (at_s + 3600) / 3600 % 24
    morning = 1.8 * math.exp(-(((hour - 7.5) / 1.2) ** 2))
    evening = 2.6 * math.exp(-(((hour - 19) / 2) ** 2))
    return 0.3 + chance.random() * (morning + evening)


def _readings(engine, connection, chance):
    start, end = (TODAY - 33) * DAY_S, TODAY * DAY_S
    total, rows = 10_000_000, {}
    for at in range(start + 900, end + 1, 900):
        total += int(load(at, chance) * 250)
        rows[at] = total
    ends = [at for at in rows if not 0 < (at - end + 50_000) < 9000]
    series = Series(
        "",
        Obis.parse(PROFILE),
        array("q", ends),
        [Channel(Obis.parse(f"1-0:{c}.8.0*255"), 3, 2, 0, 30) for c in (1, 2)],
        [[rows[at] for at in ends], [0] * len(ends)],
        stamps=[DateTime.from_epoch(at).octets for at in ends],
        status=[0] * len(ends),
    )
    at = datetime.fromtimestamp(NOW - 9000, UTC)
    registers = [
        Reading("", Obis.parse(name), value, units.unit(code), at, origin="3/2")
        for name, value, code in (
            ("1-0:1.8.0*255", total, 30),
            ("1-0:1.7.0*255", 1234, 27),
            ("0-0:96.1.0*255", b"FRR06300001", 255),
        )
    ]
    happened = datetime.fromtimestamp(NOW - 50_000, UTC)
    events = [
        Event("", Obis.parse("0-0:99.98.0*255"), happened, 1, "power down", b"\0" * 12),
        Event("", Obis.parse("0-0:99.98.0*255"), happened, 2, "power up", b"\0" * 12),
    ]
    Archive(engine, 1).put(
        connection,
        2,
        Brought(
            blocks=pack_series(PROFILE, series, start, end),
            reads=[pack_readings(TODAY - 1, int(NOW - 9000), registers)],
            events=pack_events(events),
        ),
        now=NOW - 8000,
    )
