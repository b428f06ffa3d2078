"""`ferraris obis` and `units`."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("spelling", ["1.8.0", "1-0:1.8.0*255", "0100010800ff", "1.0.1.8.0.255"])
def test_a_code_in_any_spelling_has_its_name(ferraris, spelling):
    ran = ferraris("obis", spelling)
    assert ran.code == 0
    assert ran.out == "1-0:1.8.0*255  Active energy import (+A)\n"


def test_words_find_codes(ferraris):
    found = ferraris("obis", "--json", "active", "energy", "import").json["found"]
    assert "1-0:1.8.0*255" in [each["obis"] for each in found]
    nothing = ferraris("obis", "perpetuum", "mobile")
    assert nothing.code == 2
    assert "perpetuum mobile" in nothing.err


def test_a_spelling_that_is_none_is_one_line(ferraris):
    ran = ferraris("obis", "1.8.999.4")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_units_by_code_symbol_and_word(ferraris):
    (wh,) = ferraris("units", "--json", "30").json["found"]
    assert (wh["symbol"], wh["code"]) == ("Wh", 30)
    assert {each["code"] for each in ferraris("units", "--json", "m3").json["found"]} >= {13}
    assert ferraris("units", "--json").json["version"] == 1
    assert ferraris("units", "cubit").code == 2
