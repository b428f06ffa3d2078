"""Events and alarms: named by specification and log, never without both."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.model import companion as companions
from ferraris.model.events import (
    alarm,
    alarms,
    events,
    families,
    find,
    logs,
    name,
    status_bits,
)


def words(companion: str, log: int | str, code: int) -> str | None:
    found = name(companion, log, code)
    return None if found is None else found.words


@pytest.mark.parametrize(
    ("companion", "log", "code", "said"),
    [
        ("dsmr-2.2", 0, 1, "Power down"),
        ("smr-5.0", "standard", 2, "Power up"),
        ("smr-5.2", "smr/fraud", 49, "Module cover closed"),
        ("dsmr-4.2.2", 3, 133, "M-Bus device: fraud attempt, channel 4"),
        ("smr-5.5", 3, 137, "M-Bus device: battery dead, channel 4"),
        ("smr-5.1", 6, 0x1000, "M-Bus firmware upgrade successful, channel 1"),
        ("smr-5.1", 6, 0x1307, "M-Bus firmware upgrade: firmware for another device, channel 4"),
        ("smr-5.1", 6, 0x8386, "M-Bus device: magnetic tamper, channel 4"),
        ("smr-5.1", 6, 0x829F, "M-Bus device: manufacturer-specific status bit 31, channel 3"),
        ("smr-5.1", 6, 0x81A1, "Key acknowledged by the M-Bus device, channel 2"),
        ("smr-5.1", 6, 0xFFFF, "Auxiliary log cleared"),
        ("smr-5.2", 7, 98, "Voltage swell, phase L3"),
        ("smr-5.2", 8, 58, "Current distortion over limit for long, phase L2"),
        ("idis-like", "disconnector", 62, "Remote disconnection"),
        ("idis", 2, 75, "Register monitor 3, threshold in order again"),
        ("is-15959-single-phase", "other", 201, "Influence of a magnet, began"),
        ("is-15959-three-phase", 1, 54, "Current reversed, phase L2, ended"),
        ("is-15959", "control", 302, "Meter connected"),
        ("is-15959", 3, 125, None),
        ("t5", "fraud", 7, "Terminal cover opened"),
        ("t5", 5, 7, "Voltage over the limit, phase L2"),
        ("t5", 3, 98, None),
        ("italy-gas", "events", 81, "Tamper, ended"),
        ("italy-gas", 0, 159, "Push schedule 3 changed"),
        ("italy-gas", 0, 179, "Valve closed after too many attempts at fraud"),
        ("italy-gas", 0, 143, None),
        ("italy-gas", 0, 200, "Manufacturer-specific 200"),
        ("dsmr", 0, 240, "Manufacturer-specific 240"),
        ("dsmr", 0, 20, None),
        ("smr", 0, 40, None),
    ],
)
def test_names(companion: str, log: int | str, code: int, said: str | None) -> None:
    assert words(companion, log, code) == said


def test_a_row_may_rest_on_less_than_its_family() -> None:
    def rests_on(companion: str, log: int | str, code: int) -> str:
        found = name(companion, log, code)
        assert found is not None
        return found.provenance

    assert rests_on("is-15959", "voltage", 1) == "two-sources"
    assert rests_on("is-15959", "voltage", 21) == "one-source"
    assert rests_on("t5", "standard", 3) == "one-source"
    assert rests_on("t5", "import-contract", 96) == "memory"
    assert rests_on("italy-gas", "events", 30) == "one-source"


def test_codes_that_nobody_states_are_unknown_not_invented() -> None:
    with pytest.raises(UsageError, match="no events are known"):
        events("saudi")


def test_the_same_code_means_other_things() -> None:
    assert words("smr", "fraud", 48) == "Module cover opened"
    assert words("idis", "standard", 48) == "Global key changed"
    assert words("smr", "fraud", 49) == "Module cover closed"
    assert words("idis", "fraud", 49) == "Decryption or authentication failure"
    assert words("smr", "fraud", 50) is None
    assert words("idis", "fraud", 50) == "Replay attack"

    def said(companion: str, code: int) -> set[str]:
        return {each.words for each in events(companion) if each.code == code}

    differing = [code for code in range(71, 100) if said("smr", code) != said("idis", code)]
    assert differing == list(range(71, 100))
    # Even specifications of one family differ.
    assert words("dsmr-4.2.2", 5, 80) == "Voltage sag, phase L1"
    assert words("smr-5.0", 5, 80) == "Overvoltage, phase L1"
    assert words("dsmr-4.2.2", 5, 83) == "Voltage swell, phase L1"
    assert words("smr-5.0", 5, 83) == "Voltage normal, phase L1"


def test_logs_came_with_versions() -> None:
    def numbers(companion: str) -> list[int]:
        return [log.number for log in logs(companion)]

    assert numbers("dsmr-2.2") == [0, 1, 3]
    assert numbers("smr-4.3") == [0, 1, 3, 4]
    assert numbers("smr-5.0") == [0, 1, 3, 4, 5]
    assert numbers("smr-5.1") == [0, 1, 3, 4, 5, 6]
    assert numbers("smr-5.2") == numbers("smr") == [0, 1, 3, 4, 5, 6, 7, 8]
    assert numbers("idis-like") == [0, 1, 2, 3, 4, 5]


def test_what_is_not_known_is_refused_with_what_is() -> None:
    with pytest.raises(UsageError, match="dsmr, smr, idis"):
        name("perpetuum", 0, 1)
    with pytest.raises(UsageError, match="0 standard, 1 fraud, 3 m-bus"):
        name("dsmr-2.2", 5, 80)
    assert alarms("smr-5.0", 2) == ()
    assert alarm("smr-5.5", 3, 2) is None


@pytest.mark.parametrize(
    ("companion", "register", "bit", "said"),
    [
        ("smr-5.0", 1, 0, "Clock invalid"),
        ("smr-5.0", 1, 19, "M-Bus communication error, channel 4"),
        ("smr-5.0", 1, 30, "Phase outage, phase L3"),
        ("smr-5.2", 2, 5, "Voltage swell, phase L3"),
        ("smr-5.2", 2, 11, "Current distortion over limit for long, phase L1"),
        ("smr-5.5", 3, 1, "Last gasp test"),
        ("idis", 2, 5, "Voltage normal, phase L1"),
        ("idis", 1, 27, "M-Bus device installed, channel 4"),
    ],
)
def test_alarms(companion: str, register: int, bit: int, said: str) -> None:
    found = alarm(companion, register, bit)
    assert found is not None
    assert found.words == said


def test_bits_of_the_profile_status() -> None:
    assert {each.bit: each.words for each in status_bits("smr")} == {
        0: "Critical error",
        1: "Clock invalid",
        2: "Data not valid",
        3: "Daylight saving",
        5: "Clock adjusted",
        6: "Recovered value, or a value from M-Bus",
        7: "Power down",
    }
    assert {each.words for each in status_bits("idis") if each.bit == 4} == {"Billing reset"}


def test_words_find_codes() -> None:
    (found,) = find("replay")
    assert (found.companion, found.log.key, found.code) == ("idis", "fraud", 50)
    assert found.provenance == "memory"
    assert {each.code for each in find("valve remote CONNECTION")} == {163, 173, 183, 193}
    assert [each.code for each in find("power up", "smr-5.0")] == [2]
    assert find("power up", "smr-5.0", "fraud") == []
    assert find("") == find("zebra") == []


@pytest.mark.parametrize("family", families())
def test_words_say_which_code_it_is(family: str) -> None:
    for log in logs(family):
        said = [event.words for event in events(family, log.number)]
        assert len(said) == len(set(said)), log
        for event in events(family, log.key):
            assert event in find(event.words, family, log.number)
    for register in {each.register for each in alarms(family)}:
        said = [each.words for each in alarms(family, register)]
        assert len(said) == len(set(said))
        bits = 128 if family == "is-15959" else 32  # the event status word is longer
        assert all(0 <= each.bit < bits for each in alarms(family, register))


@pytest.mark.parametrize("specification", companions.names())
def test_logs_of_companion_specifications_have_their_codes(specification: str) -> None:
    for row in companions.companion(specification).objects:
        if row.events:
            family = row.events.partition("/")[0]
            holder = specification if specification.startswith(("dsmr", "smr")) else family
            assert events(holder, row.events)


@given(st.text(max_size=30), st.integers() | st.text(max_size=30), st.integers())
def test_garbage_is_a_usage_error(companion: str, log: int | str, code: int) -> None:
    with pytest.raises(UsageError):
        name(companion, log, code)


@given(st.text(max_size=30), st.integers())
def test_a_garbage_version_is_the_newest(version: str, code: int) -> None:
    try:
        found = name(f"smr-{version}", 0, code)
    except UsageError:
        return
    assert found is None or found.code == code


def test_nothing_is_read_at_import() -> None:
    script = (
        "from ferraris.model import events;from ferraris.model.events import tables;"
        "assert tables.family.cache_info().currsize == 0"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
