"""The templates that come with Ferraris, by name."""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import UsageError
from ferraris.meter.template import Template
from ferraris.meter.templates.residential import residential

__all__ = ["names", "template"]

_TEMPLATES: dict[str, Callable[[], Template]] = {"residential": residential}


def names() -> list[str]:
    """The names of all templates."""
    return sorted(_TEMPLATES)


def template(name: str) -> Template:
    """Build the template with this name; raises `UsageError` when there is none."""
    build = _TEMPLATES.get(name)
    if build is None:
        raise UsageError(f"no template {name!r}; there are: {', '.join(names())}")
    return build()
