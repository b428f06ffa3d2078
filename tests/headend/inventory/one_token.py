"""Imports a shipment whose transport key lies in a token, in a process of its own.

The library of the token reads its settings once in each process: `one_token.py LIBRARY PIN FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ferraris.headend import inventory
from ferraris.headend.inventory import import_shipment, key_id, transport_key_id
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate
from ferraris.keys import KeyStore
from ferraris.keys.pkcs11 import Token
from ferraris.meter.fleet import Fleet
from ferraris.meter.shipments import shipment_lines
from ferraris.meter.templates import template

KEK = bytes(range(32))


def main(library: str, pin: str, folder: str) -> None:
    engine = Engine(Path(folder) / "store.sqlite")
    migrate(engine)
    fleet = Fleet(template("residential"), 2)
    lines = [fleet.line(place, "tcp://192.0.2.1:4059") for place in range(2)]
    content = "".join(shipment_lines(fleet, lines, KEK)).encode()
    with Token.open(library, label="ferraris", pin=pin) as token:
        token.make_wrapping_key()
        kept = KeyStore.create(Path(folder) / "keys.sqlite", token=token)
        for label, key in (("transport of maker 26", KEK), ("another", bytes(16))):
            token.import_wrapping_key(label, key)
            kept.put_master_key(transport_key_id("north", label), label)
        with engine.transaction() as connection:
            tenant = inventory.tenant_number(connection, "north", make=True)
            wrong = import_shipment(
                connection, tenant, kept, content, at_s=0.0, transport_key="another"
            )
            report = import_shipment(
                connection, tenant, kept, content, at_s=0.0, transport_key="transport of maker 26"
            )
        told = f"{report.new} meters, {report.keys} keys"
        print(f"{told}; another key: {wrong.errors[0].what}")
        for place, line in enumerate(lines):
            name = key_id("north", line["id"])
            assert kept.get(name, "encryption_key").hex() == line["encryption_key"]
            assert kept.get(name, "password").decode() == line["password"]
            assert kept.get(name, "master_key") == fleet.key(place, b"master")
        kept.close()


main(*sys.argv[1:])
