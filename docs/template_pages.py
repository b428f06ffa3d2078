"""The pages of the simulated meters' templates, written when the manual is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from class_pages import write_pages

from ferraris.data.obis import Obis
from ferraris.meter.behaviour.fixed import FixedObject
from ferraris.meter.template import Template
from ferraris.meter.templates import names, template
from ferraris.model.obis_names import name as obis_name

_WAYS = {
    0: "no security",
    1: "password",
    2: "a mechanism of the maker",
    3: "HLS 3, MD5",
    4: "HLS 4, SHA-1",
    5: "HLS 5, GMAC",
    6: "HLS 6, SHA-256",
    7: "HLS 7, ECDSA",
}


def write(folder: Path) -> None:
    """Bring the pages in `folder` up to date."""
    write_pages(folder, pages())


def pages() -> dict[str, str]:
    """Every page by the name of its file: an index, and one for each template."""
    made = {"index.md": "\n".join(_index()) + "\n"}
    for each in names():
        made[f"{each}.md"] = "\n".join(_page(template(each))) + "\n"
    return made


def _index() -> Iterator[str]:
    yield "# Templates"
    yield ""
    yield "Every template of simulated meters, with its associations and objects."
    yield ""
    yield from ("```{toctree}", ":maxdepth: 1", "")
    yield from names()
    yield "```"


def _page(kind: Template) -> Iterator[str]:
    seen = {key for settings in kind.associations.values() for key in settings.rights.objects}
    yield f"# {kind.name}"
    yield ""
    yield f"`ferraris meter run {kind.name}` or `sim://{kind.name}`: {len(seen)} objects."
    yield ""
    yield from _table(
        ("client", "proves itself by", "ciphered", "objects"),
        (
            (
                str(settings.client_sap),
                _WAYS[int(settings.mechanism)],
                "yes" if settings.ciphered else "no",
                str(len(settings.rights.objects)),
            )
            for settings in kind.associations.values()
        ),
    )
    yield from _table(
        ("object", "class", "name", "what brings it to life"),
        (
            (
                f"`{Obis(key[1])}`",
                f"{key[0]}/{entry.version}",
                obis_name(key[1]),
                _life(kind, key),
            )
            for key, entry in sorted(kind.objects.items(), key=lambda item: item[0][::-1])
            if key in seen
        ),
    )


def _life(kind: Template, key: tuple[int, bytes]) -> str:
    """The behaviour in its own words."""
    behaviour = kind.behaviours[key]
    if isinstance(behaviour, FixedObject):
        return "values that stay until they are written"
    words = inspect.getdoc(type(behaviour)) or ""
    sentence = words.split("\n\n")[0].replace("\n", " ").split(". ")[0].split("; ")[0].rstrip(".")
    return sentence.replace("|", "/")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""
