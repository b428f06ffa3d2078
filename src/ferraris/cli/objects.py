"""The objects of a meter for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from ferraris.cli.output import json_text
from ferraris.cli.shapes import data_shape, logical_name_shape
from ferraris.client.browsing import BrowsedAttribute, BrowsedObject
from ferraris.data.kinds import show

__all__ = ["show_objects"]

_WIDEST = 100


def show_objects(url: str, found: Sequence[BrowsedObject], *, as_json: bool) -> None:
    """Print the objects, with the attributes that were read."""
    if as_json:
        shapes = [_shape(each) for each in found]
        typer.echo(json_text({"version": 1, "meter": url, "objects": shapes}))
        return
    for each in found:
        name = logical_name_shape(each.logical_name).get("name", "")
        kind = f"{each.class_name or 'class'} ({each.class_id}, version {each.version})"
        if each.layout:
            kind += f", {each.layout}"
        typer.echo(f"{each.logical_name!s:<18} {kind:<40} {name}".rstrip())
        for attribute in each.attributes:
            typer.echo(f"    {attribute.attribute_id:3d} {attribute.name:<32} {_value(attribute)}")


def _shape(each: BrowsedObject) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "class_id": each.class_id,
        "class": each.class_name or None,
        "version": each.version,
        "layout": each.layout or None,
    }
    shape |= logical_name_shape(each.logical_name)
    shape["attributes"] = [
        {
            "attribute": attribute.attribute_id,
            "name": attribute.name,
            "value": None if attribute.data is None else data_shape(attribute.data),
            "refused": attribute.refused or None,
        }
        for attribute in each.attributes
    ]
    return shape


def _value(attribute: BrowsedAttribute) -> str:
    text = f"({attribute.refused})" if attribute.data is None else show(attribute.data)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
