"""How command lines end: exit codes, one line, no traceback, quick to start."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from ferraris.cli import look_up
from ferraris.cli.failures import exit_code, failure, one_line
from ferraris.cli.output import indented, json_text
from ferraris.core.errors import (
    DecodeError,
    LineError,
    RefusedError,
    SecurityError,
    SequenceError,
    UsageError,
)

COMMANDS = (
    "demo",
    "read",
    "browse",
    "set",
    "act",
    "decode",
    "encode",
    "obis",
    "events",
    "enumerations",
    "units",
    "classes",
    "provenance",
    "bench",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(ferraris, command):
    ran = ferraris(command, "--help")
    assert ran.code == 0
    assert f"ferraris {command}" in ran.out
    assert command in ferraris("--help").out


def test_meter_run_explains_itself(ferraris):
    shown = ferraris("meter", "run", "--help").out
    assert all(option in shown for option in ("--count", "--listen", "--seed", "--keys-out"))


def test_version(ferraris):
    from ferraris import __version__

    assert ferraris("--version").out == f"ferraris {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no"), 2),
        (RefusedError("no"), 1),
        (LineError("no"), 1),
        (SecurityError("no"), 1),
        (SequenceError("no"), 1),
        (DecodeError("no"), 1),
    ],
)
def test_exit_codes_say_whose_fault_it_was(error, code):
    assert exit_code(error) == code


def test_input_that_does_not_decode_is_bad_input():
    assert exit_code(DecodeError("no"), from_peer=False) == 2


def test_an_error_is_one_bounded_line():
    error = DecodeError("broken\nby " + "x" * 900, where="hdlc", offset=3, octets=b"\0" * 99)
    assert "\n" not in one_line(error)
    assert len(one_line(error)) <= 400
    assert failure(error)["where"] == "hdlc, octet 3"


@pytest.mark.parametrize(
    "arguments",
    [("decode", "--bogus"), ("nonsense",), ("set", "tcp://127.0.0.1:1"), ("demo", "--meters", "x")],
)
def test_wrong_usage_is_one_line_and_2(ferraris, arguments):
    ran = ferraris(*arguments)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_a_fault_of_ours_is_one_line_too(ferraris, monkeypatch):
    def fault(*args: object, **more: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(look_up, "_show", fault)
    ran = ferraris("units")
    assert ran.code == 1
    assert "ZeroDivisionError" in ran.err
    assert "secret" not in ran.err
    assert len(ran.err.splitlines()) == 1


def test_json_is_exact():
    shape = {
        "a": Decimal("54.3210"),
        "b": b"\x01\xff",
        "c": float("nan"),
        "d": [1, None, True, "ä"],
    }
    assert (
        json_text(shape)
        == '{"a": 54.3210, "b": "01ff", "c": null, "d": [1, null, true, "\\u00e4"]}'
    )


def test_text_is_indented_and_printable():
    shape = {"a_b": [1, 2], "c": {"d": "x\x07y"}, "e": None, "f": b""}
    assert list(indented(shape)) == ["a-b: [1, 2]", "c:", "  d: x·y", "f: (no octets)"]


def test_the_command_starts_without_its_machinery():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from ferraris.cli.main import run; run(['--help']);"
            "print([m for m in sys.modules if m.startswith('ferraris.')], file=sys.stderr)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stderr
    for heavy in ("messaging", "model", "client", "line", "headend", "meter.", "cryptography"):
        assert f"ferraris.{heavy}" not in loaded


def test_the_installed_command_runs(tmp_path: Path):
    command = Path(sys.executable).with_name("ferraris")
    if not command.exists():
        pytest.skip("not installed")
    done = subprocess.run(
        [command, "decode", "--json", "-"], input=b"6203800100", capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b'"rlrq"' in done.stdout
    assert done.stderr == b""


def test_a_shipment_file_needs_its_key(ferraris):
    for arguments, message in (
        (("residential", "--shipment", "x"), "go together"),
        (("residential", "--transport-key", "@none"), "go together"),
        (("residential", "--shipment", "x", "--transport-key", "@none"), "none"),
    ):
        ran = ferraris("meter", "run", *arguments)
        assert (ran.code, message in ran.err) == (2, True), ran.err
