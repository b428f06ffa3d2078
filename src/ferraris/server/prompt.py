"""The short way of a plain GET: an association at rest, asked for one attribute, is at rest after.

Nothing but the value has to be found then, and the long way would answer with the same octets. How
a request is answered is worked out once for all devices that share their objects and rights; the
value itself is asked for each time. Whatever is not plain goes the long way, which knows the rest:
refusals, blocks, protection, a device that is not there or has something else to do first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ferraris.core.errors import DecodeError
from ferraris.messaging.dlms.association.server import ServerAssociation
from ferraris.messaging.dlms.invoke import CONFIRMED
from ferraris.messaging.dlms.names import attribute_from_octets
from ferraris.server.device import (
    Access,
    AccessRefused,
    AssociationSettings,
    LogicalDevice,
    ObjectEntry,
    ObjectKey,
    RequestContext,
    offers,
)
from ferraris.server.operations import plainly_readable

__all__ = ["Answer", "PromptDevice", "Reader", "prompt"]

Reader = Callable[[Any, float, int | None], bytes | None]
"""Gives the encoded value of one attribute of a device at a UTC second, None for the long way.

The third argument is how often the device had begun anew when it was asked last, None for one that
never does: if it has again, everything is different. What `LogicalDevice.get` raises also means the
long way.
"""

Answer = Callable[[bytes], bytes | None]
"""Gives the response to a request, None for the long way; good until anything else happens."""

_GET_NORMAL = b"\xc0\x01"
_REQUEST_OCTETS = 13  # with a descriptor, and the word that nothing is selected [asn1]
_DESCRIPTOR = slice(3, 12)
_RESPONSE_OCTETS = 4
_MOST_KNOWN = 1 << 14
_NO_LIMIT = 1 << 62


@runtime_checkable
class PromptDevice(Protocol):
    """What a logical device adds that can be read without a word about the request."""

    def reader(self, entry: ObjectEntry, attribute: int) -> Reader | None:
        """How to read an attribute of this device, and of all that share its objects; or None.

        The reader gives what `get` would give, and None as long as the device is not reachable, has
        begun anew, or would do more than tell the value.
        """


def prompt(
    device: LogicalDevice,
    association: ServerAssociation,
    settings: AssociationSettings,
    restarts: int | None,
    utc: Callable[[], float],
) -> Answer | None:
    """What answers plain GETs of the association as it is; None when nothing does.

    `restarts` is how often the device had begun anew when it was asked last, None for one that
    never does.
    """
    negotiated = association.negotiated
    if (
        negotiated is None
        or association.offer.keys is not None
        or not association.is_at_rest
        or not offers(device, PromptDevice)  # type: ignore[type-abstract] # only asked
    ):
        return None
    most = negotiated.max_send
    longest = most - _RESPONSE_OCTETS if most else _NO_LIMIT
    asked: Any = device
    known = _known(asked, settings)

    def answer(request: bytes) -> bytes | None:
        found = known.get(request) or _find(request, asked, settings, known)
        if found is None:
            return None
        head, read = found
        try:
            data = read(asked, utc(), restarts)
        except (AccessRefused, DecodeError):
            return None
        return None if data is None or len(data) > longest else head + data

    return answer


_Known = dict[bytes, tuple[bytes, Reader]]
"""By the octets of requests: how the response begins, and how its value is read."""


def _find(
    request: bytes, device: Any, settings: AssociationSettings, known: _Known
) -> tuple[bytes, Reader] | None:
    """How to answer a request that was not seen before; None for one that is not plain."""
    if (
        len(request) != _REQUEST_OCTETS
        or request[:2] != _GET_NORMAL
        or request[-1]
        or not request[2] & CONFIRMED
    ):
        return None
    attribute = attribute_from_octets(request[_DESCRIPTOR])
    access = Access(device, settings, RequestContext(settings.client_sap))
    entry = plainly_readable(attribute, access)
    read = None if entry is None else device.reader(entry, attribute[2])
    if read is None:
        return None
    if len(known) >= _MOST_KNOWN:
        known.clear()
    found = known[request] = (bytes((0xC4, 1, request[2], 0)), read)
    return found


class _Shared:
    """What is known of requests to one kind of device, kept in the rights of an association."""

    __slots__ = ("kind", "known", "objects")

    def __init__(self, kind: type, objects: Mapping[ObjectKey, ObjectEntry]) -> None:
        self.kind = kind
        self.objects = objects
        self.known: _Known = {}


def _known(device: LogicalDevice, settings: AssociationSettings) -> _Known:
    kept = settings.rights.prompt
    shared: _Shared | None = kept.get(settings.client_sap)
    if shared is None or shared.objects is not device.objects or shared.kind is not type(device):
        shared = kept[settings.client_sap] = _Shared(type(device), device.objects)
    return shared.known
