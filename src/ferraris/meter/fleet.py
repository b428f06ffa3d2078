"""Fleets: any number of meters of one template; all their secrets follow from a seed."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import NotRequired, TypedDict

from ferraris.core.errors import UsageError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.curves import PrivateKey
from ferraris.messaging.dlms.acse import Mechanism
from ferraris.messaging.dlms.association.proofs import OwnMechanism
from ferraris.messaging.dlms.security.agreement import curve_of
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.forms import KeyPairs
from ferraris.meter.consumption import Household
from ferraris.meter.memory import FORGETFUL, Memory
from ferraris.meter.pki import FleetAuthority
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Template
from ferraris.server.device import ObjectKey

__all__ = ["Fleet", "KeysLine"]

_MAKER = b"FRR"
_MANAGEMENT_SAP = 1
_FIRST_FREE_SAP = 16  # 0 and 2..15 are reserved in the wrapper [facts-g]
_ALL_STATIONS_SAP = 0x7F
_LAST_SAP = 0xFFFF
_ADDRESSES = 1 + _LAST_SAP - _FIRST_FREE_SAP  # management, then 16 up, less all-stations
_PASSWORD_CHARACTERS = 16
_METERS_IN_USE = 2048  # for which what follows from the seed is kept
_NAMES = {
    Usage.SIGNING: "signing_certificate",
    Usage.KEY_AGREEMENT: "agreement_certificate",
}
_CLIENT = (1 << 64) - 1  # in place of a meter's number, for what all meters share


class KeysLine(TypedDict):
    """One meter as any client needs it: address of the management client and all secrets as hex.

    The password is text; the mechanism is told when it is not the usual one of the suite.
    """

    id: str
    url: str
    client: int
    server: int
    system_title: str
    encryption_key: str
    authentication_key: str
    password: str
    suite: NotRequired[int]
    mechanism: NotRequired[int]
    master_key: NotRequired[str]
    mbus_keys: NotRequired[list[str]]
    awake: NotRequired[str]
    signing_certificate: NotRequired[str]
    agreement_certificate: NotRequired[str]


class Fleet:
    """`count` meters of one template; raises `UsageError` unless there is at least one.

    The same seed makes the same households, numbers and system titles. Keys and passwords follow
    from `secret`: whoever runs a fleet for real clients hands in fresh entropy at every start,
    because the invocation counters begin anew and a key may never see the same one twice. Without
    it, as in tests, they follow from the seed. A fleet with a `memory` goes on where it stopped,
    and takes its secret from there. `own_mechanism` answers challenges where the template asks for
    mechanism 2, each maker's own.
    """

    def __init__(
        self,
        template: Template,
        count: int,
        seed: int = 0,
        first_counter: int = 1,
        *,
        secret: bytes | None = None,
        memory: Memory = FORGETFUL,
        own_mechanism: OwnMechanism | None = None,
    ) -> None:
        if not 0 < count <= 1 << 32:
            raise UsageError("a fleet has at least one meter")
        if own_mechanism is None and template.has_own_mechanism:
            raise UsageError("mechanism 2 is each maker's own: say what answers a challenge")
        self.own_mechanism = own_mechanism
        self.template = template
        self.maker = _MAKER
        self.first_counter = first_counter
        self.memory = memory
        self._count = count
        self._seed = seed
        self._identity = blake2b(b"%d" % seed, digest_size=32, person=b"fleet").digest()
        self._secret = blake2b(secret or self._identity, digest_size=32, person=b"keys").digest()
        self._meters: dict[int, SimulatedMeter] = {}
        self.meters_of_a_line = _ADDRESSES
        """How many meters one listener carries; set before anybody is told their addresses."""
        self.configured: dict[tuple[ObjectKey, int], bytes] = {}
        """Attributes that were set in all meters alike before anybody wrote to one of them."""
        self.always_awake = False
        """Whether meters that sleep, but for some windows, listen all the time."""
        self.born: int | None = None
        """UTC second from which the meters live; None: each from when it is first touched."""
        self.may_fail = False
        """Whether its meters may have faults: lines that begin from now on make room for them."""
        self.happened: Callable[[SimulatedMeter, ObjectKey | None, float], None] = _nobody_asks
        """Hears of a meter whose push, named by its key, or future has changed at a UTC second."""
        # What every reading of a meter asks for.
        self.meter_seed = lru_cache(maxsize=_METERS_IN_USE)(self._meter_seed)
        self.system_title = lru_cache(maxsize=_METERS_IN_USE)(self._system_title)
        self.household = lru_cache(maxsize=_METERS_IN_USE)(self._household)
        self.logical_device_name = lru_cache(maxsize=_METERS_IN_USE)(self._logical_device_name)
        # Deriving keys and setting up their cipher costs as much as an exchange.
        self.cipher_keys = lru_cache(maxsize=_METERS_IN_USE)(self._cipher_keys)
        self.pairs = lru_cache(maxsize=_METERS_IN_USE)(self._pairs)
        self.private_key = lru_cache(maxsize=2 * _METERS_IN_USE)(self._private_key)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> SimulatedMeter:
        meter = self._meters.get(index)
        if meter is None:
            if not 0 <= index < self._count:
                raise IndexError(index)
            meter = self._meters[index] = SimulatedMeter(self, index)
        return meter

    def __iter__(self) -> Iterator[SimulatedMeter]:
        return (self[index] for index in range(self._count))

    def touched(self) -> Iterator[tuple[int, SimulatedMeter]]:
        """The meters that somebody has asked for, with their places."""
        return iter(list(self._meters.items()))

    def find(self, server_sap: int, listener: int = 0) -> SimulatedMeter | None:
        """The meter with a server address; each listener carries the next meters."""
        if server_sap == _MANAGEMENT_SAP:
            place = 0
        elif _FIRST_FREE_SAP <= server_sap <= _LAST_SAP and server_sap != _ALL_STATIONS_SAP:
            place = server_sap - _FIRST_FREE_SAP + 1 - (server_sap > _ALL_STATIONS_SAP)
        else:
            return None
        index = listener * self.meters_of_a_line + place
        found = place < self.meters_of_a_line and index < self._count
        return self[index] if found else None

    def listener(self, index: int) -> int:
        """The number of the listener that carries a meter."""
        return index // self.meters_of_a_line

    def server_sap(self, index: int) -> int:
        """Address of a meter: 1 for the first, then 16 and up without the all-stations address."""
        place = index % self.meters_of_a_line
        if not place:
            return _MANAGEMENT_SAP
        address = place + _FIRST_FREE_SAP - 1
        return address + 1 if address >= _ALL_STATIONS_SAP else address

    def line(self, index: int, url: str) -> KeysLine:
        """What a client must know to reach a meter at `url`; holds secrets."""
        meter = self[index] if self.memory.knows(index) else None
        keys = self.cipher_keys(index) if meter is None else meter.keys
        line: KeysLine = {
            "id": self.logical_device_name(index).decode("ascii"),
            "url": url,
            "client": self.template.key_client,
            "server": self.server_sap(index),
            "system_title": self.system_title(index).hex(),
            "encryption_key": keys.encryption_key.hex(),
            "authentication_key": keys.authentication_key.hex(),
            "password": self.password(index).decode("ascii"),
        }
        mechanism = self.template.associations[self.template.key_client].mechanism
        if mechanism != (Mechanism.HIGH_ECDSA if self.template.suite else Mechanism.HIGH_GMAC):
            line["mechanism"] = mechanism
        if self.template.suite:
            line["suite"] = int(self.template.suite)
            master = None if meter is None else meter.pairs.master_key
            line["master_key"] = (master or self.key(index, b"master")).hex()
            for usage, name in _NAMES.items():
                line[name] = self.certificate(index, usage).der.hex()  # type: ignore[literal-required] # both are fields
        if self.template.mbus_devices:
            places = range(len(self.template.mbus_devices))
            line["mbus_keys"] = [self.device_key(index, place).hex() for place in places]
        if self.template.windows and not self.always_awake:
            minutes = self.template.windows[0].first(self.meter_seed(index))
            line["awake"] = "-".join(f"{each // 60:02d}:{each % 60:02d}" for each in minutes)
        return line

    # What follows from the seed.

    def _meter_seed(self, index: int) -> int:
        """Seed of the household, 64 bits."""
        return int.from_bytes(_derive(self._identity, index, b"household", 8), "big")

    def _household(self, index: int) -> Household:
        """Who lives behind a meter."""
        return self.template.consumption.household(self.meter_seed(index))

    def number(self, index: int) -> str:
        """Thirteen digits: three of the fleet, ten of the meter."""
        return f"{self._identity[0] % 100:03d}{index:010d}"

    def _logical_device_name(self, index: int) -> bytes:
        """Sixteen octets: three letters of the maker and the number."""
        return self.maker + self.number(index).encode("ascii")

    def _system_title(self, index: int) -> bytes:
        """Eight octets."""
        return self.maker + self._identity[1:2] + index.to_bytes(4, "big")

    def key(self, index: int, purpose: bytes) -> bytes:
        """A key of 16 octets, or 32 in suite 2."""
        return _derive(self._secret, index, purpose, self.template.suite.key_octets)

    def device_key(self, index: int, place: int) -> bytes:
        """The key that an M-Bus device of a meter was made with, 16 octets."""
        return _derive(self._secret, index, b"mbus device %d" % place, 16)

    def client_pairs(self, index: int) -> KeyPairs:
        """What the management client has, to sign and to agree on keys with a meter."""
        return self._key_pairs(index, _CLIENT, index)

    def _pairs(self, index: int) -> KeyPairs:
        return self._key_pairs(index, index, _CLIENT)

    def _key_pairs(self, index: int, own: int, peer: int) -> KeyPairs:
        master = self.key(index, b"master")
        if not self.template.suite:
            return KeyPairs(master_key=master)
        return KeyPairs(
            signing=self.private_key(own, b"signing"),
            agreement=self.private_key(own, b"agreement"),
            peer_signing=self.private_key(peer, b"signing").public_key,
            peer_agreement=self.private_key(peer, b"agreement").public_key,
            master_key=master,
        )

    @cached_property
    def authority(self) -> FleetAuthority:
        """Whose certificates the meters trust."""
        drawn = Stream(self._secret, _CLIENT, b"authority")
        key = PrivateKey.generate(curve_of(self.template.suite), drawn)
        return FleetAuthority(key, drawn)

    def certificate(self, index: int, usage: Usage) -> Certificate:
        """What the fleet's authority says of one key of a meter."""
        purpose = b"signing" if usage is Usage.SIGNING else b"agreement"
        key = self.private_key(index, purpose).public_key
        return self.authority.issue(key, self.system_title(index), usage)

    def certificates(self, most: int) -> dict[str, bytes]:
        """The root's certificate, and those of the first meters, by names for files."""
        found = {"root": self.authority.root.der}
        for index in range(min(most, len(self))):
            title = self.system_title(index).hex()
            for usage in _NAMES:
                found[f"{title}.{usage.label}"] = self.certificate(index, usage).der
        return found

    def entropy(self, index: int, serial: int) -> Stream:
        """Octets that follow from the secret, others for each serial."""
        return Stream(self._secret, index, b"drawn %d" % serial)

    def _private_key(self, index: int, purpose: bytes) -> PrivateKey:
        """A private key of a meter, or of the client of all of them."""
        drawn = _derive(self._secret, index, purpose, 64)
        return PrivateKey.generate(curve_of(self.template.suite), lambda octets: drawn[:octets])

    def _cipher_keys(self, index: int) -> CipherKeys:
        encryption, authentication = self.key(index, b"encryption"), self.key(index, b"authentic")
        return CipherKeys(self.template.suite, encryption, authentication)

    def password(self, index: int) -> bytes:
        """Sixteen letters and digits."""
        return b32encode(_derive(self._secret, index, b"password", 10))[:_PASSWORD_CHARACTERS]


class Stream:
    """As many octets as anybody wants; the same arguments give the same ones."""

    def __init__(self, secret: bytes, index: int, purpose: bytes) -> None:
        self._seed = _derive(secret, index, purpose[:16], 32)
        self._count = 0

    def __call__(self, octets: int) -> bytes:
        """The next octets."""
        drawn = b""
        while len(drawn) < octets:
            drawn += _derive(self._seed, self._count, b"stream", 64)
            self._count += 1
        return drawn[:octets]


def _nobody_asks(meter: SimulatedMeter, key: ObjectKey | None, now: float) -> None:
    """What happens in a fleet that nobody lets push."""


def _derive(secret: bytes, index: int, purpose: bytes, octets: int) -> bytes:
    return blake2b(
        index.to_bytes(8, "big"), digest_size=octets, key=secret, person=purpose
    ).digest()
