"""Writes down a meter as a template file, which `recorded` reads again.

What makes a meter go - associations, counters, keys, the time - is noted as being there, and lives
in the template; everything else has its rights, its type and, if wanted, its value. Scalers, units
and what profiles capture are always written. Secrets are never: they were not even read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ferraris.client.inventory import FoundObject
from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.kinds import Data, Tag, show
from ferraris.data.obis import Obis
from ferraris.model import obis_names, registry
from ferraris.model.access_control import AssociationLn
from ferraris.model.companion import Shape
from ferraris.model.withheld import is_secret

__all__ = ["FORMAT", "RIGHTS", "is_counter", "lives", "recording", "rights_words", "shape_of"]

FORMAT = 1
"""Version of the form; the reader takes no other."""

RIGHTS = "RWaesAES"
"""A letter for each bit of a right: read, write, and protection of request and answer."""

_ASSOCIATION, _SHORT_NAMES, _SAPS, _SECURITY, _CLOCK, _DATA, _PROFILE = 15, 12, 17, 64, 8, 1, 7
_LIVES = frozenset((_ASSOCIATION, _SHORT_NAMES, _SAPS, _SECURITY))
_NOW = frozenset((2, 4))  # time and status of a clock
_STRUCTURAL = {3: (3,), 4: (3,), 5: (4,), _PROFILE: (3, 4, 5, 6, 8), _CLOCK: (3, 5, 6, 7, 8, 9)}
"""Attributes that are written even without values: units, columns, and the rules of the clock."""
_LONG = {(_PROFILE, 2): "array", (30, 2): "octet-string", (61, 2): "array", (62, 2): "octet-string"}
_ENTRIES_IN_USE = (_PROFILE, 7)
_WIDEST = 70


def recording(found: Sequence[FoundObject], client: int, *, values: bool = False) -> str:
    """The template of a meter that `client` has taken stock of, as TOML.

    Without `values` what the meter has measured or been told is left out.
    """
    lines = [f"template = {FORMAT}", f"client = {client}", ""]
    for each in found:
        if each.class_id == _ASSOCIATION:
            lines += _association(each)
    for each in found:
        lines += _object(each, values)
    return "\n".join(lines)


def lives(class_id: int, logical_name: bytes) -> bool:
    """Whether an object of a recorded meter lives by itself, so that it has no recorded values."""
    return class_id in _LIVES or is_counter(class_id, logical_name)


def is_counter(class_id: int, logical_name: bytes) -> bool:
    """Whether an object is the counter of protected requests of a client: 0-b:43.1.e [facts-g]."""
    return class_id == _DATA and logical_name[0] == 0 and logical_name[2:4] == bytes((43, 1))


def rights_words(mode: int) -> str:
    """The letters of a right."""
    return "".join(letter for bit, letter in enumerate(RIGHTS) if mode >> bit & 1)


def shape_of(data: Data) -> Shape:
    """The shape of a value; an array has that of its elements when they are all alike."""
    tag, value = data
    if tag == Tag.STRUCTURE:
        return Shape(tag, tuple(shape_of(each) for each in value)) if value else Shape(tag)
    if tag == Tag.ARRAY:
        shapes = {shape_of(each) for each in value}
        return Shape(tag, (shapes.pop(),)) if len(shapes) == 1 else Shape(tag)
    return Shape(tag)


def _association(found: FoundObject) -> Iterator[str]:
    """How a client opens an association, from what its object tells without secrets."""
    types = AssociationLn.attributes
    values = found.values
    if not {3, 4, 5, 6} <= values.keys():
        return
    try:
        client = types[3].type.load(values[3]).client_sap
        context = types[5].type.load(values[5])
    except DecodeError:
        return  # what it says of itself is no association: it runs as one for the public
    yield "[[associations]]"
    yield f'object = "{found.logical_name}"'
    yield f"client = {client}"
    yield f"mechanism = {_last_arc(values[6])}"
    yield f"ciphered = {str(_last_arc(values[4]) in _CIPHERED).lower()}"
    yield f"services = 0x{int.from_bytes(context.conformance.octets, 'big'):06x}"
    yield f"max_pdu = {context.max_receive_pdu_size}"
    setup = values.get(9, (Tag.NULL, None))
    if setup[0] == Tag.OCTET_STRING and len(setup[1]) == _NAME_OCTETS and any(setup[1]):
        yield f'security_setup = "{Obis(setup[1])}"'
    yield ""


_NAME_OCTETS = 6
_CIPHERED = (3, 4)  # contexts with ciphering, by logical and by short names [asn1]


def _last_arc(name: Data) -> int:
    """The last arc of an application context or mechanism: octets, or a structure of numbers."""
    tag, value = name
    last = value[-1] if tag in (Tag.STRUCTURE, Tag.OCTET_STRING) and value else 0
    number = last[1] if tag == Tag.STRUCTURE and isinstance(last, tuple) else last
    return number if isinstance(number, int) else 0


def _object(found: FoundObject, values: bool) -> Iterator[str]:
    words = registry.name(found.class_id) or "Class that is not known"
    yield f"# {words}: {obis_names.name(found.logical_name)}"
    yield "[[objects]]"
    yield f"class = {found.class_id}"
    if found.version:
        yield f"version = {found.version}"
    yield f'obis = "{found.logical_name}"'
    yield from _table("rights", _by_right(found.attributes))
    yield from _table("methods", _by_right(found.methods))
    if found.selectors:
        pairs = (f"{index} = {list(each)}" for index, each in sorted(found.selectors.items()))
        yield f"selectors = {{ {', '.join(pairs)} }}"
    if not lives(found.class_id, found.logical_name):
        yield from _attributes(found, values)
    yield ""


def _by_right(modes: Mapping[int, int]) -> dict[str, list[int]]:
    """The indices that have each right; those without any are left out."""
    listed: dict[str, list[int]] = {}
    for index, mode in sorted(modes.items()):
        if mode:
            listed.setdefault(rights_words(mode), []).append(index)
    return listed


def _table(name: str, listed: Mapping[str, Sequence[int]]) -> Iterator[str]:
    if listed:
        pairs = (f"{right} = {list(indices)}" for right, indices in listed.items())
        yield f"{name} = {{ {', '.join(pairs)} }}"


def _attributes(found: FoundObject, values: bool) -> Iterator[str]:
    types: dict[int, str] = {}
    for index, data in sorted(found.values.items()):
        if not is_secret(found.class_id, found.logical_name, index):
            types[index] = str(shape_of(data))
    for index, why in found.unread.items():
        if why == "long" and (found.class_id, index) in _LONG:
            types[index] = _LONG[found.class_id, index]
    if types:
        pairs = (f"{index} = {json.dumps(words)}" for index, words in sorted(types.items()))
        yield f"types = {{ {', '.join(pairs)} }}"
    yield from _refusals(found.unread.items())
    for index, data in sorted(found.values.items()):
        if index in types and _is_wanted(found.class_id, index, values):
            yield f'values.{index} = "{axdr.encode(data).hex()}"  # {_words(data)}'


def _refusals(unread: Iterable[tuple[int, str]]) -> Iterator[str]:
    refused = {index: why for index, why in unread if why not in ("long", "no right to read")}
    if refused:
        pairs = (f"{index} = {json.dumps(why)}" for index, why in sorted(refused.items()))
        yield f"unread = {{ {', '.join(pairs)} }}"


def _is_wanted(class_id: int, index: int, values: bool) -> bool:
    if (class_id == _CLOCK and index in _NOW) or (class_id, index) == _ENTRIES_IN_USE:
        return False
    return values or index in _STRUCTURAL.get(class_id, ())


def _words(data: Data) -> str:
    text = "".join(letter if letter.isprintable() else "·" for letter in show(data))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
