"""What a client writes, looked at once it is of the right type: numbers that mean something.

A value may fit its type and still say nothing: an enum that no mode stands for, a window of no
frames. It is refused with other-reason; what else an object knows to be senseless it refuses
itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.messaging.dlms.enumerations import DataAccessResult
from ferraris.model.interface_class import InterfaceClass
from ferraris.model.local_ports import HdlcSetup
from ferraris.model.payment import Charge
from ferraris.server.device import AccessRefused
from ferraris.transport.hdlc.parameters import Parameters

__all__ = ["check_meaning"]

_FRAMES: Mapping[int, str] = MappingProxyType(
    {
        HdlcSetup.window_size_transmit.index: "window_transmit",
        HdlcSetup.window_size_receive.index: "window_receive",
        HdlcSetup.max_info_field_length_transmit.index: "max_transmit",
        HdlcSetup.max_info_field_length_receive.index: "max_receive",
    }
)
_WHOLE = 10_000  # a proportion of everything, in hundredths of a per cent [memory]


def check_meaning(declared: type[InterfaceClass] | None, attribute: int, data: bytes) -> None:
    """Raise `AccessRefused` for a value of another type, or of the type but without meaning.

    Classes that nobody declares take anything.
    """
    described = declared.attributes.get(attribute) if declared else None
    if described is None:
        return
    try:
        encoded = axdr.decode(data)
        value = described.type.load(encoded)
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED, error.message) from error
    if not described.type.knows(encoded):
        raise AccessRefused(DataAccessResult.OTHER_REASON, "an enum of no meaning")
    if described is Charge.proportion and value > _WHOLE:
        raise AccessRefused(DataAccessResult.OTHER_REASON, "more than everything")
    if declared is HdlcSetup and attribute in _FRAMES:
        try:
            Parameters(**{_FRAMES[attribute]: value})
        except UsageError as error:
            raise AccessRefused(DataAccessResult.OTHER_REASON, error.message) from error
