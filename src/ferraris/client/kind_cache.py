"""Kinds of meters by maker, firmware and client, kept in memory and, where wanted, in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ferraris.client.kind import Kind
from ferraris.client.profile import ProfileLayout
from ferraris.core.errors import Error, RefusedError, UsageError
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel
from ferraris.model.access_control import AssociationLnV2
from ferraris.model.data_storage import CaptureObject
from ferraris.model.short_names import AssociationSn

if TYPE_CHECKING:
    from ferraris.client.meter import Meter

__all__ = ["KindCache"]

_FIRMWARE = "1-0:0.2.0*255"  # active firmware identifier [bluebook-quoted]
_VERSION = 1
_MOST_KINDS = 1000
_OBJECTS = AssociationLnV2.object_list.type
_NAMES = AssociationSn.object_list.type


class _Key(NamedTuple):
    """What makes two meters alike: who made them, which firmware runs, and who asks."""

    maker: str
    firmware: str
    client: int


class KindCache:
    """Finds the `Kind` of a meter by the firmware that it shows; pass it to `connect` as `kinds`.

    A meter that shows another firmware is of another kind, so nothing old is believed of it. The
    cache holds what objects, scalers and columns a firmware has, and the rights of a client:
    nothing about a single meter, and no secrets. Meters of one firmware whose profiles were
    configured one by one need a cache each. The thousand kinds met last are kept.

    Args:
        file: where `save` writes and a new cache begins; None keeps it in memory. A `with` block
            saves at its end.
        firmware: the object that identifies the firmware.

    Raises `UsageError` for a file that is no such cache.
    """

    def __init__(self, file: str | os.PathLike[str] | None = None, firmware: str = _FIRMWARE):
        self._file = None if file is None else Path(file)
        self._firmware = Obis.parse(firmware)
        self._kinds: dict[_Key, Kind] = {}
        if self._file is not None:
            self._kinds.update(_load(self._file))

    def __len__(self) -> int:
        return len(self._kinds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.save()

    def find(self, maker: str, firmware: bytes, client: int) -> Kind:
        """The kind of meters with this firmware, seen by this client; a new one at first."""
        key = _Key(maker, firmware.hex(), client)
        kind = self._kinds.pop(key, None) or Kind()
        self._kinds[key] = kind  # the one met last stands last
        while len(self._kinds) > _MOST_KINDS:
            del self._kinds[next(iter(self._kinds))]
        return kind

    async def recognise(self, meter: Meter, client: int) -> Kind:
        """Ask a meter for its firmware; one that does not tell is of a kind of its own."""
        try:
            _, firmware = await meter.get_data(1, self._firmware, 2)
        except RefusedError:
            return Kind()
        if isinstance(firmware, str):
            firmware = firmware.encode()
        if not isinstance(firmware, bytes) or not firmware:
            return Kind()
        return self.find(meter.system_title[:3].hex(), firmware, client)

    def save(self) -> None:
        """Write the file, whole or not at all; without a file it does nothing."""
        if self._file is None:
            return
        shape = {"version": _VERSION, "kinds": [_shape(*item) for item in self._kinds.items()]}
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        part.write_text(json.dumps(shape, separators=(",", ":")), encoding="utf-8")
        part.replace(self._file)


def _load(file: Path) -> Iterator[tuple[_Key, Kind]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as cause:
        raise UsageError(f"{file}: {cause}", where="client") from None
    try:
        shape = json.loads(text)
        if shape["version"] != _VERSION:
            raise ValueError("another version")
        found = [_kind(each) for each in shape["kinds"]]
    except (Error, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UsageError(
            f"{file} is no cache of kinds, or of another version: delete it", where="client"
        ) from None
    yield from found


def _shape(key: _Key, kind: Kind) -> dict[str, Any]:
    objects = None
    if kind.objects is not None:
        objects = axdr.encode(_OBJECTS.dump(list(kind.objects.values()))).hex()
    names = None
    if kind.names is not None:
        names = axdr.encode(_NAMES.dump(list(kind.names.values()))).hex()
    return {
        **key._asdict(),
        "lists": kind.lists,
        "access": kind.access,
        "classes": {str(name): class_id for name, class_id in kind.classes.items()},
        "scalers": [
            [class_id, str(name), *found] for (class_id, name), found in kind.scalers.items()
        ],
        "layouts": [_layout_shape(layout) for layout in kind.layouts.values()],
        "objects": objects,
        "names": names,
    }


def _kind(shape: dict[str, Any]) -> tuple[_Key, Kind]:
    objects = None
    if shape["objects"] is not None:
        listed = _OBJECTS.read(bytes.fromhex(shape["objects"]))
        objects = {element.logical_name: element for element in listed}
    names = None
    if shape.get("names") is not None:
        named = _NAMES.read(bytes.fromhex(shape["names"]))
        names = {(each.class_id, bytes(each.logical_name)): each for each in named}
    layouts = [_layout(each) for each in shape["layouts"]]
    kind = Kind(
        classes={Obis.parse(name): int(number) for name, number in shape["classes"].items()},
        scalers={
            (int(class_id), Obis.parse(name)): (int(scaler), int(unit))
            for class_id, name, scaler, unit in shape["scalers"]
        },
        layouts={layout.profile: layout for layout in layouts},
        objects=objects,
        lists=bool(shape["lists"]),
        access=bool(shape.get("access", True)),  # files of before do not say
        names=names,
    )
    return _Key(str(shape["maker"]), str(shape["firmware"]), int(shape["client"])), kind


def _layout_shape(layout: ProfileLayout) -> dict[str, Any]:
    return {
        "profile": str(layout.profile),
        "columns": [[each[0], str(each[1]), *each[2:]] for each in layout.columns],
        "channels": [[str(each[0]), *each[1:]] for each in layout.channels],
        "clock": layout.clock,
        "status": layout.status,
        "period_s": layout.period_s,
    }


def _layout(shape: dict[str, Any]) -> ProfileLayout:
    columns = tuple(
        CaptureObject(int(class_id), Obis.parse(name), int(attribute), int(index))
        for class_id, name, attribute, index in shape["columns"]
    )
    channels = tuple(
        Channel(Obis.parse(name), *map(int, numbers)) for name, *numbers in shape["channels"]
    )
    marks = (shape["clock"], shape["status"])
    clock, status = (None if each is None else int(each) for each in marks)
    return ProfileLayout(
        Obis.parse(shape["profile"]), columns, channels, clock, status, int(shape["period_s"])
    )
