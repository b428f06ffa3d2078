"""The templates that come with Ferraris, by name; those of companion specifications among them."""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import UsageError
from ferraris.meter.template import Template
from ferraris.meter.templates.companions import companion_template
from ferraris.meter.templates.gas import gas
from ferraris.meter.templates.gateway_meter import gateway_meter
from ferraris.meter.templates.industrial import industrial
from ferraris.meter.templates.mbus_host import mbus_host
from ferraris.meter.templates.prepayment import prepayment
from ferraris.meter.templates.recorded import recorded_template
from ferraris.meter.templates.residential import residential
from ferraris.meter.templates.residential_sn import residential_sn
from ferraris.meter.templates.three_phase import residential_three_phase
from ferraris.meter.templates.water import water
from ferraris.model import companion

__all__ = ["names", "template"]

_TEMPLATES: dict[str, Callable[..., Template]] = {
    "gas": gas,
    "gateway-meter": gateway_meter,
    "industrial": industrial,
    "mbus-host": mbus_host,
    "prepayment": prepayment,
    "residential": residential,
    "residential-sn": residential_sn,
    "water": water,
    "residential-three-phase": residential_three_phase,
}

_ENDINGS = (".toml", ".yaml", ".yml", ".txt")


def names() -> list[str]:
    """The names of all templates."""
    return sorted([*_TEMPLATES, *companion.names()])


def template(
    name: str, *, suite: int = 0, mechanism: int | None = None, weak: bool = False
) -> Template:
    """Build the template with this name; `UsageError` when there is none.

    `suite` is the security suite, `mechanism` how clients prove themselves instead of the usual
    way, `weak` allows MD5 and SHA-1.

    A companion specification is a template too; `smr-5.2:single-phase` names a kind of meter. What
    looks like a file is one that `meter record` wrote.
    """
    if suite not in (0, 1, 2):
        raise UsageError(f"there is no security suite {suite}: 0, 1 or 2")
    build = _TEMPLATES.get(name)
    if build is not None:
        return build(suite=suite, mechanism=mechanism, weak=weak)
    if _is_file(name):
        if mechanism is not None:
            raise UsageError(f"{name}: clients prove themselves as the file says")
        return recorded_template(name, suite=suite)
    specification, _, kind = name.partition(":")
    if specification not in companion.names():
        raise UsageError(f"no template {name!r}; there are: {', '.join(names())}")
    return companion_template(
        companion.companion(specification),
        kind or None,
        suite=suite,
        mechanism=mechanism,
        weak=weak,
    )


def _is_file(name: str) -> bool:
    return "/" in name or "\\" in name or name.endswith(_ENDINGS)
