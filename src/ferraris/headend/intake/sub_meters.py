"""What a host pushes for the meters on its channels: for which, and whether they are there at all.

A host speaks for a meter only as long as the inventory has that one on a channel of this host.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from ferraris.client import Push
from ferraris.client.pushed import PushedValue
from ferraris.data.obis import Obis
from ferraris.headend.collect.channels import MBusDevice, channel_of, mismatch
from ferraris.headend.collect.target import ACTIVE
from ferraris.headend.inventory.hosts import SubMeter
from ferraris.model.mbus import MBusClient

__all__ = ["ANOTHER", "INACTIVE", "STORED", "STRANGE", "channels_in", "objection"]

STORED, STRANGE, INACTIVE, ANOTHER = "stored", "unknown", "not active", "another device"
"""What becomes of values of a channel; those of one on which no meter is known stay the host's."""

_DIGITS: Final = 8  # of the number of a device on M-Bus [facts-g]
_PLATE: Final = (96, 1)  # C and D of the number on the plate [facts-g]


def channels_in(push: Push) -> set[int]:
    """The channels of which there is something in a push."""
    found = {
        channel_of(each.name) for each in push.values if isinstance(each.name, Obis) and each.name.b
    }
    return found - {0}


def objection(push: Push, sub_meter: SubMeter) -> tuple[str, str]:
    """Why what a push has for a channel is not that of its meter, and in words; "" when it is.

    A push that does not say who is on the channel is believed.
    """
    if sub_meter.state != ACTIVE:
        return INACTIVE, f"{sub_meter.external_id} is {sub_meter.state}"
    mine = [
        each
        for each in push.values
        if isinstance(each.name, Obis) and channel_of(each.name) == sub_meter.channel
    ]
    text = _mismatch(sub_meter.device, mine)
    return (ANOTHER, text) if text else ("", "")


def _mismatch(known: tuple[str, str], told: Collection[PushedValue]) -> str:
    plates = [each.value for each in told if (each.name.c, each.name.d) == _PLATE]
    plate = next((each for each in plates if isinstance(each, str)), "")
    number = _attribute(told, MBusClient.identification_number)
    manufacturer = _attribute(told, MBusClient.manufacturer_id)
    if number is not None:
        # Without the maker's letters nothing is said about the maker.
        maker, serial = known if manufacturer is not None else ("", known[1])
        device = MBusDevice(number, manufacturer or 0, 0, 0, plate)
        return mismatch((maker, serial), device) if device.is_there else "no device is there"
    serial = known[1]
    # Eight digits are the number on M-Bus, of which a plate need not know.
    if plate and len(serial) > _DIGITS and serial != plate and serial[-_DIGITS:] not in plate:
        return f"{plate} is there, not {serial}"
    return ""


def _attribute(told: Collection[PushedValue], attribute: Any) -> int | None:
    wanted = (MBusClient.class_id, attribute.index)
    values = (each.value for each in told if (each.class_id, each.attribute) == wanted)
    return next((each for each in values if isinstance(each, int)), None)
