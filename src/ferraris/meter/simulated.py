"""One simulated meter: a few references and numbers, and a state once something has happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ferraris.core.errors import SecurityError
from ferraris.data import axdr
from ferraris.messaging.dlms.acse import Mechanism
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT, CounterLease
from ferraris.messaging.dlms.security.forms import KeyPairs
from ferraris.meter import life, prompt, rates, supply
from ferraris.meter.behaviour import port_protection
from ferraris.meter.behaviour.alarms import signal
from ferraris.meter.behaviour.function_control import is_off
from ferraris.meter.behaviour.tamper import attacked
from ferraris.meter.consumption import Household
from ferraris.meter.fluids import Fluid, Use, use_of
from ferraris.meter.happenings import Happening
from ferraris.meter.meaning import check_meaning
from ferraris.meter.outages import held_back
from ferraris.meter.patterns import ACTIVE_IMPORT
from ferraris.meter.state import COMMISSIONED, RIGHT, UNTOUCHED, State, Step
from ferraris.meter.zone import Zone
from ferraris.model.short_names import AssociationSn
from ferraris.model.time_control import ControlState
from ferraris.server.device import (
    AccessRefused,
    ActionRefused,
    AssociationSettings,
    Credentials,
    ObjectEntry,
    ObjectKey,
    RequestContext,
)

if TYPE_CHECKING:
    from ferraris.messaging.dlms.names import Selection
    from ferraris.meter.behaviour.behaviour import Behaviour
    from ferraris.meter.fleet import Fleet
    from ferraris.server.prompt import Reader

__all__ = ["LEASE", "SimulatedMeter"]

_LONGEST_SECRET = 64  # octets
_BY_SECRET = (
    Mechanism.LOW,
    Mechanism.HIGH,
    Mechanism.HIGH_MD5,
    Mechanism.HIGH_SHA1,
    Mechanism.HIGH_SHA256,
)

LEASE = 1 << 15
"""Invocation counters in one lease; what an association does not use up is burnt."""


class SimulatedMeter:
    """A logical device whose values follow from its fleet's seed, its index and the time.

    It implements `ferraris.server.device.LogicalDevice`. Times named `now` are UTC seconds.
    """

    __slots__ = ("fleet", "index", "state")

    def __init__(self, fleet: Fleet, index: int) -> None:
        self.fleet = fleet
        self.index = index
        """Place in the fleet, from 0."""
        self.state = fleet.memory.recall(self) or UNTOUCHED

    # What the server engine asks for.

    @property
    def logical_device_name(self) -> bytes:
        """Sixteen octets: three letters of the maker and the number."""
        return self.fleet.logical_device_name(self.index)

    @property
    def system_title(self) -> bytes:
        """Eight octets: three letters of the maker and five that tell meters apart."""
        return self.fleet.system_title(self.index)

    @property
    def server_sap(self) -> int:
        """Address of the logical device."""
        return self.fleet.server_sap(self.index)

    @property
    def objects(self) -> Mapping[ObjectKey, ObjectEntry]:
        """The objects of the template."""
        return self.fleet.template.objects

    @property
    def associations(self) -> Mapping[int, AssociationSettings]:
        """The associations of the template."""
        return self.fleet.template.associations

    @property
    def sap_assignment(self) -> Sequence[tuple[int, bytes]]:
        """This logical device alone: meters of a fleet are housed one by one."""
        return ((self.server_sap, self.logical_device_name),)

    def credentials(self, client_sap: int) -> Credentials:
        """The password where the mechanism needs it, the keys where the association is ciphered."""
        settings = self.associations[client_sap]
        secret, own = b"", self.fleet.own_mechanism
        if settings.mechanism in _BY_SECRET:
            changed_secret = (self.state.secrets or {}).get(client_sap)
            secret = changed_secret or self.fleet.password(self.index)
        if not settings.ciphered:
            return Credentials(secret=secret, own_mechanism=own)
        changed = self.state.security
        policy = None if changed is None else changed.policy
        return Credentials(secret, self.keys, self.pairs, own_mechanism=own, policy=policy)

    @property
    def keys(self) -> CipherKeys:
        """The meter's keys: derived from the fleet's secret until somebody replaces them."""
        changed = self.state.security
        if changed is not None and changed.keys is not None:
            return changed.keys
        return self.fleet.cipher_keys(self.index)

    @property
    def pairs(self) -> KeyPairs:
        """The meter's private keys and its client's public ones; suite 0 has a master key alone."""
        changed = self.state.security
        if changed is not None and changed.pairs is not None:
            return changed.pairs
        return self.fleet.pairs(self.index)

    def entropy(self, octets: int) -> bytes:
        """Fresh octets, which follow from the fleet's secret and how many were drawn before."""
        state = self.change().secure()
        state.drawn += 1
        return self.fleet.entropy(self.index, state.drawn)(octets)

    @property
    def key_changes(self) -> int:
        """How often keys or policies were replaced."""
        changed = self.state.security
        return 0 if changed is None else changed.serial

    @property
    def transaction_offset(self) -> int:
        """What transaction-ids are above counters, which began anew with a key."""
        changed = self.state.security
        return 0 if changed is None else changed.transaction_offset

    def transaction_floor(self, client_sap: int) -> int:
        """Highest transaction-id accepted from a client, -1 for none."""
        changed = self.state.security
        return -1 if changed is None else changed.transactions.get(client_sap, -1)

    def raise_transaction_floor(self, client_sap: int, number: int) -> None:
        """Keep a transaction-id that verified."""
        if number > self.transaction_floor(client_sap):
            self._made().secure().transactions[client_sap] = number
            self.fleet.memory.secure(self)

    def data_floor(self, originator: bytes) -> int:
        """Highest transaction-id accepted with protected data of an originator, -1 for none."""
        changed = self.state.security
        return -1 if changed is None else changed.data_transactions.get(originator, -1)

    def raise_data_floor(self, originator: bytes, number: int) -> None:
        """Keep the transaction-id of data that verified."""
        if number > self.data_floor(originator):
            self.change().secure().data_transactions[originator] = number
            self.fleet.memory.secure(self)

    def data_counters(self, count: int) -> CounterLease:
        """Fresh invocation counters for protected data and pushes, from the range of all APDUs."""
        return self._leased(count)

    def counter_lease(self, client_sap: int) -> CounterLease:
        """Fresh invocation counters; all clients share one range because they share one key."""
        return self._leased(LEASE)

    def _leased(self, count: int) -> CounterLease:
        state = self._made()
        start = max(state.next_counter, self.fleet.first_counter)
        if start >= COUNTER_LIMIT:
            raise SecurityError("the invocation counters of this meter are used up")
        state.next_counter = min(start + count, COUNTER_LIMIT)
        self.fleet.memory.secure(self, on_disk=True)
        return CounterLease(start, state.next_counter)

    def receive_floor(self, client_sap: int) -> int:
        """Highest invocation counter accepted from a client, -1 for none."""
        client_sap = self.fleet.template.counts_as.get(client_sap, client_sap)
        return (self.state.floors or {}).get(client_sap, -1)

    def raise_receive_floor(self, client_sap: int, counter: int) -> None:
        """Keep a counter whose tag verified, and what its request has changed."""
        state = self._made()
        if state.floors is None:
            state.floors = {}
        client_sap = self.fleet.template.counts_as.get(client_sap, client_sap)
        if counter > state.floors.get(client_sap, -1):
            state.floors[client_sap] = counter
            self.fleet.memory.secure(self)

    def get(
        self,
        entry: ObjectEntry,
        attribute: int,
        selection: Selection | None,
        context: RequestContext,
    ) -> bytes:
        """Encoded value of an attribute; raises `AccessRefused`."""
        behaviour = self.fleet.template.behaviours.get((entry.class_id, entry.logical_name))
        if behaviour is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        self._live(int(context.now))
        if self.state.parts is not None and is_off(self, behaviour.key):
            raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
        return behaviour.get(self, attribute, selection, int(context.now))

    def reader(self, entry: ObjectEntry, attribute: int) -> Reader | None:
        """How any meter of the template tells an attribute that nothing has to happen for."""
        return prompt.reader(self.fleet.template, (entry.class_id, entry.logical_name), attribute)

    def set(
        self,
        entry: ObjectEntry,
        attribute: int,
        data: bytes,
        selection: Selection | None,
        context: RequestContext,
    ) -> None:
        """Write an attribute; raises `AccessRefused`."""
        behaviour = self.fleet.template.behaviours.get((entry.class_id, entry.logical_name))
        if behaviour is None:
            raise AccessRefused(DataAccessResult.OBJECT_UNDEFINED)
        if selection is not None:
            raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self._live(int(context.now))
        if is_off(self, behaviour.key):
            raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
        self.write(behaviour, attribute, data, int(context.now))
        self.reconsider(int(context.now))

    def act(
        self, entry: ObjectEntry, method: int, data: bytes | None, context: RequestContext
    ) -> bytes | None:
        """Invoke a method; raises `ActionRefused`."""
        behaviour = self.fleet.template.behaviours.get((entry.class_id, entry.logical_name))
        if behaviour is None:
            raise ActionRefused(ActionResult.OBJECT_UNDEFINED)
        if entry.class_id == AssociationSn.class_id:
            self._change_secret(method, data, context.client_sap)
            return None
        self._live(int(context.now))
        if is_off(self, behaviour.key):
            raise ActionRefused(ActionResult.OBJECT_UNAVAILABLE)
        try:
            return behaviour.act(self, method, data, int(context.now))
        finally:  # a refusal may mean "not yet"
            self.reconsider(int(context.now))

    def incident(self, incident: Incident, client_sap: int, now: float) -> None:
        """A failed authentication or a forged or replayed APDU: an event, and an alarm."""
        self._live(int(now))
        attacked(self, incident, int(now))
        if incident is not Incident.REPLAY:
            port_protection.attempt_failed(self, int(now))
        self.reconsider(int(now))

    def refuses(self, client_sap: int, now: float) -> bool:
        """Whether nobody may associate at present."""
        self._live(int(now))
        return port_protection.refuses(self, int(now))

    def admitted(self, client_sap: int, now: float) -> None:
        """A client has proved who it is."""
        port_protection.admitted(self, int(now))

    def _live(self, now: int) -> None:
        if self.fleet.template.living and now >= self.state.due:
            life.live(self, now)

    def _change_secret(self, method: int, data: bytes | None, client_sap: int) -> None:
        """The password of the client that asks; it holds from its next association on."""
        if method != AssociationSn.change_lls_secret.index or data is None:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        secret = AssociationSn.change_lls_secret.type.load(axdr.decode(data))
        if not 0 < len(secret) <= _LONGEST_SECRET:
            raise ActionRefused(ActionResult.OTHER_REASON)
        state = self.change()
        state.secrets = {**(state.secrets or {}), client_sap: secret}

    @property
    def restarts(self) -> int:
        """How often the meter began anew and forgot its associations."""
        return self.state.restarts

    def is_reachable(self, now: float) -> bool:
        """Whether the meter answers anybody at `now`."""
        self._live(int(now))
        state = self.state
        if state.off_since is not None and now >= state.off_since:
            return False
        if state.silence is not None and state.silence[0] <= now < state.silence[1]:
            return False
        windows = self.fleet.template.windows
        if not windows or self.fleet.always_awake:
            return True
        return any(each.is_open(self, int(now)) for each in windows)

    # What behaviours ask for.

    @property
    def number(self) -> str:
        """The 13 digits on the plate."""
        return self.fleet.number(self.index)

    @property
    def zone(self) -> Zone:
        """The zone of the clock, as clients have made it."""
        steps = self.state.steps
        return (steps[-1].zone if steps else None) or self.fleet.template.zone

    @property
    def household(self) -> Household:
        """Who lives behind the meter."""
        return self.fleet.household(self.index)

    def use(self, fluid: Fluid) -> Use:
        """What the connection behind the meter uses of a fluid."""
        consumption = self.fleet.template.consumption
        seed = self.fleet.meter_seed(self.index)
        return use_of(fluid, seed, consumption.zone, consumption.region)

    @property
    def connection(self) -> int:
        """Control state of the supply switch."""
        state = self.state.connection
        return int(ControlState.CONNECTED) if state is None else state

    @property
    def is_disconnected(self) -> bool:
        """Whether the switch is open and nothing flows."""
        return self.connection != ControlState.CONNECTED

    def change(self) -> State:
        """The state to write to; made at the first change."""
        self.fleet.memory.changed(self)
        return self._made()

    def _made(self) -> State:
        """The state, when somebody else takes care that it is kept."""
        if self.state is UNTOUCHED:
            self.state = State()
        return self.state

    def write(self, behaviour: Behaviour, attribute: int, data: bytes, now: int) -> None:
        """Write an attribute as a client does, seen by whoever watches; raises `AccessRefused`."""
        check_meaning(self.objects[behaviour.key].declaration, attribute, data)
        behaviour.set(self, attribute, data, now)
        for watching in self.fleet.template.watching:
            watching.changed(self, (*behaviour.key, attribute), data, now)

    def reconsider(self, now: int) -> None:
        """What is due next may have changed."""
        if self.fleet.template.living:
            self.change().due = now + 1
            self.fleet.happened(self, None, now)

    def note(self, happening: Happening, now: int) -> None:
        """Tell what happened at UTC second `now`, as far as the template has a code for it."""
        coded = self.fleet.template.codes.get(happening)
        if coded is not None:
            self.log(coded.log, coded.code, now)
        signal(self, happening, coded, now)
        for behaviour in self.fleet.template.hearers.get(happening, ()):
            if not is_off(self, behaviour.key):
                behaviour.noted(self, happening, now)

    def log(self, log: int, code: int, now: int) -> int:
        """Write an event to a log and return its serial."""
        return self.change().record(log, code, now, self.local(now))

    def clock(self, now: int) -> Step:
        """How the meter's clock goes at `now`."""
        for step in reversed(self.state.steps):
            if now >= step.start:
                return step
        return self.first_clock

    @property
    def first_clock(self) -> Step:
        """How the clock went when the meter was made: as right as its fleet, but for its drift."""
        low, high = self.fleet.template.drifts
        if not low and not high:
            return RIGHT
        born = COMMISSIONED if self.fleet.born is None else self.fleet.born
        drift = low + (self.fleet.meter_seed(self.index) >> 32) % (high - low + 1)
        return Step(born, 0, drift)

    def offset(self, now: int) -> int:
        """Seconds that the meter's clock is ahead of UTC at `now`, the zone left aside."""
        return self.local(now) - now

    def local(self, now: int) -> int:
        """UTC seconds that the meter's own clock believes in at `now`."""
        return self.clock(now).local(now)

    def stamp(self, now: int) -> bytes:
        """What the clock shows at `now`: 12 octets with deviation and status."""
        step = self.clock(now)
        octets = self.zone_at(now).stamp(step.local(now))
        return octets[:11] + bytes((octets[11] | step.status,)) if step.status else octets

    def zone_at(self, now: int) -> Zone:
        """The zone of the clock as it was at `now`."""
        return self.clock(now).zone or self.fleet.template.zone

    def rate(self, now: int) -> int:
        """Number of the rate in force for import, 0 for none."""
        return next(iter(rates.active(self, ACTIVE_IMPORT, now)), 0)

    def counted(self, channel: int, utc: int) -> tuple[int, tuple[int, ...]]:
        """Energy counted until `utc`: the total, and by rate."""
        return rates.counted(self, channel, utc)

    def energy(self, channel: int, utc: int) -> tuple[int, ...]:
        """Energy counted by rate until `utc`."""
        return self.counted(channel, utc)[1]

    def total(self, channel: int, utc: int) -> int:
        """Energy counted in all rates until `utc`."""
        return sum(supply.energy(self.household, channel, utc, held_back(self.state)))

    def quarters(self, first: int, stop: int, shift: int = 0) -> list[bytes]:
        """Totals of all channels at quarters counted from 1970, `shift` seconds later.

        Each is a column of `consumption`.
        """
        return supply.quarters(self.household, first, stop, shift, held_back(self.state))

    def totals(self, start: int, period_s: int, count: int) -> list[bytes]:
        """Totals of all channels at `count` UTC seconds from `start` on, `period_s` apart."""
        return supply.evenly(self.household, start, period_s, count, held_back(self.state))
