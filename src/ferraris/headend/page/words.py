"""The message catalogue: all texts of the page, one file a language, and which one a reader gets.

A message is named by its tables ("meter.state.active"). `{name}` stands for an argument; a message
with the forms `one` and `other` is chosen by the argument `count`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

__all__ = ["LANGUAGES", "Words", "preferred", "words_of"]

LANGUAGES: Final = ("en", "de")
"""Those that the page speaks; the first is for whoever asks for none of them."""

_FORMS: Final = frozenset(("one", "other"))


class Words:
    """The texts of one language."""

    def __init__(self, language: str, document: Mapping[str, Any]) -> None:
        self.language = language
        self.messages: Mapping[str, str | Mapping[str, str]] = MappingProxyType(
            dict(_flat("", document))
        )

    def __call__(self, name: str, /, **arguments: object) -> str:
        """The text of a message; raises `KeyError` for a name that is not in the catalogue."""
        message = self.messages[name]
        if not isinstance(message, str):
            message = message["one" if arguments["count"] == 1 else "other"]
        return message.format(**arguments) if arguments else message

    def known(self, family: str, name: str) -> str:
        """A word of the store in the reader's language: as it is when the catalogue lacks it."""
        return self.only(family, name) or name

    def only(self, family: str, name: str) -> str:
        """A word in the reader's language, empty when the catalogue lacks it."""
        message = self.messages.get(f"{family}.{name.replace(' ', '_')}")
        return message if isinstance(message, str) else ""


def _flat(prefix: str, document: Mapping[str, Any]) -> Any:
    for name, value in document.items():
        if isinstance(value, str) or value.keys() == _FORMS:
            yield prefix + name, value
        else:
            yield from _flat(f"{prefix}{name}.", value)


@cache
def words_of(language: str) -> Words:
    """The catalogue of a language of `LANGUAGES`."""
    text = (files("ferraris.headend.page") / "messages" / f"{language}.toml").read_text("utf-8")
    return Words(language, tomllib.loads(text))


def preferred(accept: str, chosen: str = "") -> str:
    """The language for a reader: what was chosen, else the best of the header Accept-Language."""
    if chosen in LANGUAGES:
        return chosen
    best, weight = LANGUAGES[0], 0.0
    for part in accept[:500].split(","):
        name, _, parameters = part.strip().partition(";")
        language = name.split("-", 1)[0].lower()
        if language in LANGUAGES and (quality := _quality(parameters)) > weight:
            best, weight = language, quality
    return best


def _quality(parameters: str) -> float:
    key, _, value = parameters.strip().partition("=")
    if key != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
