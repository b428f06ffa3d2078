"""The form of a declaration: inheritance between versions, duplicates, short-name distances."""

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.data.types import AnyData, Integer, OctetString, Unsigned
from ferraris.model import interface_class
from ferraris.model.access_control import AssociationLn, AssociationLnV1, AssociationLnV3
from ferraris.model.data_storage import ProfileGeneric, Register
from ferraris.model.interface_class import Attribute, InterfaceClass, Method, optional, static


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declarations made by these tests vanish afterwards."""
    kept = dict(interface_class._REGISTERED)
    monkeypatch.setattr(interface_class, "_REGISTERED", kept)


def test_attributes_know_their_class() -> None:
    assert Register.scaler_unit.owner is Register
    assert Register.scaler_unit.class_id == 3
    assert Register.scaler_unit.name == "scaler_unit"
    assert Register.scaler_unit.is_static
    assert not Register.value.is_static
    assert Register.logical_name.owner is Register
    assert Register.attributes[3] is Register.scaler_unit
    assert "Register.scaler_unit: attribute 3" in repr(Register.scaler_unit)
    assert "method 1" in repr(Register.reset)
    assert Register.reset.class_id == 3
    assert Register.title() == "Register (class 3, version 0)"


def test_a_later_version_inherits_and_replaces() -> None:
    assert AssociationLnV3.object_list.owner is AssociationLnV3
    assert AssociationLn.object_list.type is not AssociationLnV1.object_list.type
    assert AssociationLnV1.secret.type is AssociationLn.secret.type
    assert 9 not in AssociationLn.attributes
    assert list(AssociationLnV3.attributes) == list(range(1, 12))
    assert AssociationLnV3.methods[1].is_optional


def test_a_later_version_drops() -> None:
    class First(InterfaceClass, class_id=9000, version=0, source="memory"):
        """First: for the test."""

        one = Attribute(2, Unsigned)
        two = Attribute(3, OctetString, static, optional)
        go = Method(1, Integer)

    class Second(First, version=1, drop=("two", "go")):
        """Second: for the test."""

        three = Attribute(4, AnyData)

    assert list(Second.attributes) == [1, 2, 4]
    assert not Second.methods
    assert First.two.is_optional
    assert Second.class_id == 9000
    assert interface_class.registered()[9000, 1] is Second


def test_a_pair_is_declared_once() -> None:
    with pytest.raises(UsageError, match="class 3 version 0 is Register already"):

        class Again(InterfaceClass, class_id=3, version=0, source="memory"):
            """Again: a duplicate."""


def test_an_index_is_declared_once() -> None:
    with pytest.raises(UsageError, match="twice"):

        class Twice(InterfaceClass, class_id=9001, version=0, source="memory"):
            """Twice: two attributes of one index."""

            one = Attribute(2, Unsigned)
            two = Attribute(2, Unsigned)


@pytest.mark.parametrize(
    ("class_id", "version", "source"), [(0, 0, "memory"), (9002, 256, "memory"), (9002, 0, "")]
)
def test_a_declaration_is_complete(class_id: int, version: int, source: str) -> None:
    with pytest.raises(UsageError, match="needs"):
        type(
            "Incomplete",
            (InterfaceClass,),
            {},
            class_id=class_id,
            version=version,
            source=source,
        )


def test_a_declaration_has_no_instances() -> None:
    with pytest.raises(UsageError):
        Register()


def test_short_name_distance_of_methods() -> None:
    assert ProfileGeneric.method_offset(1) == 0x58
    assert ProfileGeneric.method_offset(2) == 0x60

    class Unknown(InterfaceClass, class_id=9003, version=0, source="memory"):
        """Unknown: no distance."""

    assert Unknown.method_offset(1) is None
