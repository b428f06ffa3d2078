"""What all meters of one kind have in common, so that only the first of them is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ferraris.data.obis import Obis

if TYPE_CHECKING:
    from ferraris.client.profile import ProfileLayout
    from ferraris.model.access_control import ObjectListElement
    from ferraris.model.short_names import NamedObject

__all__ = ["Kind"]


@dataclass(slots=True)
class Kind:
    """The static part of a kind of meter: same firmware, same configuration, same client.

    Pass the same `Kind` to every `connect` of such meters, or let a `KindCache` find it by the
    firmware. Nothing in it is personal or secret. A meter that turns out different answers with
    rows of another width, which is a `DecodeError`.

    Attributes:
        classes: class of each object that was read by name.
        scalers: scaler and unit of each register, by class and name.
        layouts: columns of each profile.
        objects: the object list with its rights; None until somebody asked for it.
        names: the base names of objects by class and logical name; None where they go by logical
            name, or until somebody asked for them.
        lists: whether requests with lists are worth trying; False once one failed where single
            requests were served.
        access: whether ACCESS is worth trying where it was negotiated.
    """

    classes: dict[Obis, int] = field(default_factory=dict)
    scalers: dict[tuple[int, Obis], tuple[int, int]] = field(default_factory=dict)
    layouts: dict[Obis, ProfileLayout] = field(default_factory=dict)
    objects: dict[Obis, ObjectListElement] | None = None
    lists: bool = True
    access: bool = True
    names: dict[tuple[int, bytes], NamedObject] | None = None
