"""The commands with suites 1 and 2: keys and certificates in files, every way to prove oneself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", params=[1, 2])
def keys_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    yield from running(request.param, tmp_path_factory.mktemp("suite"))


def running(suite: int, folder: Path, *more: str) -> Iterator[Path]:
    file = folder / "keys.jsonl"
    command = [sys.executable, "-c", "from ferraris.cli.main import main; main()", "meter", "run"]
    command += ["residential", "--listen", "tcp://127.0.0.1:0", "--suite", str(suite)]
    command += ["--keys-out", str(file), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("1 x residential at tcp://127.0.0.1:")
        yield file
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.fixture
def line(keys_file: Path) -> dict:
    return json.loads(keys_file.read_text())


def options(keys_file: Path, line: dict, folder: Path) -> list[str]:
    """Everything on the command line, secrets in files."""
    for name in ("encryption_key", "authentication_key", "master_key"):
        (folder / name).write_text(line[name])
    title = line["system_title"]
    return [
        *("--suite", str(line["suite"])),
        *("--key", f"@{folder}/encryption_key", "--auth-key", f"@{folder}/authentication_key"),
        *("--master-key", f"@{folder}/master_key"),
        *("--signing-key", f"@{keys_file}.signing.key"),
        *("--agreement-key", f"@{keys_file}.agreement.key"),
        *("--peer-certificate", f"{keys_file}.{title}.signing.pem"),
        *("--peer-certificate", f"{keys_file}.{title}.key-agreement.pem"),
    ]


def test_private_keys_are_the_owners_alone(keys_file, line):
    for file in keys_file.parent.iterdir():
        assert os.stat(file).st_mode & 0o077 == 0, file
    assert {"signing.key", "agreement.key", "root.pem"} <= {
        file.name.removeprefix("keys.jsonl.") for file in keys_file.parent.iterdir()
    }


def test_a_file_of_keys_says_it_all(ferraris, keys_file, line):
    ran = ferraris("read", line["url"], "0-0:42.0.0*255", "--keys", str(keys_file))
    assert (ran.code, line["id"] in ran.out) == (0, True), ran.err


@pytest.mark.parametrize(
    "more",
    [
        ("--auth", "ecdsa"),
        ("--auth", "gmac", "--client", "3"),
        ("--auth", "ecdsa", "--form", "envelope", "--message-key", "one-pass"),
        ("--auth", "ecdsa", "--form", "envelope", "--message-key", "static"),
        ("--auth", "ecdsa", "--form", "envelope", "--message-key", "wrapped"),
        ("--auth", "ecdsa", "--sign", "first", "--form", "general"),
        ("--auth", "ecdsa", "--sign", "last", "--dedicated"),
    ],
    ids=" ".join,
)
def test_keys_on_the_command_line(ferraris, keys_file, line, tmp_path, more):
    given = options(keys_file, line, tmp_path)
    ran = ferraris("read", line["url"], "0-0:42.0.0*255", *given, *more)
    assert (ran.code, line["id"] in ran.out) == (0, True), ran.err


def test_bad_usage_and_wrong_certificates(ferraris, keys_file, line, tmp_path):
    given = options(keys_file, line, tmp_path)
    url = line["url"]
    without = [each for each in given if "peer-certificate" not in each and ".pem" not in each]
    root = ["--peer-certificate", f"{keys_file}.root.pem"]
    for more, words in (
        ([*without, "--auth", "ecdsa"], "--peer-certificate"),
        ([*without, *root, "--auth", "ecdsa"], "of no use"),
        ([*given, "--auth", "ecdsa", "--form", "round"], "form is"),
        ([*given, "--auth", "ecdsa", "--signing-key", "00"], "private key"),
        (["--auth", "sha256"], "--password"),
        (["--auth", "trust"], "ecdsa"),
    ):
        ran = ferraris("read", url, "0-0:42.0.0*255", *more)
        assert (ran.code, words in ran.err) == (2, True), ran.err
        assert len(ran.err.strip().splitlines()) <= 2


@pytest.fixture(scope="module", params=[3, 4, 6])
def by_digest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    more = ("--mechanism", str(request.param), "--weak")
    yield from running(0, tmp_path_factory.mktemp("digest"), *more)


@pytest.mark.parametrize("more", [(), ("--protection", "none")], ids=["ciphered", "plain"])
def test_meters_that_take_a_digest_by_a_file_of_keys(ferraris, by_digest, more):
    line = json.loads(by_digest.read_text())
    way = {3: "md5", 4: "sha1", 6: "sha256"}[line["mechanism"]]
    file = ("--keys", str(by_digest))
    for auth in ((), ("--auth", way)):
        ran = ferraris("read", line["url"], "0-0:42.0.0*255", *file, *auth, *more, "--weak")
        assert (ran.code, line["id"] in ran.out) == (0, True), ran.err
    ran = ferraris("read", line["url"], "0-0:42.0.0*255", *file, *more)
    if way == "sha256":
        assert (ran.code, line["id"] in ran.out) == (0, True), ran.err
    else:
        assert (ran.code, "too weak" in ran.err, "--weak" in ran.err) == (2, True, True), ran.err


@pytest.mark.parametrize("ciphered", [False, True])
def test_digests_by_secrets_on_the_command_line(ferraris, by_digest, tmp_path, ciphered):
    line = json.loads(by_digest.read_text())
    given = ["--auth", {3: "md5", 4: "sha1", 6: "sha256"}[line["mechanism"]], "--weak"]
    for option, name in (
        ("--password", "password"),
        *((("--key", "encryption_key"), ("--auth-key", "authentication_key")) * ciphered),
    ):
        (tmp_path / name).write_text(line[name])
        given += [option, f"@{tmp_path / name}"]
    given += [] if ciphered else ["--client", "2"]
    ran = ferraris("read", line["url"], "1-0:1.8.0*255", *given)
    assert (ran.code, "Wh" in ran.out) == (0, True), ran.err


def test_meters_offer_no_weak_mechanism_unasked(ferraris):
    for more, words in (
        (("--mechanism", "3"), "too weak"),
        (("--mechanism", "2"), "maker's own"),
        (("--mechanism", "7"), "suite 1 or 2"),
    ):
        ran = ferraris("meter", "run", "residential", "--listen", "tcp://127.0.0.1:0", *more)
        assert (ran.code, words in ran.err) == (2, True), ran.err
