"""`ferraris headend check|backup|restore|retention` work on a store without any service."""

from __future__ import annotations

import json
import sqlite3
import time

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import insert, select

from ferraris.crypto.certificates import Usage
from ferraris.headend.audit import check as check_audit
from ferraris.headend.store.changes import note
from ferraris.headend.store.opening import Store
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import CUSTOMER, METER, STRANGER
from ferraris.keys import KeyStore
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with a meter and an old change."""
    monkeypatch.chdir(tmp_path)
    with Store.open("store.sqlite") as opened, opened.engine.transaction() as connection:
        meter = {"external_id": "m", "system_title": b"", "created_s": 0, "changed_s": 0}
        connection.execute(insert(METER).values(tenant=opened.tenant, **meter))
        note(connection, opened.tenant, "meter", "m", at_s=time.time() - 40 * 86_400)
    return ("headend", "--store", "store.sqlite")


def lines_of(location):
    with Store.open(location) as opened, opened.engine.reading() as connection:
        assert check_audit(connection) == []
        found = connection.execute(select(AUDIT.c.tenant, AUDIT.c.action, AUDIT.c.detail)).all()
        return [tuple(row) for row in found]


def test_a_sound_store(ferraris, store):
    ran = ferraris(*store, "check")
    assert (ran.code, ran.out) == (0, "sound\n")
    ran = ferraris(*store, "check", "--json")
    assert (ran.code, ran.json) == (0, {"version": 1, "sound": True, "faults": []})


def test_a_fault_ends_with_one(ferraris, store):
    plain = sqlite3.connect("store.sqlite")
    plain.execute("DELETE FROM tenant")
    plain.commit()
    plain.close()
    ran = ferraris(*store, "check")
    assert ran.code == 1
    assert "table meter row 1 refers to a missing row of tenant" in ran.out
    assert ran.out.splitlines()[-1] == "2 faults"
    assert len(ferraris(*store, "check", "--json").json["faults"]) == 2


def test_a_backup_goes_into_another_store(ferraris, store):
    ran = ferraris(*store, "backup", "b.ferraris", "--json")
    assert (ran.code, ran.json["rows"]) == (0, 3)
    assert ferraris(*store, "backup", "b.ferraris").code == 2
    ran = ferraris("headend", "--store", "new.sqlite", "restore", "b.ferraris")
    assert (ran.code, ran.out.split(" rows")[0]) == (0, "3")
    assert lines_of("new.sqlite")[0][:2] == (1, "restore")
    ran = ferraris("headend", "--store", "new.sqlite", "restore", "b.ferraris")
    assert ran.code == 2
    assert "not empty" in ran.err


def test_a_backup_with_customers_needs_the_keys(ferraris, store, tmp_path):
    (tmp_path / "phrase").write_text("correct horse battery staple")
    keys = ("--keys", "keys.sqlite", "--passphrase", "@phrase")
    assert ferraris("keys", "--store", "keys.sqlite", "--passphrase", "@phrase", "init").code == 0
    with Store.open("store.sqlite") as opened, opened.engine.transaction() as connection:
        for name in ("C-1", "C-2"):
            connection.execute(insert(CUSTOMER).values(tenant=opened.tenant, name=name))
    assert ferraris(*store, "backup", "b.ferraris").code == 0
    assert ferraris(*store, *keys, "customers", "erase", "C-1", "--reason", "asked").code == 0
    ran = ferraris("headend", "--store", "new.sqlite", "restore", "b.ferraris")
    assert (ran.code, "the backup has customers" in ran.err) == (2, True)
    ran = ferraris("headend", "--store", "new.sqlite", *keys, "restore", "b.ferraris")
    assert (ran.code, ran.out.splitlines()[1:]) == (0, ["C-1 was erased since, and is erased here"])
    assert [line[1] for line in lines_of("new.sqlite")] == ["restore", "erase_customer"]
    ran = ferraris("headend", "--store", "other.sqlite", *keys, "restore", "b.ferraris", "--json")
    assert (ran.code, ran.json["erased"]) == (0, ["C-1"])


def test_a_stranger_is_admitted_with_its_suite_and_certificates(ferraris, store, tmp_path):
    fleet = Fleet(template("residential", suite=1), 1, seed=7)
    title = fleet.system_title(0).hex()
    (tmp_path / "phrase").write_text("correct horse battery staple")
    (tmp_path / "signing.der").write_bytes(fleet.certificate(0, Usage.SIGNING).der)
    (tmp_path / "root.der").write_bytes(fleet.authority.root.der)
    line = fleet.line(0, "")
    (tmp_path / "given.json").write_text(json.dumps(line))
    pki = ("pki", "--store", "keys.sqlite", "--passphrase", "@phrase")
    assert ferraris("keys", "--store", "keys.sqlite", "--passphrase", "@phrase", "init").code == 0
    with Store.open("store.sqlite") as opened, opened.engine.transaction() as connection:
        times = {"first_s": 1.0, "last_s": 1.0, "times": 1}
        told = {"tenant": opened.tenant, "identity": title, "reason": "unknown"}
        connection.execute(insert(STRANGER).values(**told, **times, peer="", message=""))
    admit = [*store, "--keys", "keys.sqlite", "--passphrase", "@phrase", "strangers", "admit", "1"]
    admit += ["--external-id", "S1", "--suite", "1", "--authentication", "ecdsa"]
    admit += ["--keys", "@given.json", "--signing-certificate", "@signing.der"]
    ran = ferraris(*admit)
    assert (ran.code, "trust the root of its issuer" in ran.err) == (2, True)
    assert ferraris(*pki, "import", "root.der", "--trusted").code == 0
    ran = ferraris(*admit, "--json")
    assert (ran.code, ran.json["step"]) == (0, "asked for")
    with KeyStore.open("keys.sqlite", "correct horse battery staple") as keys:
        assert keys.certificate(bytes.fromhex(title), Usage.SIGNING).title.hex() == title
        assert keys.get("main/S1", "encryption_key").hex() == line["encryption_key"]


def test_retention_follows_the_configuration_or_the_command(ferraris, store, tmp_path):
    (tmp_path / "headend.toml").write_text('store = "store.sqlite"\n[retention]\nchanges = 50\n')
    ran = ferraris("headend", "retention")
    assert (ran.code, ran.out) == (0, "nothing has outlived its time\n")
    ran = ferraris("headend", "retention", "--keep", "changes=35", "--keep", "events=90", "--json")
    assert ran.json["removed"] == [{"kind": "changes", "rows": 1, "months": []}]
    assert lines_of("store.sqlite") == [(1, "retention", '{"changes":1}')]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--store", "none.sqlite", "check"], "none.sqlite: there is no store"),
        (["--store", "none.sqlite", "backup", "x"], "none.sqlite: there is no store"),
        (["--url", "https://h.example", "check"], "on the store itself"),
        (["--store", "store.sqlite", "retention", "--keep", "blocks"], "--keep is KIND=DAYS"),
        (["--store", "store.sqlite", "retention", "--keep", "hours=3"], "nothing is kept under"),
    ],
)
def test_what_is_wrong_is_one_line(ferraris, store, arguments, told):
    ran = ferraris("headend", *arguments)
    assert (ran.code, told in ran.err) == (2, True)


def test_operations_tell_how_much_there_is_and_whether_it_is_whole(ferraris, store):
    ran = ferraris(*store, "store", "show", "--json")
    assert ran.json["meters"] == 1
    ran = ferraris(*store, "store", "check")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "intact: yes")
    ran = ferraris(
        *store, "store", "versions", "m", "--profile", "1-0:99.1.0", "--day", "2024-10-04"
    )
    assert (ran.code, ran.out) == (0, "")
