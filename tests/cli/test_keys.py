"""`ferraris keys`: the store from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferraris.cli.key_store import referenced
from ferraris.core.errors import UsageError
from ferraris.crypto.wrap import unwrap

KEY = "00112233445566778899AABBCCDDEEFF"


@pytest.fixture
def keys(ferraris, tmp_path, monkeypatch):
    """`keys("list")` in a folder with a store whose passphrase is in a file."""
    monkeypatch.chdir(tmp_path)
    Path("phrase").write_text("correct horse\n")
    monkeypatch.setenv("FERRARIS_PASSPHRASE", "@phrase")
    monkeypatch.setenv("METER_KEY", KEY)

    def command(*arguments):
        return ferraris("keys", *arguments)

    assert command("init").code == 0
    return command


def test_adding_listing_removing(keys):
    assert keys("add", "m1", "encryption_key", "env:METER_KEY").code == 0
    Path("password").write_text("open sesame\n")
    assert keys("add", "m1", "password", "@password").code == 0
    assert keys("add", "m2", "master_key", "store:m1/encryption_key").code == 0
    listed = keys("list", "--json").json
    assert (listed["version"], listed["restored"], listed["tenants"]) == (1, False, [])
    assert [(each["id"], each["kind"]) for each in listed["keys"]] == [
        ("m1", "encryption_key"),
        ("m1", "password"),
        ("m2", "master_key"),
    ]
    shown = keys("list").out
    assert KEY.lower() not in shown.lower()
    assert "sesame" not in shown
    assert keys("remove", "m1", "password").code == 0
    assert keys("remove", "m1", "password").code == 2
    assert keys("remove", "m1").code == 0
    assert len(keys("list", "--json").json["keys"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "m1", "encryption_key", "0011"), 2, "16 or 32 octets"),
        (("add", "m1", "nonsense", "env:METER_KEY"), 2, "no kind of secret"),
        (("add", "m1", "encryption_key", "env:ABSENT"), 2, "not set"),
        (("init",), 2, "exists"),
        (("--passphrase", "env:METER_KEY", "list"), 1, "wrong passphrase"),
        (("--store", "absent.db", "list"), 2, "no such file"),
        (("renew", "m1", "send"), 2, "master_key"),
        (("passphrase",), 2, "new passphrase"),
        (("--token", "t", "list"), 2, "--pin"),
        (("tenant", "--destroy", "nobody", "--yes"), 2, "no tenant"),
        (("restore", "absent.db"), 2, "exists"),
    ],
)
def test_what_cannot_be_done_is_one_line(keys, arguments, code, says):
    ran = keys(*arguments)
    assert ran.code == code
    assert says in ran.err.splitlines()[-1]
    assert KEY not in ran.err


def test_without_a_passphrase_and_without_a_terminal(keys, monkeypatch):
    monkeypatch.delenv("FERRARIS_PASSPHRASE")
    monkeypatch.setattr("ferraris.cli.key_store.on_terminal", lambda: False)
    ran = keys("list")
    assert (ran.code, "--passphrase" in ran.err) == (2, True)


def test_leasing_backing_up_restoring(keys):
    keys("add", "m1", "encryption_key", "env:METER_KEY")
    assert keys("lease", "m1", "10").out == "1 to 10\n"
    assert keys("backup", "copy.db").code == 0
    assert keys("lease", "m1", "--json").json == {"version": 1, "first": 11, "last": 11}
    Path("keys.db").unlink()
    assert keys("restore", "copy.db", "--advance", "1000").code == 0
    assert keys("lease", "m1").out == "1011 to 1011\n"
    Path("keys.db").write_bytes(Path("copy.db").read_bytes())
    ran = keys("lease", "m1")
    assert (ran.code, "older copy" in ran.err) == (1, True)
    assert "older copy" in keys("list").err
    assert keys("advance", "5000").code == 0
    assert keys("lease", "m1").out == "5011 to 5011\n"
    assert keys("advance", "7000", "--meter", "m1").code == 0
    assert keys("lease", "m1").out == "7001 to 7001\n"


def test_a_meters_keys_are_renewed(keys):
    for kind in ("encryption_key", "authentication_key", "master_key"):
        keys("add", "m1", kind, "env:METER_KEY")
    assert keys("renew", "m1", "prepare").code == 0
    sent = keys("renew", "m1", "send", "--json").json
    assert [each["key_id"] for each in sent["key_transfer"]] == [0, 2]
    assert sent["outcome"] == "unknown"
    for each in sent["key_transfer"]:
        assert len(unwrap(bytes.fromhex(KEY), bytes.fromhex(each["wrapped"]))) == 16
    assert "sent" in keys("list").out
    again = keys("renew", "m1", "send")
    assert (again.code, "is sent" in again.err) == (2, True)
    assert "accepted" in keys("renew", "m1", "accepted").out
    assert keys("renew", "m1", "proved", "--json").json["outcome"] == "done"
    assert keys("renew", "m1", "went-back").code == 0
    assert keys("renew", "m1", "discard").code == 0
    assert keys("renew", "m1", "prepare", "--kind", "master_key", "--octets", "32").code == 0
    wrapped = keys("renew", "m1", "send", "--kind", "master_key").out.splitlines()[0]
    assert wrapped.startswith("key 3: ")
    for step in ("not-followed", "discard", "forget"):
        assert keys("renew", "m1", step, "--kind", "master_key").code == 0


def test_rotating_and_changing_the_passphrase(keys, monkeypatch):
    keys("add", "m1", "encryption_key", "env:METER_KEY")
    assert keys("rotate").code == 0
    monkeypatch.setenv("NEW", "battery staple")
    assert keys("passphrase", "env:NEW").code == 0
    assert keys("list").code == 1
    monkeypatch.setenv("FERRARIS_PASSPHRASE", "env:NEW")
    assert "m1" in keys("list").out


def test_tenants(keys):
    assert keys("tenant", "--add", "north").out == "north\n"
    assert keys("add", "north/m1", "encryption_key", "env:METER_KEY").code == 0
    assert keys("lease", "north/m1").code == 0
    assert keys("tenant", "--destroy", "north", "--yes").out == ""
    ran = keys("add", "north/m1", "encryption_key", "env:METER_KEY")
    assert (ran.code, "destroyed" in ran.err) == (2, True)


def test_meter_commands_take_secrets_from_the_store(keys, monkeypatch):
    keys("add", "m1", "encryption_key", "env:METER_KEY")
    Path("password").write_text("open sesame")
    keys("add", "m1", "password", "@password")
    assert referenced("store:m1") == bytes.fromhex(KEY)
    assert referenced("store:m1", form="text", kind="password") == b"open sesame"
    with pytest.raises(UsageError, match="no authentication_key"):
        referenced("store:m1", kind="authentication_key")
    monkeypatch.setenv("FERRARIS_KEYS", "absent.db")
    with pytest.raises(UsageError, match=r"absent\.db: no such file"):
        referenced("store:m1")
