"""The commands that talk to meters, against simulated ones on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two meters in a process of their own; the file of keys says where."""
    file = tmp_path_factory.mktemp("meters") / "keys.jsonl"
    command = [sys.executable, "-c", "from ferraris.cli.main import main; main()", "meter", "run"]
    command += ["residential", "--count", "2", "--listen", "tcp://127.0.0.1:0", "--seed", "7"]
    command += ["--keys-out", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("2 x residential at tcp://127.0.0.1:")
        yield file
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.fixture
def lines(keys_file: Path) -> list[dict]:
    return [json.loads(line) for line in keys_file.read_text().splitlines()]


def test_the_file_of_keys_has_one_line_a_meter(keys_file, lines):
    secrets = ["system_title", "encryption_key", "authentication_key", "password"]
    names = ["id", "url", "client", "server", *secrets]
    assert [list(line) for line in lines] == [names, names]
    assert lines[0]["client"] == 1
    assert lines[0]["encryption_key"] != lines[1]["encryption_key"]
    assert os.stat(keys_file).st_mode & 0o077 == 0


def test_read_as_public_client(ferraris, lines):
    ran = ferraris("read", lines[0]["url"], "0-0:42.0.0*255")
    assert ran.code == 0
    assert lines[0]["id"] in ran.out


def test_read_with_a_password(ferraris, lines, monkeypatch):
    monkeypatch.setenv("METER_PASSWORD", lines[0]["password"])
    url = lines[0]["url"]
    ran = ferraris("read", url, "1.8.0", "--auth", "password", "--password", "env:METER_PASSWORD")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith("1-0:1.8.0*255")


def test_read_with_keys_on_the_command_line_warns(ferraris, lines):
    line = lines[1]
    keys = ("--key", line["encryption_key"], "--auth-key", line["authentication_key"])
    ran = ferraris("read", line["url"], "--server", str(line["server"]), "1.8.0", *keys, "--json")
    assert ran.code == 0
    assert "warning" in ran.err
    assert line["encryption_key"] not in ran.err
    (reading,) = ran.json["readings"]
    assert reading["unit"] == "Wh"
    assert isinstance(reading["value"], int)


def test_profile_as_table_json_csv_and_parquet(ferraris, lines, keys_file, tmp_path):
    span = ("--since", "2026-01-05T00:00", "--until", "2026-01-05T01:00")
    profile = ("--profile", "1-0:99.1.0*255")
    base = ("read", lines[0]["url"], "--keys", str(keys_file), *profile)
    ran = ferraris(*base, "--json")
    assert ran.code == 0
    rows = ran.json["profile"]["rows"]
    assert len(rows) > 96
    assert len(rows[0]["values"]) == len(ran.json["profile"]["channels"]) == 4
    span = ("--since", rows[-5]["end"], "--until", rows[-1]["end"])
    table = ferraris(*base, *span).out.splitlines()
    assert len(table) == 5
    assert ferraris(*base, *span, "--csv").out.splitlines()[1].startswith(rows[-4]["end"])
    file = tmp_path / "day.parquet"
    pytest.importorskip("pyarrow")
    assert ferraris(*base, *span, "--parquet", str(file)).code == 0
    assert file.stat().st_size > 0


def test_browse(ferraris, lines, keys_file):
    base = ("browse", lines[0]["url"], "--keys", str(keys_file))
    objects = ferraris(*base, "--json").json["objects"]
    assert len(objects) > 20
    shown = ferraris(*base, "--values").out
    assert "1-0:1.8.0*255" in shown
    assert "scaler_unit" in shown


def test_set_and_act(ferraris, lines, keys_file):
    url, keys = lines[0]["url"], ("--keys", str(keys_file))
    assert ferraris("set", url, "8/0-0:1.0.0*255/2", "now", *keys).code == 0
    assert ferraris("act", url, "70/0-0:96.3.10*255/1", *keys).code in (0, 1)
    refused = ferraris("set", url, "1/0-0:42.0.0*255/2", "octet-string:00", *keys)
    assert refused.code == 1
    assert len(refused.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--auth", "password", "--password", "@/no/such/file"), "no/such/file"),
        (("--auth", "gmac"), "--auth-key"),
        (("--auth", "sausage"), "none, password, gmac"),
        (("--keys", "/no/such/keys"), "/no/such/keys"),
        (("--since", "2026-01-01"), "--profile"),
    ],
)
def test_bad_usage_ends_before_anything_is_sent(ferraris, more, words):
    ran = ferraris("read", "tcp://127.0.0.1:1", "1.8.0", *more)
    assert ran.code == 2
    assert words in ran.err


