"""Templates: Jinja2 with everything escaped, and addresses of static files that never get stale."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ferraris.headend.page.charts import sample

__all__ = ["STATIC", "Pair", "Static", "environment", "picture", "render"]

_KINDS: Final = MappingProxyType(
    {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
)
_PACKAGE: Final = "ferraris.headend.page"


@dataclass(frozen=True, slots=True)
class Pair:
    """One chart twice, drawn for wide and for narrow sheets; the style sheet shows one of them."""

    wide: Markup
    slender: Markup

    @classmethod
    def of(cls, wide: str, slender: str) -> Pair:
        """From SVG that our charts made."""
        return cls(
            picture(wide.replace('class="chart', 'class="wide chart', 1)),
            picture(slender.replace('class="chart', 'class="slender chart', 1)),
        )


def picture(chart: str) -> Markup:
    """SVG that our charts made, which templates take as it is."""
    return Markup(chart)  # noqa: S704


class Static:
    """The static files, in memory; their common hash is part of their address."""

    def __init__(self) -> None:
        found = sorted(
            (each for each in (files(_PACKAGE) / "static").iterdir()), key=lambda each: each.name
        )
        self.files = {
            each.name: (each.read_bytes(), _KINDS["." + each.name.rpartition(".")[2]])
            for each in found
            if "." + each.name.rpartition(".")[2] in _KINDS
        }
        whole = hashlib.blake2b(digest_size=8)
        for name, (octets, _) in self.files.items():
            whole.update(name.encode() + b"\0" + octets)
        self.hash = whole.hexdigest()

    def address(self, name: str) -> str:
        """Where the page finds a file; raises `KeyError` for one that is not there."""
        self.files[name]
        return f"/static/{self.hash}/{name}"


STATIC: Final = Static()
"""Those of this installation."""


@cache
def environment() -> Environment:
    """The templates; a name that a template uses and nobody gave is an error."""
    made = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["urlencode_all"] = lambda text: quote(str(text), safe="")
    made.globals["sample"] = lambda kind: picture(sample(kind))
    return made


def render(template: str, **values: Any) -> str:
    """A page, or a part of one."""
    return environment().get_template(template).render(static=STATIC.address, **values)
