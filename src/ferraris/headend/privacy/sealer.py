"""The sealer of a running head-end: customers' keys out of the key store, opened once a process.

A key is `TENANT/customer/NUMBER` of kind `customer_key`; it is made when the first readings of the
customer are stored, for all customers of a batch at the price of one. Database backups hold no
keys. When a key is destroyed, the time of it stands in its place, so that also a database that is
restored from before the erasure learns of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final
from weakref import WeakKeyDictionary, ref

from sqlalchemy import Connection, Row, select

from ferraris.core.errors import SecurityError, UsageError
from ferraris.headend.privacy.holding import assignments, holder_of
from ferraris.headend.privacy.sealed_body import KEY_OCTETS, CustomerKey
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.sealing import CLEAR, SHREDDED, ErasedError
from ferraris.headend.store.tables.inventory import CUSTOMER, TENANT
from ferraris.keys import Keys

__all__ = ["KIND", "CustomerSealer", "customer_sealer", "key_id"]

KIND: Final = "customer_key"
_REMAINS: Final = struct.Struct(">8sd")
_ERASED: Final = b"erased  "
_NEIGHBOURS: Final = 500  # customers that are looked up together


def key_id(tenant: str, customer: int) -> str:
    """The id of a customer's key; under the tenant's own key where the store has one for it."""
    return f"{tenant}/customer/{customer}"


class CustomerSealer:
    """`Sealer` by the keys of customers; threads may share it, for all tenants of an engine.

    It remembers opened keys, and asks the key store before each use whether one was destroyed
    since, by whichever process.
    """

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine_of = ref(engine)  # it may itself be what is remembered with an engine
        self.keys = keys
        self._ids: dict[int, str] = {}
        self._opened: dict[int, CustomerKey | ErasedError] = {}
        self._erased: dict[int, ErasedError] = {}  # as the database says, whatever the keys say
        self._destructions = -1  # asked when a key is needed, as a store may have no customers

    def holders(
        self, connection: Connection, days: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], int]:
        """The seals for (meter, UTC day); keys that are missing are made."""
        wanted = list(days)
        assigned = assignments(connection, (meter for meter, _ in wanted))
        found = {}
        for meter, day in wanted:
            if meter in assigned and (seal := holder_of(assigned[meter], day)):
                found[meter, day] = seal
        self._prepare(connection, set(found.values()))
        return found

    def close(self, seal: int, octets: bytes, context: bytes) -> bytes:
        """The sealed octets; for somebody who was erased `SHREDDED`, so nothing is kept."""
        if seal == CLEAR:
            return octets
        key = self._key(seal, make=True)
        if isinstance(key, ErasedError):
            return SHREDDED
        return key.close(octets, context)

    def open(self, seal: int, octets: bytes, context: bytes) -> bytes:
        """The plain octets; `ErasedError` when their customer was erased."""
        if seal == CLEAR:
            return octets
        key = self._key(seal, make=False)
        if isinstance(key, ErasedError):
            raise ErasedError(key.erased_s)
        return key.open(octets, context)

    def erased_s(self, customer: int) -> float | None:
        """When the customer's key was destroyed; None while it is there, or was never made."""
        try:
            key = self._key(customer, make=False)
        except SecurityError:
            return None
        return key.erased_s if isinstance(key, ErasedError) else None

    def destroy(self, connection: Connection, customer: int, at_s: float) -> None:
        """Destroy the customer's key; no copy of the database brings the readings back.

        One that was destroyed before stays as it is.
        """
        self._learn(connection, [customer])
        try:
            known = self.keys.get(self._ids[customer], KIND)
        except UsageError:
            known = b""
        if not known.startswith(_ERASED):
            self.keys.destroy(self._ids[customer], KIND, _REMAINS.pack(_ERASED, at_s))

    def destructions(self) -> int:
        """How many keys were destroyed, as the key store knows."""
        return self.keys.destructions()

    def _key(self, seal: int, *, make: bool) -> CustomerKey | ErasedError:
        self._refresh()
        key = self._erased.get(seal) or self._opened.get(seal)
        if key is None:
            key = self._fetch(seal, make)
        return key

    def _refresh(self) -> None:
        """Forget opened keys when one was destroyed."""
        destructions = self.keys.destructions()
        if destructions != self._destructions:
            self._opened.clear()
            self._destructions = destructions

    def _fetch(self, seal: int, make: bool) -> CustomerKey | ErasedError:
        if seal not in self._ids:
            with self._engine().reading() as connection:
                self._learn(connection, range(seal, seal + _NEIGHBOURS))
            if seal not in self._ids:
                raise SecurityError(f"there is no customer {seal}", where="privacy")
        if seal in self._erased:
            return self._erased[seal]
        if make:
            self._make([seal])
        else:
            self._opened[seal] = _opened(self._found(seal))
        return self._opened[seal]

    def _engine(self) -> Engine:
        engine = self._engine_of()
        if engine is None:
            raise UsageError("the store is closed", where="privacy")
        return engine

    def _found(self, seal: int) -> bytes:
        try:
            return self.keys.get(self._ids[seal], KIND)
        except UsageError:
            raise SecurityError(
                f"the key of customer {seal} is not in the key store: put back the copy of the "
                "key store that belongs to this database",
                where="privacy",
            ) from None

    def _prepare(self, connection: Connection, seals: set[int]) -> None:
        if seals:
            self._refresh()
        missing = [seal for seal in seals if seal not in self._opened]
        if missing:
            self._learn(connection, missing)
            self._make(seal for seal in missing if seal not in self._erased)

    def _make(self, seals: Iterable[int]) -> None:
        wanted = {self._ids[seal]: seal for seal in seals if seal not in self._opened}
        for name, key in self.keys.make_missing(wanted, KIND, KEY_OCTETS).items():
            self._opened[wanted[name]] = _opened(key)

    def _learn(self, connection: Connection, seals: Iterable[int]) -> None:
        """The ids of customers' keys, and who was erased according to the database."""
        wanted = list(seals)
        for start in range(0, len(wanted), _NEIGHBOURS):
            for row in _named(connection, wanted[start : start + _NEIGHBOURS]):
                self._ids[row.id] = key_id(row.name, row.id)
                if row.erased_s is not None:
                    self._erased[row.id] = ErasedError(row.erased_s)


def customer_sealer(engine: Engine, keys: Keys) -> CustomerSealer:
    """The sealer of this process for an engine and a key store: one for all who ask."""
    among = _SEALERS.setdefault(engine, [])
    for sealer in among:
        if sealer.keys is keys:
            return sealer
    among.append(CustomerSealer(engine, keys))
    return among[-1]


_SEALERS: WeakKeyDictionary[Engine, list[CustomerSealer]] = WeakKeyDictionary()


def _opened(key: bytes) -> CustomerKey | ErasedError:
    if key.startswith(_ERASED) and len(key) == _REMAINS.size:
        return ErasedError(_REMAINS.unpack(key)[1])
    return CustomerKey(key)


def _named(connection: Connection, seals: list[int]) -> list[Row[tuple[int, str, float | None]]]:
    return list(
        connection.execute(
            select(CUSTOMER.c.id, TENANT.c.name, CUSTOMER.c.erased_s)
            .join(TENANT, TENANT.c.id == CUSTOMER.c.tenant)
            .where(CUSTOMER.c.id.in_(seals))
        )
    )
