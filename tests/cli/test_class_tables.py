"""`ferraris classes`."""

from __future__ import annotations

import json

import pytest

from ferraris.model import registry
from ferraris.model.export import registry_shape, schema


def test_all_classes_by_group(ferraris):
    lines = ferraris("classes").out.splitlines()
    assert "Payment" in lines
    for declared in registry.classes():
        mine = [line for line in lines if line.split()[:1] == [str(declared.class_id)]]
        assert len(mine) == 1
        assert declared.words() in mine[0]
    (unknown,) = (line for line in lines if line.split()[:1] == ["95"])
    assert unknown.endswith("layout not known")
    (mixed,) = (line for line in lines if line.split()[:1] == ["28"])
    assert mixed.endswith("two-sources (0), one-source (2)")


@pytest.mark.parametrize("declared", registry.classes(), ids=lambda item: item.__name__)
def test_a_class_shows_all_it_has(ferraris, declared):
    ran = ferraris("classes", f"{declared.class_id}/{declared.version}")
    assert ran.code == 0
    assert declared.title() in ran.out
    assert declared.provenance in ran.out
    words = ran.out.split()
    for member in (*declared.attributes.values(), *declared.methods.values()):
        assert member.name in words


def test_every_version_of_a_class(ferraris):
    out = ferraris("classes", "40").out
    assert [f"Push set-up (class 40, version {version})" in out for version in range(3)] == [
        True
    ] * 3
    assert "class 40, version 3: layout not known" in out
    assert "+0x28" in ferraris("classes", "3").out.splitlines()[-1]


def test_classes_known_by_name(ferraris):
    out = ferraris("classes", "95").out
    assert out.startswith("Wi-SUN set-up (class 95)\nlayout not known")
    assert ferraris("classes", "95/3").out == out
    assert "layout not known" in ferraris("classes", "72/2").out


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("49", "no class 49 is known"),
        ("3/4", "no version 4 of class 3 is known, but 0"),
        ("clock", "'clock' is no class"),
        ("8/", "'8/' is no class"),
    ],
)
def test_what_is_not_there(ferraris, wanted, told):
    ran = ferraris("classes", wanted)
    assert ran.code == 2
    assert told in ran.err
    assert len(ran.err.splitlines()) == 1


def test_json_is_the_whole_registry(ferraris):
    assert ferraris("classes", "--json").json == json.loads(json.dumps(registry_shape()))
    (one,) = ferraris("classes", "70/1", "--json").json["classes"]
    assert (one["class_id"], one["version"]) == (70, 1)
    assert ferraris("classes", "--schema").json == schema()
