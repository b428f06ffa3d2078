"""`ferraris obis`: codes group by group, and codes by words."""

from __future__ import annotations

import pytest

SPELLINGS = [
    "1.8.2",
    "1-0:1.8.2",
    "1-0:1.8.2*255",
    "1-0:1.8.2&255",
    "1-0:1.8.2.255",
    "1.0.1.8.2.255",
    "1 0 1 8 2 255",
    "0100010802ff",
    "01 00 01 08 02 FF",
    "0x0100010802FF",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_code_in_any_spelling_is_told_group_by_group(ferraris, spelling):
    ran = ferraris("obis", *spelling.split())
    assert ran.code == 0
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines == [
        "1-0:1.8.2*255 Active energy import (+A), rate 2",
        "",
        "A 1 electricity",
        "B 0 no channel, or the only one",
        "C 1 Active energy import (+A)",
        "D 8 time integral 1: from the start of measurement until now",
        "E 2 rate 2",
        "F 255 current value, or not used",
        "",
        "usual classes 3 Register, 4 Extended register",
        "rests on two-sources",
    ]


def test_a_code_as_json(ferraris):
    shown = ferraris("obis", "--json", "7-0:13.0.0*101").json
    assert shown["version"] == 1
    (code,) = shown["found"]
    assert code["obis"] == "7-0:13.0.0*101"
    assert code["groups"][2] == {
        "group": "C",
        "number": 13,
        "meaning": "Gas converter volume, forward absolute",
    }
    assert code["classes"][0] == {"class_id": 3, "name": "Register"}
    assert code["provenance"] == "one-source"


def test_several_codes(ferraris):
    found = ferraris("obis", "--json", "1.8.0", "2.8.0", "C.1.0").json["found"]
    assert [each["obis"] for each in found] == ["1-0:1.8.0*255", "1-0:2.8.0*255", "0-0:96.1.0*255"]


def test_what_nobody_knows_is_shown_with_what_is_known_of_it(ferraris):
    ran = ferraris("obis", "1-0:94.7.0*255")
    assert ran.code == 0
    assert "specific to Russia" in ran.out
    assert "rests on       -" in ran.out


@pytest.mark.parametrize("words", [["active", "import"], ["--search", "import active"]])
def test_words_find_codes_the_best_first(ferraris, words):
    found = ferraris("obis", "--json", *words).json["found"]
    assert found[0] == {
        "obis": "1-0:1.8.0*255",
        "name": "Active energy import (+A)",
        "classes": [
            {"class_id": 3, "name": "Register"},
            {"class_id": 4, "name": "Extended register"},
        ],
        "provenance": "two-sources",
    }
    assert ferraris("obis", *words).out.splitlines()[0].split()[0] == "1-0:1.8.0*255"


def test_a_word_that_looks_like_an_option(ferraris):
    assert ferraris("obis", "--json", "--search", "-A").json["found"][0]["obis"] == "1-0:2.8.0*255"


def test_more_than_is_shown_is_said_beside(ferraris):
    ran = ferraris("obis", "--most", "3", "energy")
    assert len(ran.out.splitlines()) == 3
    assert "--most" in ran.err
    assert ferraris("obis", "--most", "3", "room", "temperature").code == 0


@pytest.mark.parametrize(
    "arguments", [["perpetuum", "mobile"], ["1.8.999.4"], ["1-0:1.8.0*999"], [], ["--search", ""]]
)
def test_what_is_none_is_one_line(ferraris, arguments):
    ran = ferraris("obis", *arguments)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert ran.out == ""
