"""`ferraris events` and `ferraris enumerations`."""

from __future__ import annotations

import pytest


def test_a_code_in_all_specifications(ferraris):
    found = ferraris("events", "--code", "80", "--json").json["found"]
    assert {(each["companion"], each["log"], each["words"]) for each in found} == {
        ("dsmr", 5, "Voltage sag, phase L1"),
        ("smr", 5, "Overvoltage, phase L1"),
        ("idis", 4, "Overvoltage, phase L2"),
        ("italy-gas", 0, "Tamper, began"),
    }
    assert ferraris("events", "--code", "80").out.count("\n") == 4


def test_a_log_by_number_and_by_key(ferraris):
    by_number = ferraris("events", "smr-5.2", "--log", "7", "--json").json
    assert (
        by_number == ferraris("events", "smr-5.2", "--log", "power-quality-extended", "--json").json
    )
    assert by_number["version"] == 1
    assert [each["code"] for each in by_number["found"]] == [93, 94, 95, 96, 97, 98]
    everywhere = ferraris("events", "--log", "disconnector", "--json").json["found"]
    assert {each["companion"] for each in everywhere} == {"idis"}


def test_words_alarms_and_status(ferraris):
    (replay,) = ferraris("events", "--search", "replay", "--json").json["found"]
    assert (replay["code"], replay["rests_on"]) == (50, "memory")
    hexadecimal = ferraris("events", "smr", "--code", "0x8386", "--json").json["found"]
    assert hexadecimal[0]["words"] == "M-Bus device: magnetic tamper, channel 4"
    alarm = ferraris("events", "smr-5.5", "--alarms", "--search", "gasp test", "--json").json
    assert alarm["found"] == [
        {
            "companion": "smr-5.5",
            "register": 3,
            "bit": 1,
            "words": "Last gasp test",
            "rests_on": "one-source",
        }
    ]
    assert "Daylight saving" in ferraris("events", "smr", "--status", "--code", "3").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["perpetuum"],
        ["dsmr-2.2", "--log", "5"],
        ["--log", "perpetuum"],
        ["--code", "eighty"],
        ["--search", "zebra"],
        ["--alarms", "--status"],
        ["--alarms", "--log", "1"],
    ],
)
def test_what_is_not_there_is_one_line(ferraris, arguments):
    ran = ferraris("events", *arguments)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_enumerations(ferraris):
    assert "control-state" in ferraris("enumerations").out
    (state,) = ferraris("enumerations", "control-state", "--json").json["found"]
    assert state["values"] == {"0": "disconnected", "1": "connected", "2": "ready for reconnection"}
    shown = ferraris("enumerations", "image").out.splitlines()
    assert shown[0].startswith("image-transfer-status: ")
    assert "  3  verification successful" in shown
    assert ferraris("enumerations", "zebra").code == 2
