"""Templates: everything that meters of one kind share - objects, rights, associations, region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.acse import Mechanism
from ferraris.messaging.dlms.security.suites import SecuritySuite
from ferraris.meter.behaviour.behaviour import Behaviour, Living
from ferraris.meter.behaviour.configured import Watching
from ferraris.meter.behaviour.windows import Windows
from ferraris.meter.consumption import Consumption
from ferraris.meter.happenings import IDIS_LIKE, Coded, Happening
from ferraris.meter.mbus_devices import DeviceKind
from ferraris.meter.tariff import Tariff
from ferraris.meter.zone import Zone
from ferraris.model import registry
from ferraris.server.device import (
    READ,
    READ_WRITE,
    WRITE,
    AccessMode,
    AccessRights,
    AssociationSettings,
    ObjectEntry,
    ObjectKey,
    ObjectRights,
)

__all__ = ["RESERVE_S", "Placed", "Template", "rights_of"]

RESERVE_S = 7 * 86400
"""Seconds that a clock goes on without power, unless a template says otherwise."""

_KEY_CLIENT = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """One object of a template and the clients that may read, write and invoke it.

    `writes` and `methods` map an index to the addresses of the clients that may use it;
    `base_name` is the short name, where the meter has them. `version` is that of the class, by
    default that which the behaviour brings to life; other versions are served without type checks
    where they are not declared.
    """

    behaviour: Behaviour
    readers: frozenset[int]
    writes: Mapping[int, frozenset[int]] = field(default_factory=dict)
    methods: Mapping[int, frozenset[int]] = field(default_factory=dict)
    base_name: int | None = None
    version: int | None = None


class Template:
    """A kind of meter. It is built once and shared; nothing in it changes afterwards.

    `counts_as` names addresses of one and the same client: one system title, one counter. `codes`
    tells what happens in the numbers of the companion specification. Clocks gain between the two
    `drifts`, seconds in a million, and go on for `reserve_s` seconds without power. `mbus_devices`
    are the kinds of the devices around a meter. Raises `UsageError` when two objects have the same
    class and name.

    Attributes:
        living: the behaviours with a future of their own, in the order of the objects.
        hearers: those of them that hear of a happening.
        windows: the objects that say when a meter listens or calls; without any it always does.
        watching: those that hear of what clients write.
    """

    def __init__(
        self,
        name: str,
        consumption: Consumption,
        placed: Iterable[Placed],
        associations: Iterable[AssociationSettings],
        *,
        suite: int = 0,
        counts_as: Mapping[int, int] | None = None,
        codes: Mapping[Happening, Coded] = IDIS_LIKE,
        drifts: tuple[int, int] = (0, 0),
        reserve_s: int = RESERVE_S,
        mbus_devices: tuple[DeviceKind, ...] = (),
    ) -> None:
        self.name = name
        self.suite = SecuritySuite(suite)
        self.counts_as: Mapping[int, int] = MappingProxyType(counts_as or {})
        self.consumption = consumption
        self.codes = codes
        self.mbus_devices = mbus_devices
        self.drifts = drifts
        self.reserve_s = reserve_s
        behaviours: dict[ObjectKey, Behaviour] = {}
        objects: dict[ObjectKey, ObjectEntry] = {}
        for each in placed:
            behaviour = each.behaviour
            if behaviour.key in behaviours:
                raise UsageError(f"two objects are {behaviour.key[0]}, {behaviour.key[1].hex()}")
            behaviours[behaviour.key] = behaviour
            objects[behaviour.key] = _entry(each)
        self.behaviours: Mapping[ObjectKey, Behaviour] = MappingProxyType(behaviours)
        self.living = tuple(each for each in behaviours.values() if isinstance(each, Living))
        self.hearers: Mapping[Happening, tuple[Living, ...]] = MappingProxyType(
            {
                happening: tuple(each for each in self.living if happening in each.happenings)
                for happening in {heard for each in self.living for heard in each.happenings}
            }
        )
        self.windows = tuple(each for each in behaviours.values() if isinstance(each, Windows))
        self.watching = tuple(each for each in behaviours.values() if isinstance(each, Watching))
        self.objects: Mapping[ObjectKey, ObjectEntry] = MappingProxyType(objects)
        self.associations: Mapping[int, AssociationSettings] = MappingProxyType(
            {settings.client_sap: settings for settings in associations}
        )

    @property
    def short_names(self) -> bool:
        """Whether the objects of these meters go by short names."""
        return any(settings.short_names for settings in self.associations.values())

    @property
    def has_own_mechanism(self) -> bool:
        """Whether clients prove themselves by mechanism 2, which somebody has to supply."""
        return any(each.mechanism == Mechanism.HIGH for each in self.associations.values())

    @property
    def key_client(self) -> int:
        """The address of the client that has the keys, else of the first one."""
        ciphered = (each.client_sap for each in self.associations.values() if each.ciphered)
        return next(ciphered, next(iter(self.associations), _KEY_CLIENT))

    @property
    def zone(self) -> Zone:
        """The zone of the meters' clocks."""
        return self.consumption.zone

    @property
    def tariff(self) -> Tariff:
        """When which rate is in force."""
        return self.consumption.tariff


def rights_of(client_sap: int, placed: Iterable[Placed]) -> AccessRights:
    """What one client may do with the objects of a template."""
    objects: dict[ObjectKey, ObjectRights] = {}
    for each in placed:
        modes = dict.fromkeys(each.behaviour.attributes, READ) if client_sap in each.readers else {}
        for index, writers in each.writes.items():
            if client_sap in writers:
                modes[index] = READ_WRITE if index in modes else WRITE
        methods: dict[int, AccessMode] = {
            index: READ for index, users in each.methods.items() if client_sap in users
        }
        if modes or methods:
            behaviour = each.behaviour
            objects[behaviour.key] = ObjectRights(modes, methods, behaviour.selectors)
    return AccessRights(objects)


def _entry(placed: Placed) -> ObjectEntry:
    behaviour = placed.behaviour
    class_id, name = behaviour.key
    if placed.version is None:
        declares = behaviour.declares
        return ObjectEntry(class_id, declares.version, name, declares, placed.base_name)
    declared = registry.find(class_id, placed.version)
    return ObjectEntry(class_id, placed.version, name, declared, placed.base_name)
