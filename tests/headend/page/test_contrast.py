"""WCAG 2.2: text has 4.5:1 against its ground, what is drawn 3:1, in both themes."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

STATIC = files("ferraris.headend.page") / "static"
TOKENS = {
    name: dict(zip(("light", "dark"), pair, strict=True))
    for name, *pair in re.findall(
        r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);",
        (STATIC / "colours.css").read_text("utf-8"),
    )
}
TEXT = [
    *((text, ground) for text in ("text", "quiet") for ground in ("ground", "sheet", "raised")),
    *((text, ground) for text in ("accent",) for ground in ("ground", "sheet", "raised")),
    ("on-accent", "accent"),
    *((kind, f"{kind}-ground") for kind in ("good", "warn", "bad")),
]
DRAWN = [
    *((line, "sheet") for line in ("accent", "edge", "estimate", "warn", "bad", "text", "focus")),
    ("focus", "ground"),
    ("edge", "ground"),
    ("accent", "area"),
    ("text", "area"),
]


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_the_guideline_says():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_colour_has_a_value_for_both_themes():
    css = (STATIC / "colours.css").read_text("utf-8")
    assert len(TOKENS) == css.count("light-dark(")
    used = {
        name
        for sheet in ("page.css", "chart.css")
        for name in re.findall(r"var\(--([a-z-]+)\)", (STATIC / sheet).read_text("utf-8"))
    }
    assert used <= TOKENS.keys()
    for sheet in ("page.css", "chart.css"):
        assert not re.search(r"#[0-9a-f]{3,8}\b|rgba?\(", (STATIC / sheet).read_text("utf-8"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read(theme, text, ground):
    assert contrast(TOKENS[text][theme], TOKENS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("line", "ground"), DRAWN)
def test_what_is_drawn_can_be_seen(theme, line, ground):
    assert contrast(TOKENS[line][theme], TOKENS[ground][theme]) >= 3
