"""Short names follow from the declarations: attributes, methods, and none that meet."""

from __future__ import annotations

import pytest

from ferraris.model.access_control import SapAssignment, SecuritySetup
from ferraris.model.data_storage import ProfileGeneric, Register
from ferraris.model.interface_class import InterfaceClass
from ferraris.model.short_names import (
    CURRENT_ASSOCIATION_NAME,
    AssociationSn,
    AssociationSnV1,
    AssociationSnV3,
    NamedObject,
    attribute_name,
    unsigned_name,
)
from ferraris.model.time_control import ActivityCalendar, Clock, DisconnectControl


@pytest.mark.parametrize(
    ("declared", "method", "offset"),
    [
        (Register, 1, 0x28),
        (ProfileGeneric, 2, 0x60),
        (Clock, 6, 0x88),
        (ActivityCalendar, 1, 0x50),
        (SapAssignment, 1, 0x20),
        (SecuritySetup, 1, 0x30),
        (DisconnectControl, 2, 0x28),
        (AssociationSn, 1, 0x20),
        (AssociationSnV1, 3, 0x30),
        (AssociationSnV3, 8, 0x58),
    ],
)
def test_offsets_of_methods(declared: type[InterfaceClass], method: int, offset: int) -> None:
    assert declared.method_offset(method) == offset


def test_names_of_attributes() -> None:
    assert attribute_name(0x2000, 1) == 0x2000
    assert attribute_name(0x2000, 3) == 0x2010
    assert attribute_name(unsigned_name(-1536), 2) == 0xFA08
    assert unsigned_name(-1536) == CURRENT_ASSOCIATION_NAME


def test_an_object_list_reads_as_declared() -> None:
    element = (2, [(16, -1536), (18, 12), (17, 1), (9, bytes((0, 0, 40, 0, 0, 255)))])
    (found,) = AssociationSn.object_list.type.load((1, [element]))
    assert isinstance(found, NamedObject)
    assert (found.base_name, found.class_id, found.version) == (-1536, 12, 1)
    assert AssociationSn.object_list.type.dump([found]) == (1, [element])
