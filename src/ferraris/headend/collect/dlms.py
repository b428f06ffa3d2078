"""How the collector reaches DLMS meters: addresses, counters leased in batches, associations."""

from __future__ import annotations

import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ferraris.client import Kind, Meter, Outcome, Read, Security, connect
from ferraris.core.errors import UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.readings import Reading, Series
from ferraris.headend.collect.channels import MBusDevice, client_of, is_at_channel
from ferraris.headend.collect.securing import Pairs, is_enveloped, plain, protected, uses_keys
from ferraris.headend.collect.session import CLOCK
from ferraris.headend.collect.target import Target
from ferraris.headend.collect.windows import zone_of
from ferraris.keys import RECEIVE, SEND, Keys
from ferraris.line.url import Endpoint, parse_url
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.model.data_storage import DataObject
from ferraris.model.mbus import MBusClient
from ferraris.model.time_control import Clock

__all__ = ["DlmsFace", "DlmsMeters"]

_LEASED_AT_ONCE = 256  # invocation counters for each meter: a session uses about ten
_KINDS = 4096
_IDENTITY = (
    MBusClient.identification_number,
    MBusClient.manufacturer_id,
    MBusClient.device_version,
    MBusClient.device_type,
)
_LEASES = 200_000


class _Leased(NamedTuple):
    """Counters of one value of a key, and the range that they came from."""

    key: bytes
    lease: CounterLease
    values: range


