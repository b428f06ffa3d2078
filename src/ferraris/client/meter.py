"""A meter that is associated: read, write, act, browse - typed, by name, in any size."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from ferraris.client import (
    browsing,
    checking,
    data_protection,
    image_transfer,
    inventory,
    key_procedures,
    many,
    reading,
    services,
)
from ferraris.client.browsing import BrowsedObject
from ferraris.client.identity import Identity
from ferraris.client.image_transfer import FirmwareUpdate, Pause
from ferraris.client.inventory import FoundObject
from ferraris.client.key_procedures import KeyChange
from ferraris.client.kind import Kind
from ferraris.client.profile import ProfileLayout, read_layout, read_rows
from ferraris.client.short_names import ShortNames
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
from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.readings import Reading, Series
from ferraris.line.driver import Driver
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.parameters import ClientParameters, Negotiated
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.model.access_control import AssociationLnV2, ObjectListElement
from ferraris.model.interface_class import Attribute, Method

if TYPE_CHECKING:
    from ferraris.client.checking import CheckReport
    from ferraris.model.companion import Companion

__all__ = ["Meter"]

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")

_CURRENT_ASSOCIATION = Obis.of(0, 0, 40, 0, 0, 255)


class Meter:
    """An open association with one logical device.

    Everything that reads or writes is a coroutine; `ferraris.open` gives the blocking twin. Reads
    of any size work; a write or an action without an answer is *unknown* until read back and is
    never repeated by itself.

    Errors: `RefusedError` when the meter says no (its `reason` is the standard's enumeration),
    `LineError` for silence or a lost line, `SecurityError`, `DecodeError` and `SequenceError` for
    answers that are not what they should be, `UsageError` for impossible requests.
    """

    def __init__(
        self,
        driver: Driver[Apdu, Apdu],
        association: ClientAssociation,
        *,
        device: str = "",
        zone: tzinfo | None = None,
        kind: Kind | None = None,
        high_priority: bool = True,
    ) -> None:
        self._short: ShortNames | None = None
        if association.parameters.short_names:
            driver = self._short = ShortNames(driver, association, lambda: self.kind)
        self._driver = driver
        self._association = association
        self._high_priority = high_priority
        self.kind = kind or Kind()
        self.device = device
        self.zone = zone
        self.identity: Identity | None = None  # of a meter that called in
        self.on_close: Callable[[], Awaitable[None] | None] | None = None

    # -- what was agreed ------------------------------------------------------------------

    @property
    def negotiated(self) -> Negotiated:
        """Services and sizes of this association."""
        if self._association.negotiated is None:
            raise UsageError("the association is not open", where="client")
        return self._association.negotiated

    @property
    def system_title(self) -> bytes:
        """The meter's system title, b"" when it did not tell."""
        return self._association.peer_system_title

    @property
    def receive_floor(self) -> int:
        """The highest invocation counter accepted from the meter, to be kept by the caller."""
        return self._association.receive_floor

    # -- single attributes and methods ----------------------------------------------------

    async def get(
        self, attribute: Attribute[T], name: Name, selection: Selection | None = None
    ) -> T:
        """Read an attribute of the object `name`, as the type that its class declares."""
        descriptor = AttributeDescriptor(attribute.class_id, _obis(name), attribute.index)
        return attribute.type.read(await self.get_raw(descriptor, selection))

    async def get_raw(
        self, attribute: AttributeDescriptor, selection: Selection | None = None
    ) -> bytes:
        """Read an attribute as encoded data."""
        return await services.get(
            self._driver, attribute, selection, high_priority=self._high_priority
        )

    async def get_data(
        self, class_id: int, name: Name, attribute: int, selection: Selection | None = None
    ) -> Data:
        """Read an attribute of any class, known or not, as (tag, value)."""
        descriptor = AttributeDescriptor(class_id, _obis(name), attribute)
        return axdr.decode(await self.get_raw(descriptor, selection))

    async def set(
        self, attribute: Attribute[T], name: Name, value: T, *, confirmed: bool = True
    ) -> None:
        """Write an attribute of the object `name`.

        With `confirmed` False, here and below, the meter is asked for no answer: what became of
        the request is unknown from the start.
        """
        data = axdr.encode(attribute.type.dump(value))
        descriptor = AttributeDescriptor(attribute.class_id, _obis(name), attribute.index)
        await self._write(descriptor, data, confirmed)

    async def set_data(
        self, class_id: int, name: Name, attribute: int, data: Data, *, confirmed: bool = True
    ) -> None:
        """Write (tag, value) to an attribute of any class."""
        descriptor = AttributeDescriptor(class_id, _obis(name), attribute)
        await self._write(descriptor, axdr.encode(data), confirmed)

    async def act(
        self, method: Method[P, R], name: Name, value: P, *, confirmed: bool = True
    ) -> R | None:
        """Invoke a method of the object `name`; what it returns as the declared type."""
        data = axdr.encode(method.type.dump(value))
        descriptor = MethodDescriptor(method.class_id, _obis(name), method.index)
        octets = await self._act(descriptor, data, confirmed)
        if octets is None or method.returns is None:
            return None
        return method.returns.load(axdr.decode(octets))

    async def act_data(
        self,
        class_id: int,
        name: Name,
        method: int,
        data: Data | None = None,
        *,
        confirmed: bool = True,
    ) -> Data | None:
        """Invoke a method of any class with (tag, value) or without a parameter."""
        encoded = None if data is None else axdr.encode(data)
        descriptor = MethodDescriptor(class_id, _obis(name), method)
        octets = await self._act(descriptor, encoded, confirmed)
        return None if octets is None else axdr.decode(octets)

    # -- values by name -------------------------------------------------------------------

    async def read(self, name: Name) -> Reading:
        """Read the value of an object of whatever class, scaled to its unit.

        The class is guessed from the name first, since most names have a usual class; the object
        list is asked when the meter knows no such object.
        """
        return await reading.read(self, _obis(name))

    async def read_many(self, names: Sequence[Name]) -> list[Reading]:
        """Read the values of several objects, many in one request where that was negotiated.

        Objects that the meter refuses are left out: what is missing from the answer is missing
        from the meter, or hidden from this client.
        """
        return await reading.read_many(self, [_obis(name) for name in names])

    # -- many at a time -------------------------------------------------------------------

    async def get_many(self, wishes: Sequence[Read[T]]) -> list[Outcome[T]]:
        """Read several attributes, many in one request where that was negotiated.

        One outcome for each, in order: what the meter refuses, or a value of another type, is the
        outcome of that wish alone.
        """
        return await self.do(wishes)

    async def act_many(self, wishes: Sequence[Act[P, R]]) -> list[Outcome[R | None]]:
        """Invoke several methods in order, many in one request where that was negotiated.

        One outcome for each; `unknown` when the meter did not answer.
        """
        return await self.do(wishes)

    async def do(self, wishes: Sequence[Wish]) -> list[Outcome[Any]]:
        """Read, write and act in one go, in order, in as few requests as the meter takes.

        One outcome for each wish. A refusal does not stop what follows; silence does, and so does a
        write or an action whose outcome is unknown: the rest is not sent. Raises `UsageError`
        before anything is sent when a value is not of its type.
        """
        return await many.do(
            self._driver,
            self._terms,
            self._association.parameters.ciphered,
            wishes,
            self.kind,
            high_priority=self._high_priority,
        )

    async def access(
        self,
        wishes: Sequence[Wish],
        *,
        break_on_error: bool = False,
        self_descriptive: bool = False,
        date_time: DateTime | None = None,
    ) -> list[Outcome[Any]]:
        """Read, write and act in one exchange by ACCESS, in order; one outcome for each wish.

        More than the meter takes at once goes in several exchanges. With `break_on_error` nothing
        behind the first failure is carried out; with `self_descriptive` the meter repeats what was
        asked; `date_time` is sent along. `do` uses ACCESS by itself where it saves exchanges.
        Raises `UsageError` where it was not negotiated.
        """
        return await many.access(
            self._driver,
            self.negotiated,
            self._association.parameters.ciphered,
            wishes,
            self.kind,
            high_priority=self._high_priority,
            break_on_error=break_on_error,
            self_descriptive=self_descriptive,
            date_time=b"" if date_time is None else date_time.octets,
        )

    # -- profiles, object lists -----------------------------------------------------------

    async def profile(
        self,
        name: Name | ProfileLayout,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Series:
        """Read the rows of a profile whose interval ends lie in (since, until].

        Both times need a zone; None leaves that side open. A `ProfileLayout` kept from an earlier
        `profile_layout` saves asking the meter what its columns are.
        """
        known = name if isinstance(name, ProfileLayout) else await self.profile_layout(name)
        octets = await read_rows(self, known, since, until)
        try:
            return known.series(octets, self.device, self.zone)
        except DecodeError:
            self.kind.layouts.pop(known.profile, None)  # the meter has other columns by now
            raise

    async def profile_layout(self, name: Name) -> ProfileLayout:
        """What the profile `name` captures; asked once for each kind of meter."""
        obis = _obis(name)
        known = self.kind.layouts.get(obis)
        if known is None:
            known = self.kind.layouts[obis] = await read_layout(self, obis)
        return known

    async def object_list(self) -> Sequence[ObjectListElement]:
        """Every object that this client sees, with class, version and rights."""
        if self.kind.objects is None:
            if self._short is not None:
                listed = await self._short.object_list()
            else:
                listed = await self.get(AssociationLnV2.object_list, _CURRENT_ASSOCIATION)
            self.kind.objects = {element.logical_name: element for element in listed}
        return tuple(self.kind.objects.values())

    async def browse(
        self,
        *,
        values: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[BrowsedObject]:
        """Every object, and with `values` every attribute that can be read but long buffers.

        `progress(done, all)` is called after each object.
        """
        return await browsing.browse(self, values, progress)

    async def inventory(
        self, progress: Callable[[int, int], None] | None = None
    ) -> list[FoundObject]:
        """Every object with its rights and all that can be read, secrets and long buffers aside."""
        return await inventory.take_inventory(self, progress=progress)

    async def client_address(self) -> int | None:
        """The address of this client, as the meter names it; None where it does not."""
        return await inventory.client_address(self)

    async def check(
        self,
        companion: Companion,
        *,
        client: int | None = None,
        kind: str | None = None,
        channels: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> CheckReport:
        """Compare the meter with a companion specification; see `client.checking`."""
        return await checking.check(
            self, companion, client=client, kind=kind, channels=channels, progress=progress
        )

    # -- data that are protected by themselves --------------------------------------------

    async def get_protected(self, wishes: Sequence[Read[Any] | ReadData], **how: Any) -> list[Any]:
        """Read attributes through a data protection object; see `client.data_protection`."""
        return await data_protection.get_protected(self, wishes, **how)

    async def read_protected(self, names: Sequence[Name], **how: Any) -> list[Reading]:
        """Read values by name through a data protection object, as `get_protected` does."""
        return await reading.read_protected(self, [_obis(name) for name in names], **how)

    async def set_protected(self, wishes: Sequence[Write[Any] | WriteData], **how: Any) -> None:
        """Write attributes through a data protection object; see `client.data_protection`."""
        await data_protection.set_protected(self, wishes, **how)

    async def invoke_protected(self, wish: Act[Any, Any] | ActData, **how: Any) -> Any:
        """Invoke a method through a data protection object; see `client.data_protection`."""
        return await data_protection.invoke_protected(self, wish, **how)

    async def read_protected_buffer(self, **how: Any) -> list[tuple[AttributeDescriptor, Data]]:
        """Read what a data protection object lists itself; see `client.data_protection`."""
        return await data_protection.read_protected_buffer(self, **how)

    # -- keys -----------------------------------------------------------------------------

    async def transfer_keys(self, keys: Mapping[int, bytes], **how: Any) -> KeyChange:
        """Give the meter new keys, wrapped under its master key; see `client.key_procedures`."""
        return await key_procedures.transfer_keys(self, keys, **how)

    async def agree_key(self, key_id: int = 0, **how: Any) -> KeyChange:
        """Agree on a new key with the meter, in suites 1 and 2; see `client.key_procedures`."""
        return await key_procedures.agree_keys(self, (key_id,), **how)

    # -- firmware -------------------------------------------------------------------------

    async def update_firmware(
        self, image: bytes, identifier: bytes, *, pause: Pause = asyncio.sleep, **how: Any
    ) -> FirmwareUpdate:
        """Transfer, verify and activate an image; see `client.image_transfer`."""
        return await image_transfer.update_firmware(self, image, identifier, pause=pause, **how)

    async def schedule_activation(self, moment: datetime, **how: Any) -> None:
        """Let the meter activate its image at a time; see `client.image_transfer`."""
        await image_transfer.schedule_activation(self, moment, **how)

    @property
    def parameters(self) -> ClientParameters:
        """With what the association was opened; keys that were changed since are in it."""
        return self._association.parameters

    @property
    def channel(self) -> Channel | None:
        """What protects this association, None where APDUs are plain."""
        return self._association.channel

    @property
    def transaction_floor(self) -> int:
        """The highest transaction-id accepted from the meter, to be kept by the caller."""
        return self._association.transaction_floor

    def renew_keys(self, keys: CipherKeys, lease: CounterLease | None = None) -> None:
        """Go on under other keys, without asking the meter; `lease` for a new encryption key."""
        self._association.renew(keys, lease)

    async def close(self) -> None:
        """Release the association and close the line."""
        try:
            await self._driver.close()
        finally:
            self._keep_floors()
            ending = None if self.on_close is None else self.on_close()
            if ending is not None:
                await ending

    # -- below ----------------------------------------------------------------------------

    def _keep_floors(self) -> None:
        on_end = self.parameters.on_end
        if on_end is not None:
            on_end(self.receive_floor, self.transaction_floor)

    @property
    def _terms(self) -> Negotiated:
        """What the services by logical name may rely on."""
        return self.negotiated if self._short is None else self._short.terms

    async def _write(self, attribute: AttributeDescriptor, data: bytes, confirmed: bool) -> None:
        await services.set_(
            self._driver,
            self._terms,
            attribute,
            data,
            protected=self._association.parameters.ciphered,
            confirmed=confirmed,
            high_priority=self._high_priority,
        )

    async def _act(
        self, method: MethodDescriptor, data: bytes | None, confirmed: bool
    ) -> bytes | None:
        return await services.act(
            self._driver,
            self._terms,
            method,
            data,
            protected=self._association.parameters.ciphered,
            confirmed=confirmed,
            high_priority=self._high_priority,
        )


@lru_cache(4096)
def _obis(name: Name) -> Obis:
    return name if isinstance(name, Obis) else Obis.parse(name)
