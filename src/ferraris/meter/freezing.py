"""Plain values as JSON and back, read off their type hints: what a state directory keeps.

A dataclass becomes its fields that are not at their defaults, so that a field added later does not
trouble what was kept before. What cannot be said in JSON - octets, sets, mappings by tuples, keys -
has a form of its own. A kind without a form is a `TypeError` when it is first asked for.
"""

from __future__ import annotations

import types
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from ferraris.core.errors import Error, UsageError
from ferraris.crypto.curves import AgreementKey, PrivateKey, SigningKey
from ferraris.data import axdr
from ferraris.data.kinds import Data
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.meter.chunks import Chunks

__all__ = ["Form", "form_of", "is_kept", "not_kept"]

Change = Callable[[Any], Any]


class Form(NamedTuple):
    """How values of one kind are kept: `freeze` makes JSON of one, `thaw` makes one of JSON."""

    freeze: Change
    thaw: Change
    plain: bool = False
    """JSON shows the value as it is, so that freezing it takes nothing."""


not_kept: Mapping[str, Any] = types.MappingProxyType({"kept": False})
"""`field(metadata=not_kept)`: begins anew after a restart."""


def is_kept(field: Field[Any]) -> bool:
    """Whether a field of a dataclass is kept."""
    return bool(field.metadata.get("kept", True))


@cache
def form_of(kind: Any) -> Form:
    """The form of a type, as its hint says it.

    `thaw` raises `UsageError` for JSON that is not of this kind. Raises `TypeError` for a type
    that cannot be kept.
    """
    if kind in _PLAIN:
        return Form(_same, _checked(kind), plain=True)
    if kind in _OWN_FORMS:
        freeze, thaw = _OWN_FORMS[kind]
        return Form(freeze, _guarded(thaw, getattr(kind, "__name__", str(kind))))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _optional(kind, arguments)
    if origin is Literal:
        return Form(_same, _same, plain=True)
    if origin is tuple:
        return _tuple(arguments)
    if origin in (list, set, frozenset):
        return _collection(origin, arguments[0])
    if origin in (dict, Mapping):
        return _mapping(*arguments)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Form(lambda value: value.value, _guarded(kind, kind.__name__))
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind)
    if kind is _Unknown:
        raise TypeError("a type that is imported under TYPE_CHECKING cannot be kept")
    raise TypeError(f"{kind} cannot be kept: give it a form in {__name__}")


def _same(value: Any) -> Any:
    return value


def _checked(kind: type) -> Change:
    def thaw(shape: Any) -> Any:
        if type(shape) is kind or (kind is float and type(shape) is int):
            return shape
        raise UsageError(f"what is kept is no {kind.__name__}", where="state")

    return thaw


def _guarded(thaw: Change, name: str) -> Change:
    """Whatever a constructor makes of a foreign value is said in one way."""

    def guarded(shape: Any) -> Any:
        try:
            return thaw(shape)
        except _FOREIGN as error:
            raise UsageError(f"what is kept is no {name}: {error}", where="state") from None

    return guarded


def _optional(kind: Any, arguments: tuple[Any, ...]) -> Form:
    others = [each for each in arguments if each is not type(None)]
    if len(others) == len(arguments):
        return _one_of(kind, others)
    inner = form_of(others[0]) if len(others) == 1 else _one_of(kind, others)

    def freeze(value: Any) -> Any:
        return None if value is None else inner.freeze(value)

    def thaw(shape: Any) -> Any:
        return None if shape is None else inner.thaw(shape)

    return Form(freeze, thaw, inner.plain)


def _one_of(kind: Any, others: list[Any]) -> Form:
    """Several types at one place, told apart by their number."""
    origins = [get_origin(each) or each for each in others]
    if len(set(origins)) < len(origins) or not all(isinstance(each, type) for each in origins):
        raise TypeError(f"{kind} cannot be kept: its types cannot be told apart")
    forms = [form_of(each) for each in others]

    def freeze(value: Any) -> Any:
        exact = [number for number, each in enumerate(origins) if type(value) is each]
        number = exact[0] if exact else [isinstance(value, each) for each in origins].index(True)
        return [number, forms[number].freeze(value)]

    def thaw(shape: Any) -> Any:
        number, inner = shape
        return forms[number].thaw(inner)

    return Form(freeze, _guarded(thaw, str(kind)))


def _tuple(arguments: tuple[Any, ...]) -> Form:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        inner = form_of(arguments[0])
        freeze, thaw = inner.freeze, inner.thaw
        if inner.plain:
            return Form(_same, lambda shape: tuple(map(thaw, _listed(shape))), plain=True)
        return Form(
            lambda value: [freeze(each) for each in value],
            lambda shape: tuple(map(thaw, _listed(shape))),
        )
    return _row(tuple, [form_of(each) for each in arguments], len(arguments))


