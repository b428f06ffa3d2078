"""The manual has a page for each interface class, with all that the class has."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from ferraris.model import registry
from ferraris.model.known_by_name import LATER_VERSIONS, NAMED_CLASSES


def loaded() -> ModuleType:
    """The module of the manual, which is no part of the package."""
    file = Path(__file__).resolve().parent.parent / "docs/class_pages.py"
    spec = importlib.util.spec_from_file_location("class_pages", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLASS_PAGES = loaded()
PAGES: dict[str, str] = CLASS_PAGES.pages()


def test_there_is_a_page_for_each_class_and_an_index_of_them() -> None:
    class_ids = {each.class_id for each in registry.classes()} | set(NAMED_CLASSES)
    assert set(PAGES) == {"index.md"} | {f"class-{class_id:04d}.md" for class_id in class_ids}
    linked = re.findall(r"<(class-\d{4})>", PAGES["index.md"])
    assert sorted(linked) == sorted(name.removesuffix(".md") for name in set(PAGES) - {"index.md"})
    for group in registry.GROUPS:
        assert f"## {group.title}\n" in PAGES["index.md"]


@pytest.mark.parametrize("declared", registry.classes(), ids=lambda item: item.__name__)
def test_a_page_names_every_attribute_and_method(declared) -> None:
    page = PAGES[f"class-{declared.class_id:04d}.md"]
    assert page.startswith(f"# {declared.words()} (class {declared.class_id})\n")
    _, begin, rest = page.partition(f"\n## Version {declared.version}\n")
    assert begin
    section = rest.split("\n## Version ")[0]
    assert f"rests on {declared.provenance} (`{declared.source}`)" in section
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    for members in (declared.attributes, declared.methods):
        for index, member in members.items():
            assert any(row.startswith(f"| {index} | `{member.name}` |") for row in rows)
    # Every type that the tables name is told below them.
    for name in re.findall(r"(?:structure|enum|bit-string) `(\w+)`", section):
        assert f"\n* `{name}`: " in section


def test_pages_are_tables_of_even_rows() -> None:
    for name, page in PAGES.items():
        assert page.endswith("\n"), name
        columns = 0
        for line in page.splitlines():
            found = line.count("|")
            assert found in (0, columns) or not columns, f"{name}: {line}"
            columns = found


@pytest.mark.parametrize("class_id", NAMED_CLASSES)
def test_a_page_says_what_is_not_known(class_id: int) -> None:
    page = PAGES[f"class-{class_id:04d}.md"]
    assert NAMED_CLASSES[class_id].name in page
    assert "Layout not known" in page


@pytest.mark.parametrize("key", LATER_VERSIONS)
def test_a_page_tells_of_later_versions(key: tuple[int, int]) -> None:
    page = PAGES[f"class-{key[0]:04d}.md"]
    assert f"## Version {key[1]}\n\nLayout not known" in page


def test_pages_are_written_once_and_old_ones_go(tmp_path: Path) -> None:
    folder = tmp_path / "classes"
    CLASS_PAGES.write(folder)
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == PAGES
    before = (folder / "index.md").stat().st_mtime_ns
    (folder / "class-9999.md").write_text("old")
    (folder / "class-0003.md").write_text("changed")
    CLASS_PAGES.write(folder)
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == PAGES
    assert (folder / "index.md").stat().st_mtime_ns == before
