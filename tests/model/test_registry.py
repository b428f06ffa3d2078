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

GOLDEN = Path(__file__).parent / "registry.golden.json"
CLASSES = registry.classes()


def test_the_registry_is_as_committed() -> None:
    """Write the file anew with `python tests/model/test_registry.py` and read the difference."""
    assert [item.describe() for item in CLASSES] == json.loads(GOLDEN.read_text())


def test_what_is_declared() -> None:
    declared = {(item.class_id, item.version) for item in CLASSES}
    assert declared >= {
        *((1, 0), (3, 0), (4, 0), (5, 0), (7, 1), (8, 0), (11, 0), (17, 0), (20, 0)),
        *((12, version) for version in range(5)),
        *((15, version) for version in range(4)),
        *((40, version) for version in range(3)),
        *((64, 0), (64, 1), (70, 0), (70, 1)),
        *((9, 0), (22, 0), (41, 0), (42, 0)),
    }


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
    # Methods never overlap attributes in short-name referencing.
    offsets = {declared.method_offset(index) for index in declared.methods}
    assert not offsets & {8 * (index - 1) for index in declared.attributes}


if __name__ == "__main__":
    text = json.dumps([item.describe() for item in CLASSES], indent=1, ensure_ascii=False)
    GOLDEN.write_text(text + "\n")
