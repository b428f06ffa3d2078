"""The one file of a head-end: what it says is checked, and each fault names its place."""

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.headend.configuration import load, parse

WHOLE = """
store = "postgresql://ferraris@db.example/ferraris"
tenant = "north"
zone = "Europe/Vienna"

[keys]
file = "keys/meters.sqlite"
passphrase = "@passphrase"

[http]
listen = "127.0.0.1:8471"

[[openid]]
issuer = "https://id.example"
audience = "ferraris"
roles = { night = "operator" }

[collect]
concurrency = 50

[register]
trust_weak = true
tolerate = ["extra", "missing"]

[intake]
push = ["udp://127.0.0.1:4059"]

[retention]
events = 400
"""


def test_a_file_is_read_and_paths_are_its_own(tmp_path):
    file = tmp_path / "headend.toml"
    file.write_text(WHOLE)
    found = load(file)
    assert found.location() == "postgresql://ferraris@db.example/ferraris"
    assert found.place(found.keys.file) == tmp_path / "keys/meters.sqlite"
    assert found.reference(found.keys.passphrase) == f"@{tmp_path / 'passphrase'}"
    assert found.openid[0].roles == {"night": "operator"}
    assert found.collect.concurrency == 50
    assert found.collect.timeout_s == 10.0
    assert found.register.trust_weak
    assert found.register.tolerate == ("extra", "missing")
    assert found.retention == {"events": 400}


def test_nothing_said_is_a_head_end_of_one_folder(tmp_path):
    found = parse("", folder=str(tmp_path))
    assert found.location() == str(tmp_path / "ferraris.sqlite")
    assert found.http.listen.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stroe = 'x'", "stroe"),
        ("[http]\nlisten = 7", "`http.listen`"),
        ("[collect]\nconcurrency = 0", "`collect.concurrency`"),
        ("[collect]\nconcurency = 5", "`collect`"),
        ("store = x", "line 1"),
        ("folder = '/'", "folder"),
        ("[[openid]]\naudience = 'x'", "issuer"),
    ],
)
def test_a_fault_names_its_place(text, told):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert told in str(caught.value)


def test_a_secret_in_the_file_is_refused_and_not_shown():
    found = parse("[keys]\npassphrase = 'hunter2'")
    with pytest.raises(UsageError, match="@FILE") as caught:
        found.reference(found.keys.passphrase)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "none.toml")
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(file)
