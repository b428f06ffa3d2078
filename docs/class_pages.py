"""The pages of the interface classes, written from their declarations when the manual is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ferraris.model.export import registry_shape

NOT_KNOWN = "Layout not known"


def write(folder: Path) -> None:
    """Bring the pages in `folder` up to date."""
    write_pages(folder, pages())


def write_pages(folder: Path, wanted: Mapping[str, str]) -> None:
    """Let a folder hold these pages alone; those that are right already are left as they are."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Every page by the name of its file: an index, and one for each class."""
    shape = registry_shape()
    versions: dict[int, list[dict[str, Any]]] = {}
    for each in shape["classes"]:
        versions.setdefault(each["class_id"], []).append(each)
    made = {"index.md": _index(shape, versions)}
    for class_id, found in versions.items():
        later = [each for each in shape["later_versions"] if each["class_id"] == class_id]
        made[page_name(class_id)] = "\n".join(_page(found, later)) + "\n"
    for each in shape["known_by_name"]:
        made[page_name(each["class_id"])] = _unknown(each)
    return made


def page_name(class_id: int) -> str:
    """The file of a class's page."""
    return f"class-{class_id:04d}.md"


def _index(shape: dict[str, Any], versions: dict[int, list[dict[str, Any]]]) -> str:
    lines = ["# Classes by group", ""]
    groups = {
        group["title"]: {
            class_id: versions[class_id][-1]["words"] for class_id in group["class_ids"]
        }
        for group in shape["groups"]
    }
    for each in shape["known_by_name"]:
        title = f"{each['group']}: {NOT_KNOWN.lower()}"
        groups.setdefault(title, {})[each["class_id"]] = each["name"]
    for title, classes in groups.items():
        lines += [f"## {title}", "", "```{toctree}", ":maxdepth: 1", ""]
        lines += [
            f"{class_id} {words} <{page_name(class_id).removesuffix('.md')}>"
            for class_id, words in classes.items()
        ]
        lines += ["```", ""]
    return "\n".join(lines)


def _unknown(each: dict[str, Any]) -> str:
    return (
        f"# {each['name']} (class {each['class_id']})\n\n"
        f"{NOT_KNOWN}: identifier and name rest on {each['provenance']} "
        f"(`{each['source']}`), attributes and methods are not certain, and none are declared. "
        "Objects of this class are read attribute by attribute, as plain data.\n"
    )


def _page(found: list[dict[str, Any]], later: list[dict[str, Any]]) -> Iterator[str]:
    newest = found[-1]
    yield f"# {newest['words']} (class {newest['class_id']})"
    yield ""
    for each in reversed(found):
        yield from _version(each)
    for each in later:
        yield f"## Version {each['version']}"
        yield ""
        yield f"{NOT_KNOWN}: that there is such a version rests on {each['provenance']}."
        yield ""


def _version(each: dict[str, Any]) -> Iterator[str]:
    yield f"## Version {each['version']}"
    yield ""
    for paragraph in each["description"].splitlines():
        yield f"{paragraph[:1].upper()}{paragraph[1:]}"
        yield ""
    yield f"`{each['name']}`; {each['group']}; rests on {each['provenance']} (`{each['source']}`)."
    yield ""
    named: dict[str, dict[str, Any]] = {}
    yield from _table(
        ("", "attribute", "", "short name", "type"),
        [
            (
                item["index"],
                f"`{item['name']}`",
                _traits(item),
                _offset(item),
                _brief(item["type"], named) + _selectors(item, named),
            )
            for item in each["attributes"]
        ],
    )
    if each["methods"]:
        yield from _table(
            ("", "method", "", "short name", "parameter", "returns"),
            [
                (
                    item["index"],
                    f"`{item['name']}`",
                    _traits(item),
                    _offset(item),
                    _brief(item["parameter"], named),
                    "" if item["returns"] is None else _brief(item["returns"], named),
                )
                for item in each["methods"]
            ],
        )
    done: set[str] = set()
    while set(named) - done:
        name = next(name for name in named if name not in done)
        done.add(name)
        yield from _type(name, named[name], named)


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + " --- |" * len(heads)
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


def _traits(item: dict[str, Any]) -> str:
    traits = (
        ("static", item.get("is_static")),
        ("dynamic", item.get("is_dynamic")),
        ("optional", item["is_optional"]),
        ("index or type by memory", not item["is_verified"]),
    )
    return ", ".join(word for word, holds in traits if holds)


def _offset(item: dict[str, Any]) -> str:
    offset = item["short_name_offset"]
    return "" if offset is None else f"+0x{offset:02x}"


def _selectors(item: dict[str, Any], named: dict[str, dict[str, Any]]) -> str:
    return "".join(
        f"; selector {each['selector']}: {_brief(each['type'], named)}"
        for each in item["selectors"]
    )


def _brief(shape: dict[str, Any], named: dict[str, dict[str, Any]]) -> str:
    """A type in a few words; structures and enumerations by name, noted in `named`."""
    kind: str = shape["kind"]
    if kind == "array":
        return f"array of {_brief(shape['element'], named)}"
    if kind == "choice":
        return " or ".join(_brief(each, named) for each in shape["of"])
    if kind == "any":
        return " or ".join(shape["of"]) if len(shape.get("of", ())) in (1, 2) else _any(shape)
    if "name" in shape:
        named.setdefault(shape["name"], shape)
        return f"{kind} `{shape['name']}`"
    length = f" of {shape['length']}" if "length" in shape else ""
    return f"{kind}{length}{' under its own tag' if 'tagged' in shape else ''}"


def _any(shape: dict[str, Any]) -> str:
    return "any number" if "of" in shape else "any data"


def _type(name: str, shape: dict[str, Any], named: dict[str, dict[str, Any]]) -> Iterator[str]:
    if shape["kind"] == "enum":
        parts = [f"{each['value']} {each['name']}" for each in shape["members"]]
    elif shape["kind"] == "bit-string":
        parts = [f"bit {each['bit']} {each['name']}" for each in shape["bits"]]
    else:
        parts = [f"`{each['name']}` {_brief(each['type'], named)}" for each in shape["fields"]]
    yield f"* `{name}`: {', '.join(parts)}"
    yield ""