def test_a_wrong_password_and_a_dead_line_end_with_1(ferraris, lines):
    wrong = ferraris("read", lines[0]["url"], "1.8.0", "--password", "wrong")
    assert wrong.code == 1
    assert "check the password" in wrong.err
    dead = ferraris("read", "tcp://127.0.0.1:1", "1.8.0")
    assert dead.code == 1
    assert len(dead.err.splitlines()) == 1


def test_a_wrong_key_lists_the_causes(ferraris, lines):
    keys = ("--key", "00" * 16, "--auth-key", "11" * 16)
    ran = ferraris("read", lines[0]["url"], "1.8.0", *keys, "--counter", "900000")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) == 3  # two warnings, one line


def test_demo_once_sums_up_in_json(ferraris, tmp_path):
    store = tmp_path / "store.sqlite"
    ran = ferraris("demo", "--meters", "3", "--once", "--json", "--store", str(store))
    assert ran.code == 0
    names = ["version", "meters", "read", "failed", "registers", "intervals", "duration_s", "store"]
    names.append("night")
    assert list(ran.json) == names
    assert (ran.json["version"], ran.json["meters"], ran.json["read"]) == (1, 3, 3)
    assert ran.json["intervals"] == 3 * 96
    assert store.exists()
    assert ran.json["store"] == str(store)
    assert "3 of 3 meters" in ferraris("demo", "--meters", "3", "--once").out
    assert ferraris("demo", "--store", "mysql://x/y").code == 2


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("tcp://127.0.0.1:1", 1, "no connection"),
        ("tls://127.0.0.1:1", 1, "tls://127.0.0.1:1"),
        ("tcp+hdlc://127.0.0.1:1", 1, "no connection"),
        ("udp://127.0.0.1:1", 1, ""),
        ("serial:///dev/no-such-port", 1, "/dev/no-such-port"),
        ("tcp://127.0.0.1:1?colour=red", 2, "colour"),
        ("gopher://127.0.0.1", 2, "gopher"),
        ("tcp://[::1", 2, "bracket"),
    ],
)
def test_every_line_fails_in_one_line(ferraris, url, code, words):
    ran = ferraris("read", url, "1.8.0", "--timeout", "0.3")
    assert (ran.code, ran.out) == (code, "")
    assert len(ran.err.splitlines()) == 1
    assert words in ran.err


@contextlib.contextmanager
def silent_after(url: str, tag: int, passed: int) -> Iterator[str]:
    """A line to the meter at `url` that swallows requests with this tag, but the first `passed`."""
    host, port = url.removeprefix("tcp://").rsplit(":", 1)

    class Line(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            left = passed
            with socket.create_connection((host, int(port))) as meter:
                while True:
                    ready, _, _ = select.select([self.request, meter], [], [], 10)
                    for end in ready:
                        octets = end.recv(65536)
                        if not octets:
                            return
                        if end is meter:
                            self.request.sendall(octets)
                        elif octets[8] != tag or left:
                            left -= octets[8] == tag
                            meter.sendall(octets)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("tag", "passed", "command"),
    [
        (0xC9, 0, ("set", "8/0-0:1.0.0*255/3", "long:60")),
        (0xCB, 1, ("act", "70/0-0:96.3.10*255/1")),  # the first one proves our key
    ],
)
def test_a_write_without_an_answer_is_unknown(ferraris, lines, tag, passed, command):
    keys = ("--key", lines[0]["encryption_key"], "--auth-key", lines[0]["authentication_key"])
    name, *arguments = command
    with silent_after(lines[0]["url"], tag, passed) as url:
        found = ferraris(name, url, *arguments, *keys, "--timeout", "1")
    assert found.code == 1
    assert "unknown: read it back" in found.err.splitlines()[-1]
    assert "done" not in found.out