def _row(make: Change, forms: list[Form], least: int) -> Form:
    """A fixed number of values; those after the first `least` may be missing."""

    def freeze(value: Any) -> Any:
        return [form.freeze(each) for form, each in zip(forms, value, strict=True)]

    def thaw(shape: Any) -> Any:
        values = _listed(shape)
        if not least <= len(values) <= len(forms):
            raise UsageError("what is kept is longer or shorter than expected", where="state")
        return make(form.thaw(each) for form, each in zip(forms, values, strict=False))

    plain = all(form.plain for form in forms)
    return Form(_same if plain else freeze, thaw, plain)


def _named_tuple(kind: Any) -> Form:
    hints = _hints(kind)
    forms = [form_of(hints[name]) for name in kind._fields]
    least = len(kind._fields) - len(kind._field_defaults)
    return _row(lambda values: kind(*values), forms, least)


def _collection(origin: Any, element: Any) -> Form:
    inner = form_of(element)

    def freeze(value: Any) -> Any:
        shapes = [inner.freeze(each) for each in value]
        return shapes if origin is list else sorted(shapes)

    return Form(freeze, lambda shape: origin(map(inner.thaw, _listed(shape))))


def _mapping(key: Any, value: Any) -> Form:
    keys, values = form_of(key), form_of(value)

    def freeze(mapping: Any) -> Any:
        return [[keys.freeze(name), values.freeze(each)] for name, each in mapping.items()]

    def thaw(shape: Any) -> Any:
        return {keys.thaw(name): values.thaw(each) for name, each in _listed(shape)}

    return Form(freeze, _guarded(thaw, "mapping"))


def _dataclass(kind: Any) -> Form:
    kept = [each for each in fields(kind) if is_kept(each) and each.init]
    hints = _hints(kind)
    forms = {each.name: form_of(hints[each.name]) for each in kept}
    defaults = {each.name: _default(each) for each in kept}

    def freeze(value: Any) -> Any:
        found = {name: getattr(value, name) for name in forms}
        return {
            name: forms[name].freeze(each)
            for name, each in found.items()
            if defaults[name] is MISSING or each != defaults[name]
        }

    def thaw(shape: Any) -> Any:
        unknown = shape.keys() - forms.keys()
        if unknown:
            raise ValueError(f"nobody knows {', '.join(sorted(unknown))}")
        return kind(**{name: forms[name].thaw(each) for name, each in shape.items()})

    return Form(freeze, _guarded(thaw, kind.__name__))


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


class _Unknown:
    """In place of a type that is imported for type checkers alone."""


def _hints(kind: Any) -> dict[str, Any]:
    unknown: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(kind, localns=unknown)
        except NameError as error:
            unknown[str(error.name)] = _Unknown


def _listed(shape: Any) -> list[Any]:
    if not isinstance(shape, list):
        raise UsageError("what is kept is no list", where="state")
    return shape


def _text(octets: bytes) -> str:
    return b2a_base64(octets, newline=False).decode("ascii")


def _octets(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("octets are kept as text")
    return a2b_base64(text, strict_mode=True)


def _private(key: Any) -> str:
    if not isinstance(key, PrivateKey):
        raise UsageError("a key that never leaves its token cannot be kept", where="state")
    return _text(key.to_der())


def _cipher_keys(shape: Any) -> CipherKeys:
    suite, unicast, authentication, broadcast = shape
    return CipherKeys(
        suite,
        _octets(unicast),
        _octets(authentication),
        None if broadcast is None else _octets(broadcast),
    )


_PLAIN = (int, bool, str, float)

_FOREIGN = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, Error)
"""What constructors raise for values that are not of their kind."""

_KEY_FORM = (_private, lambda text: PrivateKey.from_der(_octets(text)))

_OWN_FORMS: dict[Any, tuple[Change, Change]] = {
    bytes: (_text, _octets),
    Decimal: (str, Decimal),
    Data: (lambda data: _text(axdr.encode(data)), lambda text: axdr.decode(_octets(text))),
    PrivateKey: _KEY_FORM,
    SigningKey: _KEY_FORM,
    AgreementKey: _KEY_FORM,
    CipherKeys: (
        lambda keys: [
            int(keys.suite),
            _text(keys.encryption_key),
            _text(keys.authentication_key),
            None if keys.broadcast_key is None else _text(keys.broadcast_key),
        ],
        _cipher_keys,
    ),
    Chunks: (len, lambda count: Chunks()),
}
