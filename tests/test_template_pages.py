"""The manual has a page for each template, with all its objects."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from ferraris.data.obis import Obis
from ferraris.meter.templates import names, template

DOCS = str(Path(__file__).resolve().parent.parent / "docs")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    sys.path.insert(0, DOCS)
    try:
        return importlib.import_module("template_pages").pages()
    finally:
        sys.path.remove(DOCS)


def test_there_is_a_page_for_each_template(pages: dict[str, str]) -> None:
    assert set(pages) == {"index.md", *(f"{name}.md" for name in names())}
    assert all(f"\n{name}\n" in pages["index.md"] for name in names())


@pytest.mark.parametrize("name", names())
def test_a_page_names_every_object_and_client(pages: dict[str, str], name: str) -> None:
    page, kind = pages[f"{name}.md"], template(name)
    seen = {key for each in kind.associations.values() for key in each.rights.objects}
    for class_id, logical_name in kind.objects:
        row = f"| `{Obis(logical_name)}` | {class_id}/"
        assert (row in page) == ((class_id, logical_name) in seen)
    for client in kind.associations:
        assert f"\n| {client} | " in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert {line.count(" | ") for line in rows} == {3}
    assert all(line.rstrip(" |").rpartition("| ")[2] for line in rows)
