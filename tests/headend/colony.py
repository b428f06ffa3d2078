"""Simulated meters on loopback with an inventory and a key store that know them from a shipment."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType

from sqlalchemy import insert, select, update

from ferraris.client.security import MECHANISMS
from ferraris.crypto.certificates import Usage
from ferraris.data.obis import Obis
from ferraris.headend.intake import PushIntake, PushSettings, PushWriter, Senders
from ferraris.headend.inventory import key_id as name_key
from ferraris.headend.registration import Registrar, RegistrationPolicy, Strangers, progress_of
from ferraris.headend.registration.recognition import known_by_number
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.access import CHANGE
from ferraris.headend.store.tables.inventory import LIFE, METER, STRANGER, TENANT
from ferraris.keys import KeyStore
from ferraris.line.url import Endpoint, parse_url
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.templates import template
from ferraris.server.device import READ, AccessRights, ObjectRights

NOON = 1_795_003_200.0
TITLE = b"FRR\x00\x00\x00\x00\x01"
POLICY = RegistrationPolicy(timeout_s=5.0)
QUICK = PushSettings(linger_s=0.0, pause_s=0.01)
PASSPHRASE = "a colony"
COST = 16


class Clock:
    """Time that only `sleep` moves."""

    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


class Colony:
    quick = QUICK

    def __init__(self, engine: Engine, keys, *, store=None):
        self.engine = engine
        self.place = keys
        self.keys = store or KeyStore.create(keys, PASSPHRASE, cost=COST)
        self.clock = Clock()
        self.journal = []
        with engine.transaction() as connection:
            self.tenant = connection.execute(
                insert(TENANT).values(name="north").returning(TENANT.c.id)
            ).scalar_one()
        self.strangers = Strangers(engine, self.clock, journal=self.write)

    def close(self):
        self.keys.close()

    def reopen_keys(self):
        """As a new process would."""
        self.keys.close()
        self.keys = KeyStore.open(self.place, PASSPHRASE)

    @asynccontextmanager
    async def fleet(self, count=1, *, name="residential", kind=None, seed=7, utc=None, **fields):
        fleet = Fleet(kind or template(name), count, seed=seed)
        async with await listen(
            fleet, Endpoint("tcp", "127.0.0.1", 0), utc=utc or self.clock
        ) as listening:
            for index in range(count):
                url = str(listening.endpoint(index))
                self.deliver(fleet, index, address=url, **fields)
            yield fleet, listening
        for _ in range(10):  # what was cut ends in the next turns of the loop
            await asyncio.sleep(0)

    def deliver(self, fleet, index, *, external_id=None, **fields):
        """What a shipment file would have brought."""
        line = fleet.line(index, "")
        name = external_id or line["id"]
        way = line.get("mechanism", 7 if fleet.template.suite else 5)
        key_id = name_key("north", name)
        self.keys.put_many(
            [
                (key_id, "encryption_key", bytes.fromhex(line["encryption_key"])),
                (key_id, "authentication_key", bytes.fromhex(line["authentication_key"])),
                (key_id, "master_key", fleet.key(index, b"master")),
                (key_id, "password", line["password"].encode()),
            ]
        )
        if fleet.template.suite:
            self.trust(fleet, index)
        row = {
            "external_id": name,
            "suite": int(fleet.template.suite),
            "authentication": MECHANISMS[way],
            "system_title": bytes.fromhex(line["system_title"]),
            "client": line["client"],
            "server": line["server"],
            "state": "known",
            "template": fleet.template.name,
        }
        return self.enrol(**(row | fields))

    def trust(self, fleet, index):
        """The root of the meters, our own keys, and the certificates of a meter."""
        if not self.keys.authorities():
            self.keys.put_certificate(fleet.authority.root, trusted=True)
            ours = fleet.client_pairs(0)
            self.keys.put_private_key(TITLE.hex().upper(), Usage.SIGNING, ours.signing)
            self.keys.put_private_key(TITLE.hex().upper(), Usage.KEY_AGREEMENT, ours.agreement)
        for usage in (Usage.SIGNING, Usage.KEY_AGREEMENT):
            self.keys.put_certificate(fleet.certificate(index, usage))

    def enrol(self, **row):
        given = {"tenant": self.tenant, "created_s": 0, "changed_s": 0, "system_title": b""} | row
        with self.engine.transaction() as connection:
            return connection.execute(
                insert(METER).values(given).returning(METER.c.id)
            ).scalar_one()

    def numbers(self):
        with self.engine.reading() as connection:
            return list(connection.execute(select(METER.c.id).order_by(METER.c.id)).scalars())

    def change(self, number, **values):
        with self.engine.transaction() as connection:
            connection.execute(update(METER).where(METER.c.id == number).values(**values))

    def registrar(self, policy=POLICY, **more):
        return Registrar(
            self.engine,
            self.keys,
            self.strangers,
            system_title=TITLE,
            policy=policy,
            journal=self.write,
            clock=self.clock,
            sleep=self.clock.sleep,
            steady=self.clock,
            **more,
        )

    def senders(self, **more):
        return Senders(
            self.engine, self.keys, self.tenant, system_title=TITLE, clock=self.clock, **more
        )

    def intake(self, *urls, settings=QUICK, registrar=None, observer=None, **more):
        """Pushes of the tenant's meters, into its archive."""
        senders = self.senders(**more)
        registrar = registrar or self.registrar()
        writer = PushWriter(
            self.engine,
            Archive(self.engine, self.tenant),
            senders,
            self.strangers,
            announced=registrar.announced,
            clock=self.clock,
        )
        return PushIntake(
            [parse_url(url) for url in urls or ("udp://127.0.0.1:0",)],
            self.tenant,
            senders,
            writer,
            self.strangers,
            settings=settings,
            clock=self.clock,
            observer=observer,
        )

    def write(self, connection, **line):
        self.journal.append(line)

    def commission(self, registrar, numbers=None):
        with self.engine.transaction() as connection:
            for number in self.numbers() if numbers is None else numbers:
                registrar.commission(connection, known_by_number(connection, number), "anna")

    def known(self, number):
        with self.engine.reading() as connection:
            return known_by_number(connection, number)

    def progress(self, number):
        with self.engine.reading() as connection:
            return progress_of(connection, number)

    def meter(self, number):
        with self.engine.reading() as connection:
            return connection.execute(select(METER).where(METER.c.id == number)).one()

    def life(self, number):
        with self.engine.reading() as connection:
            rows = connection.execute(
                select(LIFE).where(LIFE.c.meter == number).order_by(LIFE.c.id)
            ).all()
        return [(row.before, row.after) for row in rows]

    def told(self, kind):
        with self.engine.reading() as connection:
            return connection.execute(
                select(CHANGE).where(CHANGE.c.kind == kind).order_by(CHANGE.c.id)
            ).all()

    def quarantined(self):
        self.strangers.flush()
        with self.engine.reading() as connection:
            return connection.execute(select(STRANGER).order_by(STRANGER.c.id)).all()


def patient(policy=POLICY, **changes):
    return replace(policy, **changes)


def giving(way, client, kind=None):
    """A kind of meter that takes wrapped keys from a client without any."""
    made = kind or template("residential")
    settings = made.associations[client]
    key = (64, bytes(Obis.parse("0-0:43.0.1*255")))
    objects = {**settings.rights.objects, key: ObjectRights({2: READ, 3: READ}, {2: READ})}
    widened = replace(settings, rights=AccessRights(objects))
    made.associations = MappingProxyType({**made.associations, client: widened})
    return made
