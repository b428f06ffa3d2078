"""Codes of the templates: those that the tables of events name, and nothing beside."""

from __future__ import annotations

import pytest

from ferraris.meter.happenings import IDIS_LIKE, LOG_CLEARED_CODE, Coded, Happening
from ferraris.model import events

COMPANION = "idis-like"
BITS = 32


@pytest.mark.parametrize(("happening", "coded"), IDIS_LIKE.items(), ids=str)
def test_a_code_says_what_happened(happening: Happening, coded: Coded) -> None:
    named = events.name(COMPANION, coded.log, coded.code)
    assert named is not None
    # Words differ between the two, but not all of them.
    said = set(named.words.lower().replace(",", "").replace(":", "").split())
    meant = {word for word in happening.value.lower().split() if len(word) > 2}
    assert any(word[:5] in each for word in meant for each in said), named.words


@pytest.mark.parametrize("coded", [each for each in IDIS_LIKE.values() if each.alarm is not None])
def test_an_alarm_has_a_name(coded: Coded) -> None:
    assert coded.alarm is not None
    register, bit = divmod(coded.alarm, BITS)
    assert events.alarm(COMPANION, register + 1, bit) is not None


def test_logs_begin_anew_with_a_code_of_their_own() -> None:
    for log in events.logs(COMPANION):
        cleared = events.name(COMPANION, log.number, LOG_CLEARED_CODE)
        assert cleared is not None
        assert cleared.words == "Event log cleared"
