"""Data protection at the client: read, write and invoke with data that are protected themselves.

Class 30 of the meter is put together with the keys of the association: layers of protection go
around the data, and what protects the APDUs goes around the whole. An answer counts only when it
has the layers that were asked for, in the transaction that was asked for, so an old one does not
pass. What becomes of a write or an invocation whose answer does not verify is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ferraris.client.wishes import Act, ActData, Name, Read, ReadData, Write, WriteData
from ferraris.core.errors import DecodeError, SecurityError, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import Data, null_data, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.data_layers import (
    DataLayer,
    DataOpener,
    DataSealer,
    LayerKind,
    wished,
)
from ferraris.messaging.dlms.security.forms import KeySource
from ferraris.model.data_protection import (
    DataProtection,
    KeyInformation,
    ProtectedAnswer,
    ProtectedInvocation,
    ProtectedMethod,
    ProtectedRead,
    ProtectedWrite,
    ProtectionOptions,
    ProtectionParameters,
)
from ferraris.model.references import RestrictedObject, Restriction

if TYPE_CHECKING:
    from ferraris.client.meter import Meter
    from ferraris.messaging.dlms.association.channel import Channel

__all__ = [
    "BOTH_WAYS",
    "ProtectionLayer",
    "get_protected",
    "invoke_protected",
    "read_protected_buffer",
    "set_protected",
]

_WHERE = "data protection"
_KINDS = {
    "authentication": LayerKind.AUTHENTICATION,
    "encryption": LayerKind.ENCRYPTION,
    "both": LayerKind.BOTH,
    "signature": LayerKind.SIGNATURE,
}
_NO_RESTRICTION = Restriction(0, null_data())


@dataclass(frozen=True, slots=True)
class ProtectionLayer:
    """One layer around data; the first of several is applied first.

    Attributes:
        protection: "authentication", "encryption", "both" or "signature".
        message_key: of all but signatures: "identified", "wrapped", "one-pass" or "static", as in
            `HighGMAC`.
    """

    protection: str = "both"
    message_key: str = "identified"

    @property
    def wanted(self) -> DataLayer:
        """As a layer without the octets that its maker adds; raises `UsageError`."""
        kind = _KINDS.get(self.protection)
        if kind is None:
            raise UsageError(f"a layer is one of {', '.join(_KINDS)}", where=_WHERE)
        try:
            return wished(kind, KeySource(self.message_key))
        except ValueError:
            sources = ", ".join(each.value for each in KeySource)
            raise UsageError(f"message_key is one of {sources}", where=_WHERE) from None


BOTH_WAYS = (ProtectionLayer(),)
"""Authenticated and encrypted under the global key."""


async def get_protected(
    meter: Meter,
    wishes: Sequence[Read[Any] | ReadData],
    *,
    layers: Sequence[ProtectionLayer] = BOTH_WAYS,
    name: Name = "0-0:43.2.1*255",
) -> list[Any]:
    """Read attributes whose values the meter protects as `layers` say; their values, in order.

    Raises `RefusedError` when the meter refuses any of it, `SecurityError` when the data do not
    verify, and `UsageError` for selective access, which goes by restrictions here.
    """
    if not wishes:
        return []
    ends = _Ends.of(meter)
    objects = [_object(each) for each in wishes]
    wanted = ends.addressed(layers)
    read = ProtectedRead(objects, _parameters(wanted))
    answer = await meter.act(DataProtection.get_protected_attributes, name, read)
    values = _elements(ends.opened(answer, wanted), len(wishes))
    return [each.load(axdr.encode(value)) for each, value in zip(wishes, values, strict=True)]


async def set_protected(
    meter: Meter,
    wishes: Sequence[Write[Any] | WriteData],
    *,
    layers: Sequence[ProtectionLayer] = BOTH_WAYS,
    name: Name = "0-0:43.2.1*255",
) -> None:
    """Write attributes with values that we protect as `layers` say, in order.

    Raises `RefusedError` when the meter refuses any of it: what stands before the refused one may
    be written by then.
    """
    if not wishes:
        return
    ends = _Ends.of(meter)
    objects = [_object(each) for each in wishes]
    plain = axdr.encode(structure(*(axdr.decode(each.encode()) for each in wishes)))
    octets, made = ends.sealed(plain, layers)
    written = ProtectedWrite(objects, _parameters(made), octets)
    await meter.act(DataProtection.set_protected_attributes, name, written)


async def invoke_protected(
    meter: Meter,
    wish: Act[Any, Any] | ActData,
    *,
    layers: Sequence[ProtectionLayer] = BOTH_WAYS,
    name: Name = "0-0:43.2.1*255",
) -> Any:
    """Invoke a method with a parameter that we protect as `layers` say; the meter does the same
    with what it returns, None for nothing.

    Raises `RefusedError` when the meter refuses any of it; the outcome is unknown when the answer
    does not verify.
    """
    ends = _Ends.of(meter)
    target = wish.descriptor
    octets, made = ends.sealed(wish.encode() or axdr.encode(null_data()), layers)
    method = ProtectedMethod(target.class_id, Obis(target.logical_name), target[2])
    invocation = ProtectedInvocation(method, _parameters(made), octets)
    answer = await meter.act(DataProtection.invoke_protected_method, name, invocation)
    try:
        returned = ends.opened(answer, made)
    except (SecurityError, DecodeError) as error:
        raise error.with_unknown_outcome() from None
    return None if returned == axdr.encode(null_data()) else wish.load(returned)


async def read_protected_buffer(
    meter: Meter, *, name: Name = "0-0:43.2.1*255"
) -> list[tuple[AttributeDescriptor, Data]]:
    """Read what the meter's own list and parameters make its buffer hold: names with their data.

    A buffer that is signed and not ciphered may be an old one: nothing in it tells its age.
    """
    objects = await meter.get(DataProtection.protection_object_list, name)
    parameters = await meter.get(DataProtection.protection_parameters_get, name)
    layers = [DataLayer.of(each) for each in parameters]
    ends = _Ends.of(meter)
    octets = await meter.get(DataProtection.protection_buffer, name)
    values = _elements(ends.opener.open(octets, layers), len(objects))
    names = [
        AttributeDescriptor(each.class_id, each.logical_name, each.attribute) for each in objects
    ]
    return list(zip(names, values, strict=True))


class _Ends(NamedTuple):
    """What the two ends of an association have to protect data for each other."""

    sealer: DataSealer
    opener: DataOpener
    transaction: bytes

    @classmethod
    def of(cls, meter: Meter) -> _Ends:
        """Of an open, ciphered association, as it is now: older data than this do not pass."""
        parameters, channel = meter.parameters, meter.channel
        if channel is None or parameters.keys is None or parameters.lease is None:
            raise UsageError("data are protected in a ciphered association", where=_WHERE)
        own, peer, pairs = parameters.system_title, meter.system_title, parameters.pairs
        keys: CipherKeys = parameters.keys
        lease: CounterLease = parameters.lease
        sealer = DataSealer(keys, own, peer, lease, pairs, entropy=parameters.entropy)
        opener = DataOpener(keys, own, peer, pairs, floor=channel.floor)
        return cls(sealer, opener, _transaction(sealer, channel))

    def addressed(self, layers: Sequence[ProtectionLayer]) -> list[DataLayer]:
        """Layers that the meter is asked to apply."""
        return [
            each.wanted._replace(
                transaction_id=self.transaction,
                originator=self.sealer.recipient_title,
                recipient=self.sealer.system_title,
            )
            for each in layers
        ]

    def sealed(
        self, plain: bytes, layers: Sequence[ProtectionLayer]
    ) -> tuple[bytes, list[DataLayer]]:
        """Data for the meter."""
        wanted = [each.wanted for each in layers]
        return self.sealer.seal(plain, self.sealer.addressed(wanted, self.transaction))

    def opened(self, answer: ProtectedAnswer | None, wanted: Sequence[DataLayer]) -> bytes:
        """Data of the meter, when they have the layers that were asked for."""
        if answer is None:
            raise DecodeError("the meter answered without data", where=_WHERE)
        layers = [DataLayer.of(each) for each in answer.parameters]
        given = [(each.kind, each.source, each.transaction_id) for each in layers]
        if given != [(each.kind, each.source, self.transaction) for each in wanted]:
            raise SecurityError("the answer has other layers than were asked for", where=_WHERE)
        return self.opener.open(answer.protected, layers)


def _transaction(sealer: DataSealer, channel: Channel) -> bytes:
    return sealer.transaction(channel.transaction_offset)


def _object(wish: Read[Any] | ReadData | Write[Any] | WriteData) -> RestrictedObject:
    if wish.selection is not None:
        raise UsageError("protected data have restrictions, no selective access", where=_WHERE)
    class_id, name, attribute = wish.descriptor
    return RestrictedObject(class_id, Obis(name), attribute, 0, _NO_RESTRICTION)


def _parameters(layers: Sequence[DataLayer]) -> list[ProtectionParameters]:
    return [
        ProtectionParameters(kind, ProtectionOptions(*options[:4], KeyInformation(*options[4])))
        for kind, options in (each.fields for each in layers)
    ]


def _elements(octets: bytes, count: int) -> list[Data]:
    tag, values = axdr.decode(octets)
    if tag != structure()[0] or len(values) != count:
        raise DecodeError(f"{count} values were expected within the layers", where=_WHERE)
    return list(values)
