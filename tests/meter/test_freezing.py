from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ferraris.meter
from ferraris.core.errors import UsageError
from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.data.kinds import Data, structure, unsigned
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.forms import KeyPairs
from ferraris.messaging.dlms.security.policy import Policy
from ferraris.meter.freezing import form_of, not_kept
from ferraris.meter.state import Interruption, LogEntry, SecurityState, State, Step

if TYPE_CHECKING:
    from fractions import Fraction as Absent


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Place(NamedTuple):
    east: int
    north: bytes = b""


@dataclass
class Remembered:
    """One of everything that a part may hold."""

    number: int = 0
    flag: bool = False
    text: str = ""
    octets: bytes = b""
    volume: Decimal = Decimal(0)
    colour: Colour = Colour.RED
    level: Level | None = None
    place: Place | None = None
    places: tuple[Place, ...] = ()
    pair: tuple[int, bytes] = (0, b"")
    numbers: list[int] = field(default_factory=list)
    marks: set[bytes] = field(default_factory=set)
    by_name: dict[tuple[int, bytes], Place] = field(default_factory=dict)
    data: Data | None = None
    either: int | bytes | None = None
    passing: int = field(default=0, metadata=not_kept)


OCTETS = st.binary(max_size=5)
PLACES = st.builds(Place, st.integers(), OCTETS)
REMEMBERED = st.builds(
    Remembered,
    st.integers(),
    st.booleans(),
    st.text(max_size=5),
    OCTETS,
    st.decimals(allow_nan=False),
    st.sampled_from(Colour),
    st.none() | st.sampled_from(Level),
    st.none() | PLACES,
    st.lists(PLACES, max_size=3).map(tuple),
    st.tuples(st.integers(), OCTETS),
    st.lists(st.integers(), max_size=3),
    st.sets(OCTETS, max_size=3),
    st.dictionaries(st.tuples(st.integers(), OCTETS), PLACES, max_size=3),
    st.none() | st.integers(0, 255).map(lambda value: structure(unsigned(value))),
    st.none() | st.integers() | OCTETS,
)


def kept(kind: Any, value: Any) -> Any:
    form = form_of(kind)
    return form.thaw(json.loads(json.dumps(form.freeze(value))))


@given(REMEMBERED)
def test_what_is_kept_comes_back_the_same(value: Remembered) -> None:
    assert kept(Remembered, value) == value


def test_what_is_not_kept_begins_anew() -> None:
    assert kept(Remembered, Remembered(number=3, passing=7)) == Remembered(number=3)


def test_defaults_take_no_room_and_fields_added_later_have_theirs() -> None:
    assert form_of(Remembered).freeze(Remembered()) == {}
    assert form_of(Place).thaw([5]) == Place(5, b"")


def test_a_state_with_keys_comes_back() -> None:
    own = PrivateKey.generate(Curve.P256, bytes)
    pairs = KeyPairs(own, own, own.public_key, b"", bytes(16))
    security = SecurityState(
        3, 2, CipherKeys(1, bytes(16), bytes(range(16))), pairs, Policy(0x30, 0x30), b"k" * 16
    )
    security.new_pairs[2] = own
    security.used_keys = {b"a", b"b"}
    state = State(
        lived=5,
        due=9,
        steps=(Step(1, 2),),
        interruptions=(Interruption(3, None),),
        logs={3: (LogEntry(1, 2, 3, 4, 5),)},
        floors={1: 2},
        written={((3, b"name00"), 2): b"\x11\x05"},
        security=security,
    )
    found = kept(State, state)
    assert found.due == 0
    keys, theirs = security.keys, found.security.keys
    assert keys is not None
    assert (theirs.encryption_key, theirs.authentication_key) == (
        keys.encryption_key,
        keys.authentication_key,
    )
    assert found.security.pairs.signing.public_key == own.public_key
    assert found.security.new_pairs[2].to_der() == own.to_der()
    security.keys = found.security.keys = None
    security.pairs = found.security.pairs = None
    security.new_pairs.clear()
    found.security.new_pairs.clear()
    state.due = 0
    assert found == state


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (int, "5"),
        (int, True),
        (bytes, "!"),
        (bytes, 5),
        (Colour, "green"),
        (Place, [1, "", 3]),
        (Place, 5),
        (tuple[int, ...], {"a": 1}),
        (dict[int, int], [[1, 2, 3]]),
        (Remembered, {"elsewhere": 1}),
        (Remembered, {"number": "five"}),
        (CipherKeys, [9, "", "", None]),
        (int | bytes, [7, 1]),
    ],
)
def test_foreign_shapes_are_told(kind: Any, shape: Any) -> None:
    with pytest.raises(UsageError):
        form_of(kind).thaw(shape)


@dataclass
class Hidden:
    absent: Absent | None = None


@pytest.mark.parametrize("kind", [object, Any, Hidden, list[int] | list[str]])
def test_what_cannot_be_kept_is_told_at_once(kind: Any) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        form_of(kind)


def test_every_part_of_a_behaviour_can_be_kept() -> None:
    """Whatever a behaviour remembers by `part(Kind, …)` has a form."""
    root = Path(ferraris.meter.__file__).parent
    found = set()
    for file in root.rglob("*.py"):
        for kind in parts_named(file.read_text()):
            module = import_module(f"ferraris.meter.{'.'.join(file.relative_to(root).parts)[:-3]}")
            if hasattr(module, kind):
                form_of(getattr(module, kind))
                found.add(kind)
    assert {"ChannelMemory", "Firmware", "ImageMemory", "Outages"} <= found


def parts_named(source: str) -> list[str]:
    return [
        node.args[0].id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "part"
        and node.args
        and isinstance(node.args[0], ast.Name)
    ]


def test_parts_are_found_in_source() -> None:
    assert parts_named("state.part(Kind, key)\nstate.found(Other)") == ["Kind"]
