"""Every declared class: found by its key, complete, typed, and unchanged unless meant to change."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ferraris.data.types import DataType, LogicalName
from ferraris.model import registry
from ferraris.model.interface_class import InterfaceClass
from ferraris.model.known_by_name import LATER_VERSIONS, NAMED_CLASSES

GOLDEN = Path(__file__).parent / "registry.golden.json"
CLASSES = registry.classes()


def test_the_registry_is_as_committed() -> None:
    """Write the file anew with `python tests/model/test_registry.py` and read the difference."""
    assert [item.describe() for item in CLASSES] == json.loads(GOLDEN.read_text())


def test_what_is_declared() -> None:
    declared = {(item.class_id, item.version) for item in CLASSES}
    first_versions = {
        *(1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 15, 17, 18, 20, 21, 22, 24, 25, 26, 28, 29, 30, 40),
        *(41, 42, 43, 44, 45, 46, 47, 48, 51, 52, 53, 56, 57, 58, 59, 61, 62, 63, 64, 65, 66, 67),
        *(68, 70, 71, 72, 74, 76, 77, 80, 81, 82, 83, 84, 85, 86, 91, 92, 100, 111, 112, 113, 115),
        *(116, 122, 123, 124, 151, 152, 153),
    }
    later_versions = {
        *((7, 1), (19, 1), (23, 1), (27, 1), (50, 1), (55, 1), (73, 1), (90, 1)),
        *((12, version) for version in range(1, 5)),
        *((class_id, version) for class_id in (15, 91, 92) for version in range(1, 4)),
        *((class_id, version) for class_id in (29, 40, 47) for version in range(1, 3)),
        *((class_id, 1) for class_id in (24, 62, 64, 65, 70, 72, 151)),
        (28, 2),
    }
    assert declared == {(class_id, 0) for class_id in first_versions} | later_versions


def test_classes_known_by_name_are_not_declared() -> None:
    declared = {item.class_id for item in CLASSES}
    assert not declared & set(NAMED_CLASSES)
    assert not declared & {49, 110, 114, 125}  # there are none
    for class_id, version in LATER_VERSIONS:
        assert class_id in declared
        assert not registry.is_layout_known(class_id, version)
    assert registry.name(95) == "Wi-SUN set-up"
    assert registry.name(3) == "Register"
    assert registry.name(49) == ""
    assert not registry.is_layout_known(95)
    assert registry.is_layout_known(3)


def test_names_for_versions_that_are_not_declared() -> None:
    later = registry.nearest(40, 3)
    assert later is not None
    assert later.version == 2
    assert registry.nearest(28, 1) is registry.find(28, 0)
    assert registry.nearest(7, 0) is None
    assert registry.nearest(95, 0) is None
    assert [each.version for each in registry.versions(47)] == [2, 1, 0]


def test_groups_are_found() -> None:
    group = registry.group_of(113)
    assert group is not None
    assert group.title == "Payment"
    assert registry.group_of(95) is None


def test_find_and_newest() -> None:
    found = registry.find(15, 2)
    assert found is not None
    assert (found.class_id, found.version) == (15, 2)
    assert registry.find(15, 9) is None
    assert registry.find(8192, 0) is None
    newest = registry.newest(40)
    assert newest is not None
    assert newest.version == 2
    assert registry.newest(8192) is None


def test_each_module_declares_what_its_group_says() -> None:
    said = [
        (class_id, f"ferraris.model.{module}")
        for group in registry.GROUPS
        for module, class_ids in group.modules.items()
        for class_id in class_ids
    ]
    assert len(said) == len({class_id for class_id, _ in said})
    assert set(said) == {(item.class_id, item.__module__) for item in CLASSES}


def test_a_group_is_loaded_when_it_is_asked_for(root: Path) -> None:
    script = (
        "import sys; from ferraris.model import registry; "
        "assert 'ferraris.model.interface_class' not in sys.modules; "
        "assert registry.find(111, 0).__name__ == 'Account'; "
        "assert 'ferraris.model.payment' in sys.modules; "
        "assert 'ferraris.model.time_control' not in sys.modules; "
        "assert registry.newest(70).version == 1"
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


@pytest.mark.parametrize("declared", CLASSES, ids=lambda item: item.__name__)
def test_each_declaration(declared: type[InterfaceClass], root: Path) -> None:
    sources = (root / "docs/sources.md").read_text()
    assert re.search(rf"^## {re.escape(declared.source)}$", sources, flags=re.MULTILINE)
    assert declared.provenance in ("two-sources", "one-source", "memory")
    assert declared.__doc__
    assert declared.attributes[1].type is LogicalName
    assert list(declared.attributes) == list(range(1, len(declared.attributes) + 1))
    gaps = [1, 2, 4, 7] if declared.class_id == 12 and declared.version >= 2 else []
    indices = sorted([*declared.methods, *gaps])
    assert indices == list(range(1, len(indices) + 1))
    for attribute in declared.attributes.values():
        assert attribute.owner is declared
        assert isinstance(attribute.type, DataType)
        assert attribute.type.tags
        assert all(isinstance(kind, DataType) for kind in attribute.selectors.values())
    for method in declared.methods.values():
        assert method.owner is declared
        assert isinstance(method.type, DataType)
    own = {item.name for item in (*declared.attributes.values(), *declared.methods.values())}
    assert own & set(dir(InterfaceClass)) == {"logical_name"}  # none hides what a class says
    # Methods never overlap attributes in short-name referencing.
    offsets = {declared.method_offset(index) for index in declared.methods}
    assert not offsets & {8 * (index - 1) for index in declared.attributes}


@pytest.mark.parametrize(
    "declared",
    [each for each in CLASSES if each.__base__ is not InterfaceClass],
    ids=lambda item: item.__name__,
)
def test_each_later_version(declared: type[InterfaceClass]) -> None:
    """It has what the earlier one has, but for what it drops or declares anew."""
    earlier = declared.__base__
    assert earlier is not None
    assert issubclass(earlier, InterfaceClass)
    assert earlier.class_id == declared.class_id
    assert earlier.version < declared.version
    names = {**{a.name: a for a in declared.attributes.values()}}
    names |= {m.name: m for m in declared.methods.values()}
    kept = dropped = 0
    for member in (*earlier.attributes.values(), *earlier.methods.values()):
        now = names.pop(member.name, None)
        if now is None:
            assert getattr(declared, member.name) is None
            dropped += 1
            continue
        assert type(now) is type(member)
        assert now.index == member.index
        assert getattr(declared, member.name) is now
        kept += now.type is member.type
    assert kept
    assert dropped == (4 if (declared.class_id, declared.version) == (12, 2) else 0)
    for added in names.values():
        assert not hasattr(earlier, added.name)


if __name__ == "__main__":
    text = json.dumps([item.describe() for item in CLASSES], indent=1, ensure_ascii=False)
    GOLDEN.write_text(text + "\n")
