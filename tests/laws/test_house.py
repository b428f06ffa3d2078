"""Laws 9 and 11: citations lead somewhere, files stay small, names say something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).resolve().parents[2] / "src/ferraris").rglob("*.py"))
LONGEST = 800
VAGUE = re.compile(r"(^|_)(utils?|common|helpers?|misc|managers?|handlers?)(_|$)")
VAGUE_CLASS = re.compile(r"^class \w*(Manager|Handler|Helper|Utils?)\b", re.MULTILINE)
HOW_READ = {"text", "quotation", "implementation", "computation", "memory"}

# A citation: a key in square brackets, with a place or without, in a comment or docstring.
# Neither an index (`name[key]`) nor a type argument nor a Markdown link is one.
KEYS_LIKE = re.compile(
    r"(?<![\w\])`'\"])\[([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?: §[^\]\n]+)?\](?![\[(`])"
)
PROSE = re.compile(r'"""(.*?)"""|#(?!:? type:)([^\n]*)|source="([^"]*)"', re.DOTALL)


def sources(root: Path) -> dict[str, str]:
    """Each key of the sources page with how we read it."""
    page = (root / "docs/sources.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    found = {}
    for section in sections:
        key = section.split("\n", 1)[0].strip()
        how = re.search(r"^\*How read:\* (.+)$", section, flags=re.MULTILINE)
        found[key] = how.group(1) if how else ""
    return found


def citations(text: str) -> list[str]:
    """Keys cited in the docstrings and comments of a module, and in `source=` arguments."""
    prose = "\n".join("".join(part or "" for part in match) for match in PROSE.findall(text))
    return KEYS_LIKE.findall(prose)


def test_sources_say_how_they_were_read(root: Path) -> None:
    keys = sources(root)
    assert keys
    assert {key: how for key, how in keys.items() if how not in HOW_READ} == {}


def test_citations_are_found() -> None:
    text = '"""Tags [asn1 §3], sealed [gb-vectors]."""\nrow = table[key]  # as in [memory]'
    assert citations(text) == ["asn1", "gb-vectors", "memory"]


def test_citations_lead_to_a_source(root: Path) -> None:
    keys = set(sources(root))
    unknown = {
        f"{file.relative_to(root)}: [{key}]"
        for file in FILES
        for key in citations(file.read_text())
        if key not in keys
    }
    assert unknown == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_files_are_small_and_names_say_something(file: Path) -> None:
    text = file.read_text()
    assert text.count("\n") <= LONGEST
    assert not VAGUE.search(file.stem), f"{file.name} says nothing"
    assert not VAGUE_CLASS.search(text)
