"""Logical devices on a transport: the passive end of a line, one association for each client.

The layer takes APDUs with their addresses, lets `messaging` open, authenticate and decipher, lets
`dispatch` serve, and sends the answers back to where the requests came from. An address that
nobody has is met with silence, as on any real line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Never, cast

from ferraris.core.errors import Error, SequenceError
from ferraris.core.layer import Closed, Ended, Failed, Layer, Notice, To
from ferraris.core.stack import Plain, over
from ferraris.messaging.dlms.association.accepting import turned_away
from ferraris.messaging.dlms.association.parameters import ServerOffer
from ferraris.messaging.dlms.association.server import (
    Indication,
    Receipt,
    Renewal,
    Reply,
    ServerAssociation,
)
from ferraris.messaging.dlms.association.states import State
from ferraris.messaging.dlms.notify import DataNotification, EventNotification
from ferraris.messaging.dlms.security.forms import NO_PAIRS
from ferraris.messaging.dlms.security.policy import Policy
from ferraris.messaging.dlms.short_name import InformationReportRequest
from ferraris.messaging.dlms.tags import ApduTag
from ferraris.server import short_names
from ferraris.server.blocks import ABORTING, Transfers, pushed, takes_blocks
from ferraris.server.device import (
    GuardedDevice,
    Intermittent,
    LogicalDevice,
    RequestContext,
    offers,
)
from ferraris.server.dispatch import serve
from ferraris.server.notifying import Notification, Outbox
from ferraris.server.prompt import Answer, prompt
from ferraris.server.rights import demanded_protection
from ferraris.transport.addresses import Addresses
from ferraris.transport.profiles import Profile

__all__ = ["Directory", "Hearing", "Service", "server_stack"]

Directory = Callable[[int], LogicalDevice | None]
"""Finds the logical device that has a server address."""

_AARQ = b"\x60"
_BLOCK = bytes((int(ApduTag.GENERAL_BLOCK_TRANSFER),))
_MAX_ASSOCIATIONS = 64  # in use on one line, so that a stranger cannot fill the memory


def server_stack(
    profile: Profile,
    directory: Directory,
    *,
    entropy: Callable[[int], bytes],
    utc: Callable[[], float],
    physical: int | None = None,
) -> Layer[Never, None, bytes]:
    """A passive stack for one line: the profile's transport with a `Service` on top.

    `physical` is the device's own address on a line that it shares with others.
    """
    service = Service(directory, entropy=entropy, utc=utc, ordered=profile.stream)
    return over(service, profile.server_stack(physical=physical, devices=Hearing(directory, utc)))


class Hearing:
    """The addresses of the devices that hear at the moment, for a link that answers by itself."""

    def __init__(self, directory: Directory, utc: Callable[[], float]) -> None:
        self._directory = directory
        self._utc = utc

    def __contains__(self, server_sap: object) -> bool:
        device = self._directory(cast("int", server_sap))
        if device is None:
            return False
        is_reachable = getattr(device, "is_reachable", None)  # cheaper than asking for the protocol
        return is_reachable is None or bool(is_reachable(self._utc()))


class Service(Plain[Never, None, To[Addresses, bytes]]):
    """Serves every logical device that `directory` finds; `utc` tells seconds since 1970.

    `ordered` tells whether the line keeps the order of APDUs: where it does not, only associations
    whose APDUs carry a tag are offered general block transfer, since a late block could enter the
    next transfer unseen.

    Up to 64 clients are associated at a time; an address whose association was never opened, or is
    released, makes place for another.

    `notify` sends pushes. Answers go first; a push waits, though not for ever, while its client
    fetches an answer in blocks.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        entropy: Callable[[int], bytes],
        utc: Callable[[], float],
        ordered: bool = True,
    ) -> None:
        super().__init__()
        self.ordered = ordered
        self._directory = directory
        self._entropy = entropy
        self._utc = utc
        self._associations: dict[Addresses, tuple[LogicalDevice, ServerAssociation]] = {}
        self._transfers = Transfers()
        self._key_changes: dict[Addresses, int] = {}
        self._restarts: dict[Addresses, tuple[Intermittent, int]] = {}
        self._unproved: set[Addresses] = set()
        self._outbox = Outbox()
        self._prompt: dict[Addresses, Answer] = {}  # nothing else has happened since

    @property
    def deadline(self) -> float | None:
        return self._outbox.deadline

    @property
    def dropped_notifications(self) -> int:
        """How many pushes were given up."""
        return self._outbox.dropped

    def notify(
        self,
        address: Addresses,
        push: DataNotification | EventNotification | InformationReportRequest,
        *,
        control: int | None = None,
        general: bool | None = None,
    ) -> Notification:
        """Send a push to the client at `address`, associated or not; never blocks.

        `control` holds the security-control bits (0x10, 0x20, 0x30), 0 for a plain push, None for
        what the client's association uses; `general` chooses general-glo- over glo-ciphering. A
        `DataNotification` whose long invoke id has `LONG_CONFIRMED` set wants a receipt. What is
        returned tells how far the push has come. The driver has to drain the stack afterwards.
        """
        self._prompt.clear()
        notification = Notification(address, push, control, general)
        if self._find(address) is None:
            self._outbox.drop(notification)
        else:
            self._outbox.put(notification)
        return notification

    def served(self, address: Addresses, unit: bytes) -> bytes | None:
        """The answer to a plain GET that leaves everything here as it is, None for the long way.

        It is what `receive` and `transmit` would have made of it.
        """
        answer = self._prompt.get(address) or self._prepared(address)
        return None if answer is None else answer(unit)

    def _prepared(self, address: Addresses) -> Answer | None:
        """What answers whoever is known here, while nothing that is under way needs our care."""
        found = self._associations.get(address)
        is_busy = self._down or self._up or self._transfers.some or not self._outbox.is_empty
        if found is None or is_busy or address in self._unproved:
            return None
        device, association = found
        settings, seen = device.associations[address.client_sap], self._restarts.get(address)
        answer = prompt(device, association, settings, seen[1] if seen else None, self._utc)
        if answer is not None:
            self._prompt[address] = answer
        return answer

    def receive(self, unit: To[Addresses, bytes], now: float) -> None:
        self._prompt.clear()
        found = self._find(unit.address)
        if found is None:
            return
        device, association = found
        client_sap = unit.address.client_sap
        has_keys = association.offer.keys is not None  # which once known stay, or are replaced
        floor = _take_floors(device, association, client_sap) if has_keys else -1
        octets = unit.unit
        in_blocks = octets[:1] == _BLOCK and unit.confirmed and takes_blocks(association)
        if in_blocks:
            joined = self._join(unit, association)
            if joined is None:
                return
            octets = joined
        if octets[:1] == _AARQ:
            # The secret may have been changed since the last one.
            association.offer.secret = device.credentials(client_sap).secret
            if self._is_locked(device, association, unit.address):
                return
        outcome = association.receive(octets)
        if type(outcome) is Indication:
            if self._unproved:
                self._admit(device, unit.address)
            answer = self._serve(device, association, outcome, client_sap)
        else:
            answer = self._replied(device, outcome, unit.address)
        if has_keys:
            same_keys = device.key_changes == self._key_changes[unit.address]
            _keep_floors(device, association, client_sap, floor, same_keys=same_keys)
        if answer is None or not unit.confirmed:
            self._speak(unit.address)
            return
        is_genuine = type(outcome) is not Reply or outcome.incident is None
        if self._transfers.some and is_genuine and not in_blocks:
            self._asked_anew(unit.address)
        self._answer(unit.address, answer, association, in_blocks)

    def _replied(
        self, device: LogicalDevice, outcome: Reply | Receipt | Indication, address: Addresses
    ) -> bytes | None:
        """What needs nobody to serve it."""
        if isinstance(outcome, Reply):
            if outcome.incident is not None:
                device.incident(outcome.incident, address.client_sap, self._utc())
            return outcome.octets
        if isinstance(outcome, Receipt):
            self._outbox.confirmed(address, outcome.confirm)
        return None

    def _is_locked(
        self, device: LogicalDevice, association: ServerAssociation, address: Addresses
    ) -> bool:
        """Whether nobody may associate at present; then that is the answer."""
        if not offers(device, GuardedDevice):  # type: ignore[type-abstract] # only asked
            return False
        if device.refuses(address.client_sap, self._utc()):
            self._down.append(To(address, turned_away(association.offer)))
            return True
        if association.offer.mechanism:
            self._unproved.add(address)
        return False

    def _admit(self, device: LogicalDevice, address: Addresses) -> None:
        """A request is let through: who asked to associate has proved who he is."""
        if address in self._unproved and offers(device, GuardedDevice):  # type: ignore[type-abstract]
            self._unproved.discard(address)
            device.admitted(address.client_sap, self._utc())

    def _asked_anew(self, address: Addresses) -> None:
        """What is left of an answer before would only be in the way."""
        if self._transfers.end(address):
            self._down = deque(each for each in self._down if each.address != address)

    def wake(self, now: float) -> None:
        self._outbox.wake(now)

    def transmit(self, now: float, expecting: bool = False) -> To[Addresses, bytes] | None:
        if self._down:
            self._outbox.progress(now)
            return self._down.popleft()
        outbox = self._outbox
        if outbox.is_empty:
            return None
        while (notification := outbox.take(now, self._is_busy)) is not None:
            unit = self._covered(notification)
            if unit is not None:
                return unit
        return None

    def notice(self, what: Notice, now: float) -> None:
        self._prompt.clear()
        if type(what) is Ended:
            address = cast("Addresses", what.address)
            self._forget(address)
            return
        if type(what) is Closed:
            self._transfers.clear()
            self._unproved.clear()
            for _, association in self._associations.values():
                association.disconnected()
            self._associations.clear()
            self._key_changes.clear()
            self._restarts.clear()
        super().notice(what, now)

    def _covered(self, notification: Notification) -> To[Addresses, bytes] | None:
        """A push as it leaves; its counter is taken now, so that counters leave in order."""
        found = self._find(notification.address)
        if found is None:
            self._outbox.drop(notification)
            return None
        try:
            octets = found[1].notification(
                notification.push, notification.control, general=notification.general
            )
            first, *others = pushed(octets, found[1])
        except Error as error:
            self._outbox.drop(notification)
            self._up.append(Failed(error))
            return None
        self._outbox.sent(notification)
        self._down += [To(notification.address, block, confirmed=False) for block in others]
        return To(notification.address, first, confirmed=False)

    # -- answers, whole and in general blocks ---------------------------------------------

    def _join(self, unit: To[Addresses, bytes], association: ServerAssociation) -> bytes | None:
        """Take a block of a request, and acknowledge it when that is our turn."""
        try:
            request = self._transfers.join(unit.address, unit.unit, association)
        except Error as error:
            self._up.append(Failed(error))
            if isinstance(error, SequenceError) and unit.unit != ABORTING:
                self._down.append(To(unit.address, ABORTING))
            return None
        if request is None:
            self._speak(unit.address)
        return request

    def _answer(
        self, address: Addresses, answer: bytes, association: ServerAssociation, in_blocks: bool
    ) -> None:
        negotiated = association.negotiated
        too_long = negotiated is not None and 0 < negotiated.max_send < len(answer)
        if in_blocks or (too_long and negotiated is not None and negotiated.general_blocks):
            self._transfers.answer(address, answer, association, anew=not in_blocks)
            self._speak(address)
        else:
            self._down.append(To(address, answer))

    def _speak(self, address: Addresses) -> None:
        self._down += [To(address, block) for block in self._transfers.stream(address)]

    def _is_busy(self, address: Addresses) -> bool:
        found = self._associations.get(address)
        if found is None:
            return False
        return found[1].is_sending_blocks or self._transfers.is_sending(address)

    def _find(self, address: Addresses) -> tuple[LogicalDevice, ServerAssociation] | None:
        found = self._associations.get(address)
        if found is None:
            return self._meet(address)
        device, association = found
        seen = self._restarts.get(address)
        if seen is not None:
            intermittent, restarts = seen
            if not intermittent.is_reachable(self._utc()):
                return None
            if intermittent.restarts != restarts:
                self._forget(address)
                return self._meet(address)
        if device.key_changes != self._key_changes[address]:
            self._renew(address, device, association)
        return found

    def _meet(self, address: Addresses) -> tuple[LogicalDevice, ServerAssociation] | None:
        """The device and a fresh association for an address that was not heard before."""
        device = self._directory(address.server_sap)
        settings = None if device is None else device.associations.get(address.client_sap)
        if device is None or settings is None:
            return None
        intermittent = device if offers(device, Intermittent) else None  # type: ignore[type-abstract]
        if intermittent is not None and not intermittent.is_reachable(self._utc()):
            return None
        if len(self._associations) >= _MAX_ASSOCIATIONS and not self._make_place():
            return None
        if intermittent is not None:
            self._restarts[address] = (intermittent, intermittent.restarts)
        credentials = device.credentials(address.client_sap)
        needs_keys = settings.ciphered or credentials.keys is not None
        policy = credentials.policy or Policy(settings.policy, settings.answer_policy)
        offer = ServerOffer(
            conformance=settings.conformance,
            max_pdu=settings.max_pdu,
            mechanism=settings.mechanism,
            secret=credentials.secret,
            ciphered=settings.ciphered,
            policy=policy.request,
            answer_policy=policy.response,
            pairs=credentials.pairs,
            own_mechanism=credentials.own_mechanism,
            transaction_floor=device.transaction_floor(address.client_sap),
            transaction_offset=device.transaction_offset,
            system_title=device.system_title,
            keys=credentials.keys,
            lease=device.counter_lease(address.client_sap) if needs_keys else None,
            receive_floor=device.receive_floor(address.client_sap),
            challenge_octets=settings.challenge_octets,
            pre_established=settings.pre_established,
            client_system_title=settings.client_system_title,
            client_max_pdu=settings.client_max_pdu,
            general_blocks=settings.general_blocks,
            block_window=settings.block_window,
            ordered=self.ordered,
            short_names=settings.short_names,
        )
        found = (device, self._association(offer, device, address))
        self._associations[address] = found
        self._key_changes[address] = device.key_changes
        return found

    def _association(
        self, offer: ServerOffer, device: LogicalDevice, address: Addresses
    ) -> ServerAssociation:
        return ServerAssociation(offer, self._entropy)

    def _make_place(self) -> bool:
        """Forget the first address whose association is not in use."""
        for address, (_, association) in self._associations.items():
            if association.state is State.IDLE:
                self._forget(address)
                return True
        return False

    def _forget(self, address: Addresses) -> None:
        """The line, or the device itself, has ended an association."""
        found = self._associations.pop(address, None)
        if found is not None:
            found[1].disconnected()
            del self._key_changes[address]
        self._restarts.pop(address, None)
        self._unproved.discard(address)
        self._transfers.end(address)

    def _renew(
        self, address: Addresses, device: LogicalDevice, association: ServerAssociation
    ) -> None:
        """The device's keys or policies have changed since the last APDU."""
        self._key_changes[address] = device.key_changes
        client_sap = address.client_sap
        credentials, offer = device.credentials(client_sap), association.offer
        if credentials.keys is None or offer.keys is None:
            return
        settings = device.associations[client_sap]
        is_new = credentials.keys.encryption_key != offer.keys.encryption_key
        association.renew(
            Renewal(
                credentials.keys,
                credentials.pairs,
                credentials.policy or Policy(settings.policy, settings.answer_policy),
                device.counter_lease(client_sap) if is_new else None,
                device.transaction_offset,
            )
        )

    def _serve(
        self,
        device: LogicalDevice,
        association: ServerAssociation,
        indication: Indication,
        client_sap: int,
    ) -> bytes | None:
        negotiated = association.negotiated
        assert negotiated is not None
        context = RequestContext(
            client_sap,
            indication.protection,
            self._utc(),
            negotiated.conformance,
            negotiated.max_send,
            association.client_system_title,
            indication.can_protect,
        )
        settings = device.associations[client_sap]
        if settings.short_names:
            answer = short_names.serve(indication.request, device, settings, context)
            demanded = short_names.demanded_protection(indication.request, device, settings)
            return association.respond(answer, demanded)
        answer = serve(indication.request, device, settings, context)
        return association.respond(answer, demanded_protection(indication.request, settings))


def _take_floors(device: LogicalDevice, association: ServerAssociation, client_sap: int) -> int:
    """Another line of the same client may have raised them; returns that of the counters."""
    known, own = device.receive_floor(client_sap), association.receive_floor
    if known > own:
        association.receive_floor = own = known
    if association.offer.pairs is not NO_PAIRS:
        association.transaction_floor = device.transaction_floor(client_sap)
    return own


def _keep_floors(
    device: LogicalDevice,
    association: ServerAssociation,
    client_sap: int,
    before: int,
    *,
    same_keys: bool,
) -> None:
    """Counters belong to a key, which the request may have replaced; transactions do not."""
    floor = association.receive_floor
    if same_keys and floor > before:
        device.raise_receive_floor(client_sap, floor)
    if association.offer.pairs is not NO_PAIRS:
        device.raise_transaction_floor(client_sap, association.transaction_floor)
