"""The push set-up object: what the meter sends by itself, and whereto."""

from __future__ import annotations

from collections.abc import Iterable

from ferraris.data.kinds import (
    array,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.model.data_storage import CaptureObject
from ferraris.model.push import PushSetup, TransportService

__all__ = ["PushList"]

_AXDR = 0


class PushList(Behaviour):
    """A push set-up whose list begins with itself, so that a receiver can read what follows."""

    declares = PushSetup

    def __init__(self, name: str, objects: Iterable[tuple[int, str, int]]) -> None:
        itself = CaptureObject(PushSetup.class_id, Obis.parse(name), 2, 0)
        captured = [
            itself,
            *(CaptureObject(class_id, Obis.parse(of), index, 0) for class_id, of, index in objects),
        ]
        listed = array(
            *(
                structure(
                    long_unsigned(each.class_id),
                    octet_string(each.logical_name),
                    integer(each.attribute),
                    long_unsigned(each.data_index),
                )
                for each in captured
            )
        )
        destination = structure(enum(TransportService.TCP), octet_string(b""), enum(_AXDR))
        super().__init__(
            name,
            {
                2: listed,
                3: destination,
                4: array(),
                5: long_unsigned(0),
                6: unsigned(0),
                7: long_unsigned(0),
            },
        )
