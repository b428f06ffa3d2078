"""Codes of the templates: those that the tables of events name, and nothing beside."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ferraris.meter.happenings import IDIS_LIKE, Coded, Happening
from ferraris.meter.templates import template
from ferraris.meter.templates.companion_codes import INDIAN, SPANISH
from ferraris.model import events

BITS = 32
TABLES: dict[str, Mapping[Happening, Coded]] = {
    "idis-like": IDIS_LIKE,
    "dsmr-4.2.2": template("dsmr-4.2.2").codes,
    "smr-5.2": template("smr-5.2").codes,
    "is-15959": INDIAN,
    "t5": SPANISH,
}
ALL = [
    pytest.param(companion, happening, coded, id=f"{companion} {happening}")
    for companion, table in TABLES.items()
    for happening, coded in table.items()
]
OTHER_WORDS = {
    ("is-15959", "limiter"): "overload load limit",
    ("is-15959", "passive"): "calendar",
    ("is-15959", "phases"): "unbalance",
    ("is-15959", "phase"): "unbalance sequence",
    ("is-15959", "local"): "connected disconnected",
    ("t5", "power"): "start power",
    ("t5", "failed"): "wrong password",
}
"""What a specification says in other words altogether, by the first word of the happening."""


@pytest.mark.parametrize(("companion", "happening", "coded"), ALL)
def test_a_code_says_what_happened(companion: str, happening: Happening, coded: Coded) -> None:
    named = events.name(companion, coded.log, coded.code)
    assert named is not None
    # Words differ between the two, but not all of them.
    said = set(named.words.lower().replace(",", "").replace(":", "").split())
    first, *_ = told = happening.value.lower().replace("voltage", " voltage").split()
    meant = {word for word in told if len(word) > 2} - {"over", "under"}
    meant |= set(OTHER_WORDS.get((companion, first), "").split())
    assert any(word[:5] in each for word in meant for each in said), named.words


@pytest.mark.parametrize(("companion", "happening", "coded"), ALL)
def test_an_alarm_has_a_name(companion: str, happening: Happening, coded: Coded) -> None:
    if coded.alarm is not None:
        register, bit = divmod(coded.alarm, BITS)
        versions = "smr" if companion.startswith("smr") else companion
        assert events.alarm(versions, register + 1, bit) is not None


@pytest.mark.parametrize("companion", ["idis-like", "smr-5.2"])
def test_logs_begin_anew_with_a_code_of_their_own(companion: str) -> None:
    code = TABLES[companion][Happening.LOG_CLEARED].code
    for log in events.logs(companion):
        cleared = events.name(companion, log.number, code)
        if cleared is not None:
            assert cleared.words.lower().endswith("log cleared")
