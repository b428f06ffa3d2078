"""The templates that come with Ferraris, by name."""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import UsageError
from ferraris.meter.template import Template
from ferraris.meter.templates.mbus_host import mbus_host
from ferraris.meter.templates.residential import residential
from ferraris.meter.templates.residential_sn import residential_sn

__all__ = ["names", "template"]

_TEMPLATES: dict[str, Callable[..., Template]] = {
    "mbus-host": mbus_host,
    "residential": residential,
    "residential-sn": residential_sn,
}


def names() -> list[str]:
    """The names of all templates."""
    return sorted(_TEMPLATES)


def template(
    name: str, *, suite: int = 0, mechanism: int | None = None, weak: bool = False
) -> Template:
    """Build the template with this name; `UsageError` when there is none.

    `suite` is the security suite, `mechanism` how clients prove themselves instead of the usual
    way, `weak` allows MD5 and SHA-1.
    """
    if suite not in (0, 1, 2):
        raise UsageError(f"there is no security suite {suite}: 0, 1 or 2")
    build = _TEMPLATES.get(name)
    if build is None:
        raise UsageError(f"no template {name!r}; there are: {', '.join(names())}")
    return build(suite=suite, mechanism=mechanism, weak=weak)
