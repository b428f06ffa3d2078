"""The blocking twin: the same procedures on a plain socket, for scripts without an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ferraris.client.browsing import BrowsedObject
from ferraris.client.connecting import ClientStack, Connecting, Tap, connect
from ferraris.client.image_transfer import FirmwareUpdate
from ferraris.client.inventory import FoundObject
from ferraris.client.key_procedures import KeyChange
from ferraris.client.kind import Kind
from ferraris.client.kind_cache import KindCache
from ferraris.client.meter import Meter
from ferraris.client.profile import ProfileLayout
from ferraris.client.security import Security
from ferraris.client.wishes import (
    Act,
    ActData,
    Name,
    Outcome,
    Read,
    ReadData,
    Wish,
    Write,
    WriteData,
)
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.readings import Reading, Series
from ferraris.line.blocking import run
from ferraris.line.dialing import dial_blocking
from ferraris.line.driver import Driver
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.client import is_push
from ferraris.messaging.dlms.association.parameters import ClientParameters, Negotiated
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.model.access_control import ObjectListElement
from ferraris.model.interface_class import Attribute, Method

if TYPE_CHECKING:
    from ferraris.client.checking import CheckReport
    from ferraris.model.companion import Companion

__all__ = ["BlockingMeter", "open_meter"]

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")


def open_meter(
    url: str | Endpoint,
    *,
    client: int | None = None,
    server: int = 1,
    security: Security | None = None,
    timeout_s: float = 10.0,
    device: str = "",
    zone: tzinfo | None = None,
    kind: Kind | None = None,
    kinds: KindCache | None = None,
    counter_object: str | None = None,
    max_pdu: int = 0xFFFF,
    pre_established: bool = False,
    high_priority: bool = True,
    short_names: bool | None = None,
    tap: Tap | None = None,
    block_window: int = 0,
) -> BlockingMeter:
    """Open an association and block until it is open; arguments as for `connect`.

    Use it as `with ferraris.open(...) as meter:`, or call `close` at the end.
    """
    connecting = connect(
        url,
        client=client,
        server=server,
        security=security,
        timeout_s=timeout_s,
        device=device,
        zone=zone,
        kind=kind,
        kinds=kinds,
        counter_object=counter_object,
        max_pdu=max_pdu,
        pre_established=pre_established,
        high_priority=high_priority,
        short_names=short_names,
        tap=tap,
        block_window=block_window,
    )
    return BlockingMeter(_open(connecting))


class BlockingMeter:
    """`Meter`, each call of which blocks; see there."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __enter__(self) -> BlockingMeter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def device(self) -> str:
        """Name of the meter in readings."""
        return self._meter.device

    @property
    def negotiated(self) -> Negotiated:
        """Services and sizes of this association."""
        return self._meter.negotiated

    @property
    def system_title(self) -> bytes:
        """The meter's system title."""
        return self._meter.system_title

    @property
    def receive_floor(self) -> int:
        """The highest invocation counter accepted from the meter."""
        return self._meter.receive_floor

    @property
    def transaction_floor(self) -> int:
        """The highest transaction-id accepted from the meter."""
        return self._meter.transaction_floor

    @property
    def parameters(self) -> ClientParameters:
        """With what the association was opened."""
        return self._meter.parameters

    @property
    def channel(self) -> Channel | None:
        """What protects this association, None where APDUs are plain."""
        return self._meter.channel

    def get_protected(self, wishes: Sequence[Read[Any] | ReadData], **how: Any) -> list[Any]:
        """See `Meter.get_protected`."""
        return run(self._meter.get_protected(wishes, **how))

    def read_protected(self, names: Sequence[Name], **how: Any) -> list[Reading]:
        """See `Meter.read_protected`."""
        return run(self._meter.read_protected(names, **how))

    def set_protected(self, wishes: Sequence[Write[Any] | WriteData], **how: Any) -> None:
        """See `Meter.set_protected`."""
        run(self._meter.set_protected(wishes, **how))

    def invoke_protected(self, wish: Act[Any, Any] | ActData, **how: Any) -> Any:
        """See `Meter.invoke_protected`."""
        return run(self._meter.invoke_protected(wish, **how))

    def read_protected_buffer(self, **how: Any) -> list[tuple[AttributeDescriptor, Data]]:
        """See `Meter.read_protected_buffer`."""
        return run(self._meter.read_protected_buffer(**how))

    def transfer_keys(self, keys: Mapping[int, bytes], **how: Any) -> KeyChange:
        """See `Meter.transfer_keys`."""
        return run(self._meter.transfer_keys(keys, **how))

    def agree_key(self, key_id: int = 0, **how: Any) -> KeyChange:
        """See `Meter.agree_key`."""
        return run(self._meter.agree_key(key_id, **how))

    def update_firmware(self, image: bytes, identifier: bytes, **how: Any) -> FirmwareUpdate:
        """See `Meter.update_firmware`."""
        return run(self._meter.update_firmware(image, identifier, pause=_pause, **how))

    def schedule_activation(self, moment: datetime, **how: Any) -> None:
        """See `Meter.schedule_activation`."""
        run(self._meter.schedule_activation(moment, **how))

    def renew_keys(self, keys: CipherKeys, lease: CounterLease | None = None) -> None:
        """See `Meter.renew_keys`."""
        self._meter.renew_keys(keys, lease)

    def get(self, attribute: Attribute[T], name: Name, selection: Selection | None = None) -> T:
        """See `Meter.get`."""
        return run(self._meter.get(attribute, name, selection))

    def get_raw(self, attribute: AttributeDescriptor, selection: Selection | None = None) -> bytes:
        """See `Meter.get_raw`."""
        return run(self._meter.get_raw(attribute, selection))

    def get_data(
        self, class_id: int, name: Name, attribute: int, selection: Selection | None = None
    ) -> Data:
        """See `Meter.get_data`."""
        return run(self._meter.get_data(class_id, name, attribute, selection))

    def set(self, attribute: Attribute[T], name: Name, value: T, *, confirmed: bool = True) -> None:
        """See `Meter.set`."""
        run(self._meter.set(attribute, name, value, confirmed=confirmed))

    def set_data(
        self, class_id: int, name: Name, attribute: int, data: Data, *, confirmed: bool = True
    ) -> None:
        """See `Meter.set_data`."""
        run(self._meter.set_data(class_id, name, attribute, data, confirmed=confirmed))

    def act(
        self, method: Method[P, R], name: Name, value: P, *, confirmed: bool = True
    ) -> R | None:
        """See `Meter.act`."""
        procedure = self._meter.act(method, name, value, confirmed=confirmed)
        return run(procedure)

    def act_data(
        self,
        class_id: int,
        name: Name,
        method: int,
        data: Data | None = None,
        *,
        confirmed: bool = True,
    ) -> Data | None:
        """See `Meter.act_data`."""
        return run(self._meter.act_data(class_id, name, method, data, confirmed=confirmed))

    def read(self, name: Name) -> Reading:
        """See `Meter.read`."""
        return run(self._meter.read(name))

    def read_many(self, names: Sequence[Name]) -> list[Reading]:
        """See `Meter.read_many`."""
        return run(self._meter.read_many(names))

    def get_many(self, wishes: Sequence[Read[T]]) -> list[Outcome[T]]:
        """See `Meter.get_many`."""
        return run(self._meter.get_many(wishes))

    def act_many(self, wishes: Sequence[Act[P, R]]) -> list[Outcome[R | None]]:
        """See `Meter.act_many`."""
        return run(self._meter.act_many(wishes))

    def do(self, wishes: Sequence[Wish]) -> list[Outcome[Any]]:
        """See `Meter.do`."""
        return run(self._meter.do(wishes))

    def access(
        self,
        wishes: Sequence[Wish],
        *,
        break_on_error: bool = False,
        self_descriptive: bool = False,
        date_time: DateTime | None = None,
    ) -> list[Outcome[Any]]:
        """See `Meter.access`."""
        return run(
            self._meter.access(
                wishes,
                break_on_error=break_on_error,
                self_descriptive=self_descriptive,
                date_time=date_time,
            )
        )

    def profile(
        self,
        name: Name | ProfileLayout,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Series:
        """See `Meter.profile`."""
        return run(self._meter.profile(name, since, until))

    def profile_layout(self, name: Name) -> ProfileLayout:
        """See `Meter.profile_layout`."""
        return run(self._meter.profile_layout(name))

    def object_list(self) -> Sequence[ObjectListElement]:
        """See `Meter.object_list`."""
        return run(self._meter.object_list())

    def browse(
        self, *, values: bool = True, progress: Callable[[int, int], None] | None = None
    ) -> list[BrowsedObject]:
        """See `Meter.browse`."""
        return run(self._meter.browse(values=values, progress=progress))

    def check(
        self,
        companion: Companion,
        *,
        client: int | None = None,
        kind: str | None = None,
        channels: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> CheckReport:
        """See `Meter.check`."""
        return run(
            self._meter.check(
                companion, client=client, kind=kind, channels=channels, progress=progress
            )
        )

    def client_address(self) -> int | None:
        """See `Meter.client_address`."""
        return run(self._meter.client_address())

    def inventory(self, progress: Callable[[int, int], None] | None = None) -> list[FoundObject]:
        """See `Meter.inventory`."""
        return run(self._meter.inventory(progress))

    def close(self) -> None:
        """Release the association and close the line."""
        run(self._meter.close())


async def _pause(seconds: float) -> None:
    time.sleep(seconds)


def _open(connecting: Connecting) -> Meter:
    return run(connecting.open(_dial))


async def _dial(endpoint: Endpoint, stack: ClientStack, timeout_s: float) -> Driver[Apdu, Apdu]:
    return dial_blocking(endpoint, stack, timeout_s=timeout_s, is_push=is_push)
