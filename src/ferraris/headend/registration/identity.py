"""Who a meter is, as it says under its own keys; what differs from the inventory is a lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferraris.client import Meter, Read
from ferraris.core.errors import LineError, SecurityError
from ferraris.headend.registration.recognition import Known
from ferraris.model.data_storage import DataObject

__all__ = ["IdentityError", "Proof", "prove"]

_LOGICAL_DEVICE_NAME = "0-0:42.0.0*255"
_DEVICE_NUMBER = "0-0:96.1.0*255"


class IdentityError(SecurityError):
    """The keys fit, and the meter is another one than the inventory has."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the meter said of itself in an association under its keys."""

    logical_device_name: str
    serial_number: str
    system_title: bytes


async def prove(meter: Meter, known: Known) -> Proof:
    """Ask the meter for its names in this association; `IdentityError` when they are others'."""
    wishes = [Read(DataObject.value, _LOGICAL_DEVICE_NAME), Read(DataObject.value, _DEVICE_NUMBER)]
    outcomes = await meter.get_many(wishes)
    for outcome in outcomes:
        if isinstance(outcome.error, LineError | SecurityError):
            raise outcome.error
    name, serial = (_text(None if each.error else each.value) for each in outcomes)
    proof = Proof(name, serial, meter.system_title)
    _compare(proof, known)
    return proof


def _compare(proof: Proof, known: Known) -> None:
    title = known.system_title
    if title and proof.system_title and proof.system_title != title:
        text = f"the system title is {proof.system_title.hex()}, not {title.hex()}"
        raise IdentityError(text, where="registration")
    if known.logical_device_name and proof.logical_device_name != known.logical_device_name:
        text = (
            f"the logical device name is {_shown(proof.logical_device_name)}, "
            f"not {known.logical_device_name}"
        )
        raise IdentityError(text, where="registration")
    if known.serial_number and proof.serial_number != known.serial_number:
        text = f"the number is {_shown(proof.serial_number)}, not {known.serial_number}"
        raise IdentityError(text, where="registration")


def _text(value: Any) -> str:
    """A name as text; one that is none as hex."""
    found = value[1] if isinstance(value, tuple) and len(value) == 2 else value
    if not isinstance(found, bytes | bytearray):
        return "" if found is None else str(found)
    octets = bytes(found).rstrip(b"\x00")
    text = octets.decode("latin-1")
    return text if octets.isascii() and text.isprintable() else octets.hex()


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "·" for c in text[:40]) or "nothing"