class DlmsMeters:
    """Opens associations for the collector.

    Invocation counters are leased from the key store before they are used, for many meters in one
    transaction (`prepare`), since the store writes each lease to disk. Receive floors go back with
    `keep`. `key_of` names the secrets of a meter, by default its external id. `block_window`
    proposes general block transfer, which saves round trips with meters that take only short APDUs.
    `clock` is UTC in epoch seconds, at which certificates have to be valid; our own keys for suites
    1 and 2 lie in the key store by `system_title`, sixteen hexadecimal digits. `met` may ask each
    meter something first.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        system_title: bytes,
        key_of: Callable[[Target], str] | None = None,
        timeout_s: float = 10.0,
        max_pdu: int = 0xFFFF,
        block_window: int = 0,
        clock: Callable[[], float] = time.time,
        met: Callable[[Target, Meter], Awaitable[None]] | None = None,
    ) -> None:
        self._met = met
        self._keys = keys
        self._pairs = Pairs(keys, system_title, clock)
        self._system_title = system_title
        self._key_of = key_of or _external_id
        self._timeout_s = timeout_s
        self._max_pdu = max_pdu
        self._block_window = block_window
        self._kinds: dict[tuple[str, ...], Kind] = {}
        # A counter belongs to the value of a key: with a renewed key a new lease begins.
        self._leases: dict[str, _Leased] = {}
        self._prepared: set[str] = set()  # whose key was looked up just now
        self._floors: dict[str, tuple[bytes, int]] = {}
        # Of meters whose messages are envelopes: what goes on rising whatever the key.
        self._offsets: dict[str, int] = {}
        self._transactions: dict[str, int] = {}

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[DlmsFace]:
        """Connect and associate; release on leaving."""
        if not target.address:
            raise UsageError("it has no address: it calls in", where="collect")
        security, key = self._security(target)
        connecting = connect(
            _endpoint(target.address),
            client=target.client,
            server=target.server,
            security=security,
            timeout_s=self._timeout_s,
            device=target.external_id,
            max_pdu=self._max_pdu,
            block_window=self._block_window,
            zone=zone_of(target.zone),
            kind=self.kind(target),
        )
        async with connecting as meter:
            try:
                if self._met is not None:
                    await self._met(target, meter)
                yield DlmsFace(meter)
            finally:
                name = self._key_of(target)
                self._floors[name] = (key, meter.receive_floor)
                if is_enveloped(target):
                    self._transactions[name] = meter.transaction_floor

    def kind(self, target: Target) -> Kind | None:
        """What is known of meters like this one; None where nothing says which are alike."""
        if not target.alike:
            return None
        if len(self._kinds) > _KINDS:
            self._kinds.clear()
        return self._kinds.setdefault((*target.alike, str(target.client)), Kind())

    def prepare(self, targets: Iterable[Target]) -> None:
        """Lease counters for meters that are to be read soon, all at the price of one."""
        if len(self._leases) > _LEASES:
            self._leases.clear()
        needy = {}
        for target in targets:
            if uses_keys(target) and self._needs_lease(name := self._key_of(target)):
                needy[name] = self._keys.get(name, "encryption_key")
        if needy:
            self._lease(needy)
            self._prepared |= set(needy)

    def keep(self) -> None:
        """Write the receive floors of finished sessions to the key store.

        A floor belongs to the value of a key: that of a key that was renewed meanwhile would shut
        out the meter, whose new one begins at 0.
        """
        finished, self._floors = self._floors, {}
        floors = {
            name: floor
            for name, (key, floor) in finished.items()
            if floor >= 0 and self._keys.get(name, "encryption_key") == key
        }
        if floors:
            self._keys.raise_floors(floors, RECEIVE)
        transactions, self._transactions = self._transactions, {}
        for name, number in transactions.items():
            self._keys.raise_transaction_floor(name, number)

    def _security(self, target: Target) -> tuple[Security, bytes]:
        name = self._key_of(target)
        if not uses_keys(target):
            return plain(target, self._keys, name, system_title=self._system_title), b""
        known = self._leases.get(name)
        if known is not None and name in self._prepared:
            self._prepared.discard(name)
            key = known.key
        else:
            key = self._keys.get(name, "encryption_key")
        if known is None or known.key != key or self._needs_lease(name):
            self._lease({name: key})
            known = self._leases[name]
        floor_key, floor = self._floors.get(name, (b"", -1))
        more = self._transactions_of(name, known.values) if is_enveloped(target) else {}
        security = protected(
            target,
            key,
            self._keys.get(name, "authentication_key"),
            keys=self._keys,
            key_id=name,
            pairs=self._pairs.of(target, name),
            system_title=self._system_title,
            lease=known.lease,
            receive_floor=floor if floor_key == key else -1,
            **more,
        )
        return security, key

    def _transactions_of(self, name: str, values: range) -> dict[str, int]:
        """Of envelopes: the highest transaction-id of the meter, and where ours begin."""
        if name not in self._offsets:
            self._offsets[name] = self._keys.transaction_offset(name, values)
        floor = self._transactions.get(name)
        if floor is None:
            floor = self._keys.transaction_floor(name)
        return {"transaction_floor": floor, "transaction_offset": self._offsets[name]}

    def _lease(self, names: Mapping[str, bytes]) -> None:
        found = self._keys.lease_many(list(names), SEND, _LEASED_AT_ONCE)
        floors = self._keys.floors(list(names), RECEIVE)
        for name, values in found.items():
            self._leases[name] = _Leased(names[name], CounterLease.of(values), values)
            self._offsets.pop(name, None)  # a new key has another one
            key, floor = self._floors.get(name, (b"", -1))
            if key != names[name]:
                floor = -1
            self._floors[name] = (names[name], max(floor, floors.get(name, -1)))

    def _needs_lease(self, name: str) -> bool:
        known = self._leases.get(name)
        return known is None or known.lease.left < _LEASED_AT_ONCE // 4


class DlmsFace:
    """One open association as the collector wants it (`meter_face.MeterFace`)."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    async def read_profile(
        self, profile: str, since: datetime | None, until: datetime | None
    ) -> Series:
        """The rows of a profile."""
        with self._by_itself([profile]):
            return await self.meter.profile(profile, since, until)

    async def read_registers(self, names: Sequence[str]) -> list[Reading]:
        """Those registers that the meter gives."""
        with self._by_itself(names):
            return await self.meter.read_many(names)

    async def read_device(self, channel: int) -> MBusDevice:
        """Identity of the device on a channel; `RefusedError` where there is no such channel."""
        client, plate = client_of(channel), f"0-{channel}:96.1.0*255"
        *identity, equipment = await self.meter.do(
            [*(Read(attribute, client) for attribute in _IDENTITY), Read(DataObject.value, plate)]
        )
        number, manufacturer, version, kind = (each.value for each in identity)
        return MBusDevice(number, manufacturer, version, kind, _text(equipment))

    async def set_clock(self, when: datetime) -> None:
        """Write the time in the zone of the meter."""
        local = when.astimezone(self.meter.zone) if self.meter.zone is not None else when
        await self.meter.set(Clock.time, CLOCK, DateTime.from_datetime(local))

    @contextmanager
    def _by_itself(self, names: Sequence[str]) -> Iterator[None]:
        """Scalers of a channel are those of the device there, and not the same in alike meters."""
        kind = self.meter.kind
        if any(map(is_at_channel, names)):
            self.meter.kind = replace(kind, scalers={}, layouts={})
        try:
            yield
        finally:
            self.meter.kind = kind


def _text(outcome: Outcome[Any]) -> str:
    """Characters that an object holds; "" where it holds something else, or is not there."""
    _, value = outcome.value if outcome.done else (0, b"")
    return value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else ""


def _external_id(target: Target) -> str:
    return target.external_id


@lru_cache(maxsize=65_536)
def _endpoint(address: str) -> Endpoint:
    return parse_url(address)
