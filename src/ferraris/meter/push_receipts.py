"""What comes back on the lines of pushes: confirmations, plain or protected."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ferraris.core.errors import DecodeError, Error
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.general import GeneralGlo
from ferraris.messaging.dlms.notify import LONG_INVOKE_ID, DataNotificationConfirm
from ferraris.messaging.dlms.security.protection import Opener
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.transport import wrapper

__all__ = ["Receipts"]

_HEADER_OCTETS = 8
_LENGTH = slice(6, 8)
_MOST_OCTETS = 65_536


class Receipts:
    """Reads confirmations for the meters of a fleet; others' and damaged ones are ignored.

    `on_confirm` gets the meter and the invoke id, which never serves twice at a time.
    """

    def __init__(self, fleet: Fleet, on_confirm: Callable[[SimulatedMeter, int], None]) -> None:
        self._fleet = fleet
        self._on_confirm = on_confirm
        self._openers: dict[tuple[int, bytes], tuple[bytes, Opener]] = {}

    def reader(self, datagrams: bool, place: int) -> Callable[[bytes], None]:
        """Takes what is heard on one line: `place` is a meter, or a group of them on datagrams."""
        buffer = bytearray()

        def heard(octets: bytes) -> None:
            buffer.extend(octets)
            while len(buffer) >= _HEADER_OCTETS:
                end = _HEADER_OCTETS + int.from_bytes(buffer[_LENGTH], "big")
                if len(buffer) < end and not datagrams:
                    break
                unit = bytes(buffer[:end])
                del buffer[:end]
                with contextlib.suppress(Error):
                    self._take(unit, None if datagrams else self._fleet[place], place)
            if datagrams or len(buffer) > _MOST_OCTETS:
                buffer.clear()

        return heard

    def _take(self, unit: bytes, meter: SimulatedMeter | None, place: int) -> None:
        _, server_sap, apdu = wrapper.unpack(unit)
        meter = meter or self._fleet.find(server_sap, place)
        if meter is None:
            return
        found = decode(apdu)
        if isinstance(found, GeneralGlo):
            found = decode(self._opener(meter, found.system_title).open(found.content).plain)
        if not isinstance(found, DataNotificationConfirm):
            raise DecodeError("no confirmation", where="push")
        self._on_confirm(meter, found.long_invoke_id_and_priority & LONG_INVOKE_ID)

    def _opener(self, meter: SimulatedMeter, title: bytes) -> Opener:
        place, keys = (meter.index, title), meter.keys
        used, opener = self._openers.get(place, (b"", None))
        if opener is None or used != keys.encryption_key:
            opener = Opener(keys, title)
            self._openers[place] = (keys.encryption_key, opener)
        return opener
