"""What a meter will push, asked for when it is registered: names, scalers, units, columns.

Without them a pushed profile has columns of unknown scale, which are not the channels that a read
of the profile has.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from ferraris.client import Meter, PushedList, PushedObject, learn_push_list
from ferraris.client.profile import ProfileLayout, read_layout
from ferraris.core.errors import DecodeError, RefusedError
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel
from ferraris.data.units import unit
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.model.data_storage import CaptureObject

__all__ = ["PushLists", "fingerprint", "learn", "listed"]

_PUSH_SETUP, _PUSH_OBJECT_LIST = 40, 2
_PROFILE, _BUFFER = 7, 2
_OF_CHANNEL = re.compile(rb"\x09\x06\x00[\x01-\xff]\x18", re.DOTALL)
"""The beginning of a logical name in a list: A 0, B a channel, C that of M-Bus [facts-g]."""


@dataclass(frozen=True, slots=True)
class PushLists:
    """What one kind of meter pushes: a list of each push set-up, and whole profiles in them."""

    lists: tuple[PushedList, ...] = ()
    profiles: dict[Obis, ProfileLayout] = field(default_factory=dict)

    @property
    def merged(self) -> PushedList:
        """All of them as one, for values that come with their names."""
        return PushedList(tuple(each for one in self.lists for each in one.objects))

    def to_text(self) -> str:
        """As JSON."""
        shape = {
            "lists": [[_object_shape(each) for each in one.objects] for one in self.lists],
            "profiles": {str(name): _layout_shape(each) for name, each in self.profiles.items()},
        }
        return json.dumps(shape, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> PushLists:
        """Back from JSON."""
        shape = json.loads(text)
        return cls(
            tuple(PushedList(tuple(map(_object, one))) for one in shape["lists"]),
            {Obis.parse(name): _layout(name, each) for name, each in shape["profiles"].items()},
        )


async def listed(meter: Meter) -> list[tuple[Obis, bytes]]:
    """The push object lists that the meter shows this client, as they stand in it."""
    found = []
    for element in await meter.object_list():
        if element.class_id != _PUSH_SETUP:
            continue
        name = Obis(element.logical_name)
        attribute = AttributeDescriptor(_PUSH_SETUP, name, _PUSH_OBJECT_LIST)
        try:
            found.append((name, await meter.get_raw(attribute)))
        except RefusedError:
            continue
    return found


def fingerprint(found: list[tuple[Obis, bytes]], kind: str, own: str) -> bytes:
    """What tells lists apart; `kind` is how alike meters are called.

    A list with objects of channels is shared with nobody, so it has `own` in it: their scalers are
    those of the devices there, which are not the same in alike hosts, nor for ever.
    """
    if any(_OF_CHANNEL.search(octets) for _, octets in found):
        kind = f"{kind}/{own}"
    hashed = hashlib.blake2b(kind.encode(), digest_size=16)
    for name, octets in found:
        hashed.update(bytes(name) + len(octets).to_bytes(4, "big") + octets)
    return hashed.digest()


async def learn(meter: Meter, names: list[Obis]) -> PushLists:
    """Ask for scalers, units and columns of everything that is in these lists."""
    lists, profiles = [], {}
    for name in names:
        try:
            one = await learn_push_list(meter, name)
        except (DecodeError, RefusedError):
            continue
        lists.append(one)
        for each in one.objects:
            if (each.class_id, each.attribute) == (_PROFILE, _BUFFER) and each.name not in profiles:
                try:
                    profiles[each.name] = await read_layout(meter, each.name)
                except RefusedError:
                    continue
    return PushLists(tuple(lists), profiles)


def _object_shape(each: PushedObject) -> list[Any]:
    code = None if each.unit is None else each.unit.code
    layout = None if each.layout is None else _layout_shape(each.layout)
    return [str(each.name), each.class_id, each.attribute, each.scaler, code, layout]


def _object(shape: list[Any]) -> PushedObject:
    name, class_id, attribute, scaler, code, layout = shape
    return PushedObject(
        Obis.parse(name),
        class_id,
        attribute,
        scaler,
        None if code is None else unit(code),
        None if layout is None else _layout(name, layout),
    )


def _layout_shape(layout: ProfileLayout) -> dict[str, Any]:
    return {
        "columns": [
            [each.class_id, str(each.logical_name), each.attribute, each.data_index]
            for each in layout.columns
        ],
        "channels": [[str(each.name), *each[1:]] for each in layout.channels],
        "clock": layout.clock,
        "status": layout.status,
        "period_s": layout.period_s,
    }


def _layout(name: str, shape: dict[str, Any]) -> ProfileLayout:
    return ProfileLayout(
        Obis.parse(name),
        tuple(
            CaptureObject(class_id, Obis.parse(captured), attribute, index)
            for class_id, captured, attribute, index in shape["columns"]
        ),
        tuple(Channel(Obis.parse(channel), *rest) for channel, *rest in shape["channels"]),
        shape["clock"],
        shape["status"],
        shape["period_s"],
    )
