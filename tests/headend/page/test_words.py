from __future__ import annotations

import re
import string
from importlib.resources import files

import pytest

from ferraris.headend.page.rendering import environment
from ferraris.headend.page.words import LANGUAGES, preferred, words_of

PACKAGE = files("ferraris.headend.page")
TEMPLATES = sorted(
    str(each.relative_to(PACKAGE / "templates"))
    for each in (PACKAGE / "templates").rglob("*.html")  # type: ignore[attr-defined]
)
SCRIPTS = sorted(each.name for each in (PACKAGE / "static").iterdir() if each.name.endswith(".js"))


def source(name):
    return (PACKAGE / "templates" / name).read_text("utf-8")


def forms(message):
    return [message] if isinstance(message, str) else list(message.values())


def arguments(message):
    """The names in a message, without how they are written; `name` and numbers give the month."""
    parts = {part[1] for form in forms(message) for part in string.Formatter().parse(form)}
    return {part for part in parts if part}


def test_all_languages_have_the_same_messages():
    known = {language: words_of(language).messages for language in LANGUAGES}
    english = known["en"]
    for language, messages in known.items():
        assert messages.keys() == english.keys(), language
        for name, message in messages.items():
            assert isinstance(message, str) == isinstance(english[name], str), name
            assert all(form.strip() == form != "" for form in forms(message)), name
            if not name.startswith("date."):
                assert arguments(message) == arguments(english[name]), name


def test_no_text_is_the_same_by_mistake():
    english, german = (words_of(language).messages for language in LANGUAGES)
    alike = {"brand", "none", "live.on", "login.token", "overview.plan", "facts.companion"}
    alike |= {"alarms.name", "registers.name", "span.seconds", "span.minutes", "span.hours"}
    alike |= {"missing.by.firmware"}
    alike |= {f"groups.{name}" for name in ("firmware", "segment", "one.firmware", "one.segment")}
    assert {name for name in english if english[name] == german[name]} == alike


def test_every_message_is_used_and_every_use_is_known():
    text = "".join(source(name) for name in TEMPLATES)
    text += "".join(
        each.read_text("utf-8") for each in (PACKAGE / ".").iterdir() if each.name.endswith(".py")
    )
    names = set(words_of("en").messages)
    quoted = set(re.findall(r'["\']([a-z_]+(?:\.[a-z_]+)*)["\']', text))
    prefixes = set(re.findall(r'["\'f]([a-z_]+(?:\.[a-z_]+)*\.)(?:["\']| *["\'] *~|\{)', text))
    families = {f"{name}." for name in re.findall(r'(?:known|only)\(\s*"([a-z_]+)"', text)}
    for name in names:
        begun = {name[: at + 1] for at, letter in enumerate(name) if letter == "."}
        assert name in quoted or begun & (prefixes | families), f"{name} is not used"
    asked = set(re.findall(r'\bt\("([a-z_.]+)"[,)]', text))
    asked |= set(re.findall(r'\bwords\(\s*"([a-z_.]+)"[,)]', text))
    assert asked - names == set()


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_have_no_text_of_their_own(name):
    """What is left of a template without expressions and tags has no letters."""
    data = "".join(
        value if kind == "data" else "\0"
        for _, kind, value in environment().lex(source(name))
        if kind in ("data", "variable_begin")
    )
    shown = re.sub(r"<!doctype html>|<[^>]*>", "", data)
    assert not re.search(r"[^\W\d_]", shown), shown
    spoken = re.findall(r'(?:aria-label|title|placeholder|alt|value|data-head)="([^"]*)"', data)
    assert not [text for text in spoken if re.search(r"[^\W\d_]", text)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_have_no_text_of_their_own(name):
    code = re.sub(r"//.*", "", (PACKAGE / "static" / name).read_text("utf-8"))
    for text in re.findall(r'"([^"]*)"|`([^`]*)`', code):
        for part in text:
            assert not re.search(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", part), part


@pytest.mark.parametrize(
    ("accept", "chosen", "language"),
    [
        ("", "", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("fr, en;q=0.3, de;q=0.7", "", "de"),
        ("en-GB", "de", "de"),
        ("de", "xx", "de"),
        ("de;q=nonsense, en;q=0.1", "", "en"),
        ("de;q=0", "", "en"),
        ("x" * 10_000 + ",de", "", "en"),
    ],
)
def test_the_language_that_a_reader_gets(accept, chosen, language):
    assert preferred(accept, chosen) == language


def test_an_unknown_message_is_an_error_and_an_unknown_word_is_itself():
    words = words_of("de")
    with pytest.raises(KeyError):
        words("no.such.message")
    assert words.known("state", "active") == "Aktiv"
    assert words.known("right", "see meters") == "Zähler sehen"
    assert words.known("state", "something <new>") == "something <new>"
