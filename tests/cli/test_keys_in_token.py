"""`ferraris keys add --in-token`: master and transport keys that lie in a token, or go there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from softhsm import PIN, configured, make_token, module

from ferraris.crypto.wrap import wrap

pytestmark = pytest.mark.services

RUN = "from ferraris.cli.main import main; main()"
SOURCES = str(Path(__file__).parents[2] / "src")
MASTER = "000102030405060708090a0b0c0d0e0f"
TRAVELS = bytes(range(16, 32))
USES = """
import json, sys
from ferraris.keys import KeyStore
from ferraris.keys.pkcs11 import Token
from ferraris.keys.wallet import token_label
with Token.open(sys.argv[1], label="hsm", pin=sys.argv[2]) as token:
    with KeyStore.open("keys.sqlite", token=token) as store:
        label = token_label(store.get(sys.argv[3], "master_key"))
        print(json.dumps([label, store.token_keys().wrap(bytes.fromhex(sys.argv[4]), label).hex()]))
"""


@pytest.fixture
def environment(tmp_path):
    made = configured(tmp_path) | {"PYTHONPATH": SOURCES, "PIN": PIN, "MASTER": MASTER}
    library = module()
    make_token(made, "hsm")
    return made | {"LIBRARY": library}


@pytest.fixture
def keys(environment, tmp_path):
    """`keys("add", ...)` with the token, or in another store without; each a process of its own,
    since the library reads its settings once."""

    def command(*arguments, code=0, store="keys.sqlite"):
        options = ["--token", "hsm", "--module", environment["LIBRARY"], "--pin", "env:PIN"]
        start = [sys.executable, "-c", RUN, "keys", "--store", store]
        done = subprocess.run(
            [*start, *(options if store == "keys.sqlite" else []), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert MASTER not in done.stdout + done.stderr
        return done.stdout + done.stderr

    command("init")
    return command


def used(environment, folder, name):
    """The label that the store has of a key, and what the token makes of another one by it."""
    done = subprocess.run(
        [sys.executable, "-c", USES, environment["LIBRARY"], PIN, name, TRAVELS.hex()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    label, wrapped = json.loads(done.stdout)
    return label, bytes.fromhex(wrapped)


def test_a_master_key_is_put_into_the_token_and_wraps_there(keys, environment, tmp_path):
    keys("add", "main/m1", "master_key", "env:MASTER", "--in-token", "meter 1")
    assert "master_key" in keys("list")
    wanted = wrap(bytes.fromhex(MASTER), TRAVELS)
    assert used(environment, tmp_path, "main/m1") == ("meter 1", wanted)
    # It lies there: another meter may name it, without the octets being given again.
    keys("add", "main/m2", "master_key", "--in-token", "meter 1")
    assert used(environment, tmp_path, "main/m2") == ("meter 1", wanted)
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("keys.sqlite*"))
    assert bytes.fromhex(MASTER) not in kept


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["m1", "master_key", "--in-token", "nobody's"], "nobody's"),
        (["m1", "password", "env:MASTER", "--in-token", "x"], "--in-token is for a master_key"),
        (["m1", "master_key"], "which secret?"),
        (["m1", "master_key", "env:PIN", "--in-token", "x"], "16 or 32 octets"),
    ],
)
def test_what_cannot_lie_there_is_one_line_and_keeps_nothing(keys, arguments, told):
    said = keys("add", *arguments, code=2)
    assert told in said
    assert len(said.strip().splitlines()) == 1
    assert "m1" not in keys("list")
    assert PIN not in said


def test_without_a_token_there_is_none(environment, keys):
    environment["FERRARIS_PASSPHRASE"] = "env:PIN"
    keys("init", store="others.sqlite")
    said = keys("add", "m1", "master_key", "--in-token", "x", code=2, store="others.sqlite")
    assert "without a token" in said
