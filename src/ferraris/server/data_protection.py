"""Data protection at the server: class 30 put together from the objects of a device and its keys.

The engine answers the methods and the buffer of class 30 itself; the device keeps the other
attributes, the counters and what transactions it has seen. Objects are read, written and invoked
with the rights that the client has in its association, protected data or not. What comes in must be
new and proved by a tag or a signature, whatever `required_protection` says: data that nobody
vouches for change nothing. Data are refused as other-reason when their protection does not verify,
as read-write-denied when it is less than required [memory].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.data import axdr
from ferraris.data.axdr import length_octets
from ferraris.data.kinds import Data, Tag, octet_string
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.security.control import AUTHENTICATION, SIGNED
from ferraris.messaging.dlms.security.data_layers import (
    MOST_LAYERS,
    DataLayer,
    DataOpener,
    DataSealer,
    protection_of,
    transaction_number,
    wished,
)
from ferraris.messaging.dlms.security.policy import Policy
from ferraris.model.data_protection import (
    DataProtection,
    KeyInformation,
    ProtectedAnswer,
    ProtectionOptions,
    ProtectionParameters,
)
from ferraris.model.references import RestrictedObject
from ferraris.server.device import Access, AccessRefused, ActionRefused, ObjectEntry
from ferraris.server.pushing import PushItem, restriction_span, selection_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferraris.messaging.dlms.security.counters import CounterLease

__all__ = [
    "Engine",
    "KeepsTransactions",
    "accept",
    "act",
    "answer_for",
    "is_buffer",
    "is_method",
]

_CLASS = DataProtection.class_id
_BUFFER = DataProtection.protection_buffer.index
_GET, _SET, _INVOKE = 1, 2, 3
_NULL_DATA = b"\x00"
_MOST_OBJECTS = 64


@runtime_checkable
class KeepsTransactions(Protocol):
    """What a logical device adds that has objects of class 30."""

    def data_counters(self, count: int) -> CounterLease:
        """So many fresh counters under the global key, for layers of data."""

    def data_floor(self, originator: bytes) -> int:
        """The highest transaction-id accepted with data of this originator, -1 for none."""

    def raise_data_floor(self, originator: bytes, number: int) -> None:
        """Keep the transaction-id of data that verified."""

    def entropy(self, octets: int) -> bytes:
        """Fresh octets."""


class Engine(NamedTuple):
    """How the engine reads, writes and invokes, with the rights of an association."""

    read: Callable[[AttributeDescriptor, Selection | None, Access], bytes]
    write: Callable[[AttributeDescriptor, Selection | None, bytes, Access], None]
    act: Callable[[MethodDescriptor, bytes | None, Access], bytes | None]


def is_buffer(class_id: int, attribute: int) -> bool:
    """Whether this is the attribute that holds protected data."""
    return class_id == _CLASS and attribute == _BUFFER


def is_method(class_id: int, method: int) -> bool:
    """Whether the engine carries the method out itself."""
    return class_id == _CLASS and method in (_GET, _SET, _INVOKE)


def answer_for(
    class_id: int, attribute: int, engine: Engine
) -> Callable[[Access, ObjectEntry, int, Selection | None], bytes] | None:
    """The function that answers a GET of the buffer, None for all other attributes."""
    return partial(_buffer, engine) if is_buffer(class_id, attribute) else None


def accept(access: Access, entry: ObjectEntry, data: bytes, engine: Engine) -> None:
    """Write the objects of the list with what is written to the buffer; raises `AccessRefused`."""
    with _refusing():
        setup = _Setup(access, entry)
        octets = DataProtection.protection_buffer.type.load(axdr.decode(data))
        layers = _layers(setup.parameters(DataProtection.protection_parameters_set.index))
        _write(access, setup, (setup.objects, layers, octets), engine)


def act(
    access: Access, entry: ObjectEntry, method: int, data: bytes | None, engine: Engine
) -> bytes | None:
    """Carry out one of the three methods; raises `ActionRefused`."""
    try:
        with _refusing():
            return _METHODS[method](access, _Setup(access, entry), axdr.decode(data or b""), engine)
    except AccessRefused as refused:
        raise ActionRefused(ActionResult(refused.result), refused.message) from refused


class _Setup:
    """One object of class 30, asked of the device, and both ends of what it protects."""

    def __init__(self, access: Access, entry: ObjectEntry) -> None:
        device, context = access.device, access.context
        credentials = device.credentials(context.client_sap)
        if not isinstance(device, KeepsTransactions) or credentials.keys is None:
            raise UsageError("data are protected in ciphered associations", where="server")
        self._access = access
        self._entry = entry
        self.keeper = device
        self.client = context.client_system_title
        self._keys = credentials.keys
        self._pairs = credentials.pairs
        required = axdr.decode(self._value(DataProtection.required_protection.index))
        self.required = Policy.of_version_1(DataProtection.required_protection.type.load(required))

    def _value(self, attribute: int) -> bytes:
        access = self._access
        return access.device.get(self._entry, attribute, None, access.context)

    @property
    def objects(self) -> list[RestrictedObject]:
        """The objects whose data the buffer holds."""
        index = DataProtection.protection_object_list.index
        return DataProtection.protection_object_list.type.load(axdr.decode(self._value(index)))

    def parameters(self, attribute: int) -> list[ProtectionParameters]:
        """The parameters for get, or for set."""
        declared = DataProtection.protection_parameters_get
        return declared.type.load(axdr.decode(self._value(attribute)))

    @property
    def sealer(self) -> DataSealer:
        """What protects data for the client, with counters for one answer."""
        return DataSealer(
            self._keys,
            self._access.device.system_title,
            self.client,
            self.keeper.data_counters(MOST_LAYERS),
            self._pairs,
            entropy=self.keeper.entropy,
        )

    def check_answer(self, layers: Sequence[DataLayer]) -> None:
        """Refuse fewer layers around an answer than are required, and those of other ends."""
        if self.required.response & ~protection_of(layers):
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED, "too few layers of protection")
        title = self._access.device.system_title
        for each in layers:
            if each.originator not in (b"", title) or each.recipient not in (b"", self.client):
                raise UsageError("layers are wished of another originator or recipient")

    def open(self, octets: bytes, layers: Sequence[DataLayer]) -> bytes:
        """Data of the client: protected as required, proved and new; the rest is an incident."""
        given = protection_of(layers)
        if self.required.request & ~given or not given & (AUTHENTICATION | SIGNED):
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED, "too little protection")
        title = self._access.device.system_title
        opener = DataOpener(self._keys, title, self.client, self._pairs)
        try:
            plain = opener.open(octets, layers)
            number = transaction_number(layers)
        except SecurityError:
            self._note(Incident.DECIPHERING_FAILED)
            raise
        if number <= self.keeper.data_floor(self.client):
            self._note(Incident.REPLAY)
            raise SecurityError("these data, or later ones, were accepted before", where="server")
        self.keeper.raise_data_floor(self.client, number)
        return plain

    def _note(self, incident: Incident) -> None:
        access = self._access
        access.device.incident(incident, access.context.client_sap, access.context.now)


def _buffer(
    engine: Engine,
    access: Access,
    entry: ObjectEntry,
    attribute: int,
    selection: Selection | None,
) -> bytes:
    """The buffer when it is read: the listed objects now, under the parameters for get.

    Nothing travels beside the octets, hence no key that would have to.
    """
    with _refusing():
        setup = _Setup(access, entry)
        wanted = _layers(setup.parameters(DataProtection.protection_parameters_get.index))
        setup.check_answer(wanted)
        octets, made = setup.sealer.seal(_read(access, setup.objects, engine), wanted)
        if made != wanted:
            raise UsageError("the buffer has no room for keys of its own", where="server")
        return axdr.encode(octet_string(octets))


def _get(access: Access, setup: _Setup, data: Data, engine: Engine) -> bytes:
    objects, parameters = DataProtection.get_protected_attributes.type.load(data)
    wanted = _layers(parameters)
    setup.check_answer(wanted)
    return _answer(setup, _read(access, objects, engine), wanted)


def _set(access: Access, setup: _Setup, data: Data, engine: Engine) -> None:
    objects, parameters, octets = DataProtection.set_protected_attributes.type.load(data)
    _write(access, setup, (objects, _layers(parameters), octets), engine)


def _invoke(access: Access, setup: _Setup, data: Data, engine: Engine) -> bytes:
    """The answer is protected in the kinds of layers of the request."""
    (class_id, name, index), parameters, octets = DataProtection.invoke_protected_method.type.load(
        data
    )
    layers = _layers(parameters)
    wanted = [wished(each.kind, each.source) for each in layers]
    setup.check_answer(wanted)
    _check_class(class_id)
    plain = setup.open(octets, layers)
    axdr.decode(plain)
    returned = engine.act(MethodDescriptor(class_id, name, index), plain, access)
    transaction = layers[0].transaction_id
    asked = [each._replace(transaction_id=transaction) for each in wanted]
    return _answer(setup, returned or _NULL_DATA, asked)


_METHODS: dict[int, Callable[[Access, _Setup, Data, Engine], bytes | None]] = {
    _GET: _get,
    _SET: _set,
    _INVOKE: _invoke,
}


def _read(access: Access, objects: Sequence[RestrictedObject], engine: Engine) -> bytes:
    """A structure with the value of each object, read with the rights of the client."""
    if not 0 < len(objects) <= _MOST_OBJECTS:
        raise UsageError(f"a list names 1 to {_MOST_OBJECTS} objects", where="server")
    values = [_value(access, each, engine) for each in objects]
    return bytes((Tag.STRUCTURE,)) + length_octets(len(values)) + b"".join(values)


def _value(access: Access, each: RestrictedObject, engine: Engine) -> bytes:
    _check_class(each.class_id)
    descriptor = AttributeDescriptor(each.class_id, each.logical_name, each.attribute)
    kind, span = each.restriction
    item = PushItem(*each[:4], kind, restriction_span(kind, span))
    octets = engine.read(descriptor, selection_of(item), access)
    if not each.data_index:
        return octets
    elements = axdr.decode(octets)[1]
    if not isinstance(elements, list) or each.data_index > len(elements):
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    return axdr.encode(elements[each.data_index - 1])


def _write(
    access: Access,
    setup: _Setup,
    wanted: tuple[Sequence[RestrictedObject], Sequence[DataLayer], bytes],
    engine: Engine,
) -> None:
    """Write objects in order; the first that is refused ends it."""
    objects, layers, octets = wanted
    tag, values = axdr.decode(setup.open(octets, layers))
    if tag != Tag.STRUCTURE or len(values) != len(objects):
        raise DecodeError("one element for each object was expected", where="data protection")
    for each in objects:
        _check_class(each.class_id)
        if each.data_index or each.restriction.restriction_type:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    for each, value in zip(objects, values, strict=True):
        descriptor = AttributeDescriptor(each.class_id, each.logical_name, each.attribute)
        engine.write(descriptor, None, axdr.encode(value), access)


def _check_class(class_id: int) -> None:
    """Data protection of data protection would have no end."""
    if class_id == _CLASS:
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)


def _layers(parameters: Sequence[ProtectionParameters]) -> list[DataLayer]:
    return [DataLayer.of(each) for each in parameters]


def _answer(setup: _Setup, plain: bytes, wanted: Sequence[DataLayer]) -> bytes:
    """Data for the client, in the transaction that it asked in."""
    transaction_number(wanted)
    sealer = setup.sealer
    octets, layers = sealer.seal(plain, sealer.addressed(wanted, wanted[0].transaction_id))
    parameters = [
        ProtectionParameters(kind, ProtectionOptions(*options[:4], KeyInformation(*options[4])))
        for kind, options in (each.fields for each in layers)
    ]
    returns = DataProtection.get_protected_attributes.returns
    assert returns is not None
    return axdr.encode(returns.dump(ProtectedAnswer(parameters, octets)))


@contextmanager
def _refusing() -> Iterator[None]:
    """Say every failure in the words of a service."""
    try:
        yield
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED, str(error)) from error
    except (SecurityError, UsageError) as error:
        raise AccessRefused(DataAccessResult.OTHER_REASON, str(error)) from error
