"""`ferraris units`."""

from __future__ import annotations


def test_units_by_code_symbol_and_word(ferraris):
    (wh,) = ferraris("units", "--json", "30").json["found"]
    assert (wh["symbol"], wh["code"]) == ("Wh", 30)
    assert {each["code"] for each in ferraris("units", "--json", "m3").json["found"]} >= {13}
    assert ferraris("units", "--json").json["version"] == 1
    assert ferraris("units", "cubit").code == 2
