"""`ferraris provenance`: shares that add up, and every weak piece by name."""

from __future__ import annotations

from ferraris.model import registry

MARKS = ("two-sources", "one-source", "memory")


def test_what_rests_on_memory_or_one_source_is_listed(ferraris):
    found = ferraris("provenance", "--json").json["found"]
    assert {each["rests_on"] for each in found} == {"memory", "one-source"}
    assert any("ferraris.messaging" in each["what"] for each in found)
    assert not any("cli.provenance" in each["what"] for each in found)
    listed = {each["what"]: each["rests_on"] for each in found}
    for declared in registry.classes():
        told = listed.get(declared.title(), "two-sources")
        assert told == declared.provenance
    assert listed["OBIS codes, thermal: accounted mass"] == "memory"
    assert any(what.startswith("OBIS codes, gas: ") for what in listed)
    assert listed["Wi-SUN set-up (class 95): by name alone, layout not known"] == "one-source"
    assert listed["Image transfer (class 18, version 1): layout not known"] == "memory"
    assert listed["FunctionControl.add_function (class 122): index or type"] == "memory"


def test_shares_add_up(ferraris):
    shares = {each["group"]: each for each in ferraris("provenance", "--json").json["shares"]}
    everything = shares.pop("all")
    for mark in MARKS:
        assert everything[mark] == sum(each[mark] for each in shares.values())
    classes = [
        each
        for group, each in shares.items()
        if group.removeprefix("classes of ") in {group.title for group in registry.GROUPS}
    ]
    assert len(classes) == len(registry.GROUPS)
    for mark in MARKS:
        declared = [each for each in registry.classes() if each.provenance == mark]
        assert sum(each[mark] for each in classes) == len(declared)
    members = shares["attributes and methods"]
    assert sum(members[mark] for mark in MARKS) == sum(
        len(each.attributes) + len(each.methods) for each in registry.classes()
    )


def test_the_table_is_aligned(ferraris):
    head, *lines = ferraris("provenance").out.splitlines()
    table = lines[: lines.index("")]
    assert head.split() == list(MARKS)
    assert table[-1].startswith("all ")
    assert {len(line) for line in table} == {len(head)}
    assert all(line.count("%)") == 3 for line in table)