def test_unconfirmed_requests_say_that_nothing_is_known(ferraris, lines, keys_file):
    url, keys = lines[0]["url"], ("--keys", str(keys_file))
    sent = ferraris("set", url, "8/0-0:1.0.0*255/3", "long:-60", "--unconfirmed", *keys)
    assert (sent.code, sent.out.startswith("sent, unknown")) == (0, True)
    shown = ferraris("browse", url, "--values", *keys).out
    assert "long -60" in shown or "-60" in shown
    sent = ferraris("act", url, "70/0-0:96.3.10*255/1", "--unconfirmed", *keys)
    assert (sent.code, sent.out.startswith("sent, unknown")) == (0, True)


@pytest.mark.parametrize("more", [("--dedicated",), ("--priority", "normal")])
def test_switches_of_the_association(ferraris, lines, keys_file, more):
    ran = ferraris("read", lines[0]["url"], "1.8.0", "--keys", str(keys_file), *more)
    assert (ran.code, "Wh" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--dedicated",), "--auth gmac"),
        (("--priority", "urgent"), "high or normal"),
        (("--all",), "--keys FILE"),
        (("--all", "--keys", "/no/such/keys"), "/no/such/keys"),
        (("--all", "--profile", "1-0:99.1.0"), "one meter at a time"),
    ],
)
def test_switches_that_make_no_sense(ferraris, more, words):
    place = () if "--all" in more else ("tcp://127.0.0.1:1",)
    ran = ferraris("read", *place, "1.8.0", *more)
    assert ran.code == 2
    assert words in ran.err


def test_every_meter_of_a_file(ferraris, lines, keys_file, tmp_path):
    command = ("read", "--all", "--keys", str(keys_file), "0-0:42.0.0", "1-0:1.8.0")
    ran = ferraris(*command)
    assert (ran.code, ran.err) == (0, "")
    head, *rows = ran.out.splitlines()
    assert head.split() == ["meter", "0-0:42.0.0*255", "1-0:1.8.0*255"]
    assert [row.split()[:2] for row in rows] == [[line["id"], line["id"]] for line in lines]
    assert all(row.endswith(" Wh") for row in rows)
    shapes = sorted(ferraris(*command, "--json").json_lines, key=lambda shape: shape["server"])
    assert [shape["id"] for shape in shapes] == [line["id"] for line in lines]
    assert [len(shape["readings"]) for shape in shapes] == [2, 2]
    assert len(ferraris(*command, "--csv").out.splitlines()) == 5
    # One that is not there and one that was given another meter's keys fail alone.
    gone = lines[0] | {"id": "gone", "url": "tcp://127.0.0.1:1"}
    wrong = lines[0] | {"id": "wrong", "encryption_key": lines[1]["encryption_key"]}
    some = tmp_path / "some.jsonl"
    some.write_text("".join(f"{json.dumps(line)}\n" for line in (gone, wrong, *lines)))
    command = ("read", "--all", "--keys", str(some), "1-0:1.8.0", "0-0:96.13.9")
    ran = ferraris(*command)
    assert ran.code == 1
    assert [row.split()[0] for row in ran.out.splitlines()] == ["meter", *(e["id"] for e in lines)]
    found = ran.err.splitlines()
    assert len(found) == 5
    assert found[-1] == "ferraris: 4 of 4 meters failed"
    assert any("gone: " in line and "no connection" in line for line in found)
    errors = {shape["id"]: shape["error"] for shape in ferraris(*command, "--json").json_lines}
    assert errors["gone"]["kind"] == "LineError"
    assert errors[lines[0]["id"]]["kind"] == "RefusedError"


def test_objects_by_short_name(ferraris):
    ran = ferraris("read", "sim://residential-sn?seed=7", "1-0:1.8.0*255")
    assert ran.code == 0
    assert "Wh" in ran.out


def test_the_wrong_kind_of_names_is_one_plain_line(ferraris, lines):
    ran = ferraris("read", lines[0]["url"], "1.8.0", "--short-names")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "other kind of names" in ran.err
    ran = ferraris("read", lines[0]["url"] + "?names=both", "1.8.0")
    assert ran.code == 2
    assert "logical or short" in ran.err
