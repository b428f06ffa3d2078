"""The server's end of an association: AARQ, HLS, protected services, blocks, release, pushes.

A synchronous object without clocks, since a server only answers: octets of an APDU in, and out
comes an answer, or an `Indication` that somebody has to serve and to `respond` to. `server` puts
it on a transport.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ferraris.core.errors import DecodeError, SecurityError, SequenceError
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.acse import Rlre, Rlrq
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.accepting import (
    Acceptance,
    RejectedError,
    new_channel,
    presumed,
    rejection,
)
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.exchanges import is_unconfirmed
from ferraris.messaging.dlms.association.handshake import answer_to, proof_in
from ferraris.messaging.dlms.association.parameters import Negotiated, ServerOffer
from ferraris.messaging.dlms.association.server_blocks import ServerBlocks
from ferraris.messaging.dlms.association.short_name_blocks import ShortNameBlocks
from ferraris.messaging.dlms.association.states import SERVER, Happening, State, step
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ExceptionServiceError,
    ServiceUserDiagnostic,
    StateError,
)
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.messaging.dlms.notify import (
    DataNotification,
    DataNotificationConfirm,
    EventNotification,
)
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.control import BOTH, SIGNED
from ferraris.messaging.dlms.security.counters import CounterLease, ReplayError
from ferraris.messaging.dlms.security.forms import KeyPairs
from ferraris.messaging.dlms.security.policy import Policy
from ferraris.messaging.dlms.short_name import InformationReportRequest

__all__ = ["Incident", "Indication", "Receipt", "Renewal", "Reply", "ServerAssociation"]

_GET = int(Conformance.GET)
_REQUEST_TAGS = frozenset((0xC0, 0xC1, 0xC3, 0xD9))
_SHORT_NAME_TAGS = frozenset((0x05, 0x06, 0x16))
_RECEIPT = 0x10
_RECEIPT_TAG = bytes((_RECEIPT,))
_MAY_HOLD_A_RECEIPT = frozenset((_RECEIPT, 0xDB, 0xDC, 0xDD, 0xDF))
_REMEMBERED = 8  # protected APDUs whose copies are met with silence


class Incident(Enum):
    """What a meter writes into its security log."""

    WRONG_PASSWORD = "wrong password"  # noqa: S105 - the name of an event
    AUTHENTICATION_FAILED = "authentication failed"
    DECIPHERING_FAILED = "deciphering failed"
    REPLAY = "replay"


@dataclass(slots=True)
class Reply:
    """An answer that needs nobody to serve it; `octets` None is silence."""

    octets: bytes | None
    incident: Incident | None = None


@dataclass(slots=True)
class Indication:
    """A request to be served, and the security-control bits it came with.

    `can_protect` are the bits that an answer may be given, 0 in a plain association.
    """

    request: Apdu
    protection: int
    can_protect: int = 0


@dataclass(slots=True)
class Receipt:
    """A client has confirmed the push with this long invoke id."""

    confirm: DataNotificationConfirm


@dataclass(slots=True)
class Renewal:
    """What takes the place of keys and policy; `lease` comes with a new encryption key."""

    keys: CipherKeys
    pairs: KeyPairs
    policy: Policy
    lease: CounterLease | None
    transaction_offset: int


class ServerAssociation:
    """One client's association as the server sees it.

    `entropy(n)` gives n fresh octets for challenges. After every call `receive_floor` may have
    risen and is to be kept by whoever knows the device. A pre-established one is open from the
    start and is never released.

    A forged, replayed or refused AARQ ends no association; one that is accepted takes the place of
    the association before it. A protected APDU that comes twice, as datagrams do, is met with
    silence; an AARQ that comes twice gets the same AARE.
    """

    def __init__(self, offer: ServerOffer, entropy: Callable[[int], bytes]) -> None:
        self.offer = offer
        self.state = State.IDLE
        self._entropy = entropy
        self._accepted: Acceptance | None = None
        self._request_tags = _SHORT_NAME_TAGS if offer.short_names else _REQUEST_TAGS
        self._blocks = self._no_blocks()
        self._silent = False  # the last request was unconfirmed
        self._demanded = 0  # protection that a right demands of the answer
        self._heard: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._opening: tuple[bytes, bytes] | None = None  # the last AARQ and its AARE
        self._push_channel: Channel | None = None
        if offer.pre_established and (offer.keys is not None or not offer.ciphered):
            self._accepted = presumed(offer, entropy)
            self.state = step(SERVER, self.state, Happening.PRESUMED)

    @property
    def negotiated(self) -> Negotiated | None:
        """Services and sizes of the association, None while there is none."""
        return None if self._accepted is None else self._accepted.negotiated

    @property
    def client_system_title(self) -> bytes:
        """The client's system title, b"" while it is not known."""
        return b"" if self._accepted is None else self._accepted.client_system_title

    @property
    def receive_floor(self) -> int:
        """The highest invocation counter accepted from this client."""
        floor, accepted = self.offer.receive_floor, self._accepted
        channel = None if accepted is None else accepted.channel
        for each in (channel, self._push_channel):
            if each is not None and each.floor > floor:
                floor = each.floor
        return floor

    @receive_floor.setter
    def receive_floor(self, counter: int) -> None:
        self.offer.receive_floor = max(counter, self.offer.receive_floor)
        if self._accepted is not None and self._accepted.channel is not None:
            self._accepted.channel.floor = counter
        if self._push_channel is not None:
            self._push_channel.floor = counter

    @property
    def transaction_floor(self) -> int:
        """The highest transaction-id accepted in an envelope of this client."""
        floors = [self.offer.transaction_floor]
        if self._accepted is not None and self._accepted.channel is not None:
            floors.append(self._accepted.channel.transaction_floor)
        return max(floors)

    @transaction_floor.setter
    def transaction_floor(self, number: int) -> None:
        self.offer.transaction_floor = max(number, self.offer.transaction_floor)
        if self._accepted is not None and self._accepted.channel is not None:
            self._accepted.channel.transaction_floor = number

    def renew(self, changes: Renewal) -> None:
        """Other keys or another policy than those of the offer, from the next APDU on.

        A new encryption key comes with a new lease, and its floor is -1 again.
        """
        offer, accepted = self.offer, self._accepted
        offer.transaction_floor, floor = self.transaction_floor, self.receive_floor
        if changes.lease is not None:
            offer.transaction_offset = changes.transaction_offset
            offer.lease, floor = changes.lease, -1
        offer.receive_floor = floor
        offer.keys, offer.pairs = changes.keys, changes.pairs
        offer.policy, offer.answer_policy = changes.policy
        if accepted is not None and accepted.channel is not None:
            accepted.channel.renew(
                changes.keys,
                changes.pairs,
                changes.lease,
                minimum=changes.policy.request,
                transaction_offset=changes.transaction_offset,
            )
        self._push_channel = None
        self._opening = None

    @property
    def is_sending_blocks(self) -> bool:
        """Whether an answer is half sent, so that the client's next request asks for more."""
        return self._blocks.is_sending

    @property
    def is_at_rest(self) -> bool:
        """Whether a plain, confirmed GET of one attribute finds it and leaves it as it is.

        Then nothing has to be asked of it as long as nothing else happens to it: whoever knows the
        value may answer by himself, in one piece. True only where GET was agreed to.
        """
        accepted, blocks = self._accepted, self._blocks
        return (
            self.state is State.ASSOCIATED
            and accepted is not None
            and accepted.channel is None
            and self._opening is None
            and not self._silent
            and not self._demanded
            and type(blocks) is ServerBlocks
            and blocks.is_at_rest
            and bool(accepted.negotiated.conformance & _GET)
        )

    def receive(self, octets: bytes) -> Reply | Indication | Receipt:
        """Take one APDU. Never raises for the peer's octets."""
        try:
            return self._receive(octets)
        except ReplayError as replay:
            if octets in self._heard:  # an old AARQ
                return Reply(None)
            # The tag verified, so the counter may be told [facts-g §9].
            answer = ExceptionResponse(
                StateError.SERVICE_NOT_ALLOWED,
                ExceptionServiceError.INVOCATION_COUNTER_ERROR,
                replay.lowest,
            )
            return Reply(answer.to_octets(), Incident.REPLAY)
        except SecurityError:
            answer = ExceptionResponse(
                StateError.SERVICE_NOT_ALLOWED, ExceptionServiceError.DECIPHERING_ERROR
            )
            return Reply(answer.to_octets(), Incident.DECIPHERING_FAILED)
        except SequenceError:
            return Reply(_exception(StateError.SERVICE_NOT_ALLOWED))
        except DecodeError:
            return Reply(_exception(StateError.SERVICE_UNKNOWN, ExceptionServiceError.OTHER_REASON))

    def respond(self, response: Apdu, demanded: int = 0) -> bytes | None:
        """The octets that answer the last `Indication`; long ones become a first block.

        `demanded` are the security-control bits that a right demands of the answer, beside those
        of the request. None, silence, when the request was unconfirmed.
        """
        accepted = self._accepted
        assert accepted is not None
        if self._silent:
            return None
        channel = accepted.channel
        self._demanded = 0 if channel is None else demanded & channel.can_protect
        protected = accepted.channel is not None
        plain = self._blocks.respond(response, self._governing(accepted), protected=protected)
        return plain if channel is None else self._protect(plain)

    def notification(
        self,
        push: DataNotification | EventNotification | InformationReportRequest,
        control: int | None = None,
        *,
        general: bool | None = None,
    ) -> bytes:
        """The octets of a push to this client, whether or not an association is open.

        `control` holds the security-control bits, 0 for a plain one, None for what the association
        uses; `general` chooses general-glo- over glo-ciphering, None as the client does. Raises
        `SecurityError` where there are no keys, or no counters left.
        """
        plain = codec.encode(push)
        if control is None:
            control = (self.offer.policy or BOTH) if self.offer.ciphered else 0
        if not control & BOTH:
            return plain
        channel = self._channel_to_push()
        suite = channel.control & 0x0F
        return channel.protect(plain, control & (0x70 | SIGNED) | suite, general=general)

    def disconnected(self) -> None:
        """The lower layer is gone, and the association with it."""
        self.offer.receive_floor = self.receive_floor
        self._forget()
        self.state = State.IDLE

    # -- by what came ---------------------------------------------------------------------

    def _receive(self, octets: bytes) -> Reply | Indication | Receipt:
        tag = octets[0] if octets else 0
        if tag == 0x60:
            return self._associate(octets)
        if octets in self._heard:
            return Reply(None)
        if self.state is State.ASSOCIATED:
            return self._service(octets) if tag != 0x62 else self._release(octets)
        if self.state is State.AUTHENTICATION_PENDING:
            return self._authenticate(octets) if tag != 0x62 else self._release(octets)
        if tag in _MAY_HOLD_A_RECEIPT:
            return self._receipt(octets)
        return Reply(None if tag == 0x62 else _exception(StateError.SERVICE_NOT_ALLOWED))

    def _service(self, octets: bytes) -> Reply | Indication | Receipt:
        accepted = self._accepted
        assert accepted is not None
        if octets[:1] == _RECEIPT_TAG and accepted.channel is not None:
            return Reply(None, Incident.DECIPHERING_FAILED)  # nobody waits for an answer to it
        plain = octets if accepted.channel is None else self._uncover(octets)
        if plain and plain[0] not in self._request_tags:
            return _receipt_within(plain) or Reply(
                _exception(StateError.SERVICE_UNKNOWN, ExceptionServiceError.SERVICE_NOT_SUPPORTED)
            )
        self._opening = None
        request = codec.decode(plain, strict=True)
        protected = accepted.channel is not None
        self._silent = is_unconfirmed(request)
        self._demanded = 0
        outcome = self._blocks.take(request, self._governing(accepted), protected=protected)
        if type(outcome) is bytes:
            return Reply(None if self._silent else self._protect(outcome))
        assert not isinstance(outcome, bytes)
        if accepted.channel is None:
            return Indication(outcome, 0)
        can_protect = accepted.channel.can_protect
        return Indication(outcome, accepted.control & (BOTH | SIGNED), can_protect)

    def _uncover(self, octets: bytes) -> bytes:
        accepted = self._accepted
        assert accepted is not None
        if accepted.channel is None:
            return octets
        opened = accepted.channel.unprotect(octets)
        control = opened.control | self.offer.answer_policy
        if control & SIGNED & ~accepted.channel.can_protect:
            raise SecurityError("no answer can be signed", where="association")
        accepted.control = control
        self._heard.append(octets)
        return opened.plain

    def _governing(self, accepted: Acceptance) -> Negotiated:
        """What governs the next answer: envelopes leave it less room."""
        channel = accepted.channel
        if channel is None:
            return accepted.negotiated
        return accepted.negotiated.less(channel.overhead(accepted.control | self._demanded))

    def _protect(self, plain: bytes) -> bytes:
        accepted = self._accepted
        assert accepted is not None
        if accepted.channel is None:
            return plain
        return accepted.channel.protect(plain, accepted.control | self._demanded)

    # -- opening --------------------------------------------------------------------------

    def _associate(self, octets: bytes) -> Reply:
        if self._opening is not None and self._opening[0] == octets:
            return Reply(self._opening[1])  # a copy of the datagram; nothing was asked meanwhile
        offer = self.offer
        offer.receive_floor = self.receive_floor
        try:
            accepted, aare = Acceptance.of(octets, offer, self._entropy)
        except RejectedError as rejected:
            incident = Incident.WRONG_PASSWORD if rejected.wrong_password else None
            return Reply(rejection(offer, rejected), incident)
        except DecodeError:
            if offer.ciphered:
                raise
            unread = RejectedError(ServiceUserDiagnostic.NO_REASON_GIVEN)
            return Reply(rejection(offer, unread))
        self._forget()
        self._accepted = accepted
        self._heard.append(octets)
        self._opening = (octets, aare)
        self.state = step(SERVER, self.state, Happening.REQUESTED)
        happening = Happening.CHALLENGED if accepted.is_to_be_proved else Happening.ACCEPTED
        self.state = step(SERVER, self.state, happening)
        return Reply(aare)

    # -- HLS passes 3 and 4, release ------------------------------------------------------

    def _authenticate(self, octets: bytes) -> Reply:
        accepted = self._accepted
        assert accepted is not None
        ciphered = self.offer.ciphered
        plain = self._uncover(octets) if ciphered else octets
        request = codec.decode(plain, strict=True)
        data = proof_in(request) if plain[0] in self._request_tags else None
        if data is None:
            return Reply(_exception(StateError.SERVICE_NOT_ALLOWED))
        self._opening = None
        self._demanded = 0
        try:
            proof = accepted.prove(data)
        except (SecurityError, DecodeError):
            response = codec.encode(answer_to(request, None))
            if ciphered:
                response = self._protect(response)
            self._forget()
            self.state = step(SERVER, self.state, Happening.REFUSED)
            return Reply(response, Incident.AUTHENTICATION_FAILED)
        self.state = step(SERVER, self.state, Happening.AUTHENTICATED)
        response = codec.encode(answer_to(request, proof))
        if ciphered:
            return Reply(self._protect(response))
        self.offer.receive_floor = self.receive_floor
        accepted.channel = None
        return Reply(response)

    def _release(self, octets: bytes) -> Reply:
        accepted = self._accepted
        assert accepted is not None
        request = codec.decode(octets)
        assert isinstance(request, Rlrq)
        if self.offer.pre_established:
            return Reply(None)
        information = None
        if accepted.channel is not None and request.user_information:
            # One that claims to be protected and is not is not heard. A bare one is: clients in
            # the field send it, and who can forge it can cut the line as well [asn1].
            try:
                opened = accepted.channel.unprotect(request.user_information, initiate=True)
            except (SecurityError, DecodeError):
                return Reply(None, Incident.DECIPHERING_FAILED)
            if self.offer.ciphered:
                information = accepted.initiate_response(opened.control)
        self._forget()
        self.state = step(SERVER, self.state, Happening.RELEASED)
        return Reply(Rlre(user_information=information).to_octets())

    # -- pushes and their receipts --------------------------------------------------------

    def _channel_to_push(self) -> Channel:
        if self._accepted is not None and self._accepted.channel is not None:
            return self._accepted.channel
        if self._push_channel is None:
            title = self.offer.client_system_title
            self._push_channel = new_channel(self.offer, title, self._entropy)
        if self._push_channel is None:
            raise SecurityError("no keys are shared with this client", where="association")
        return self._push_channel

    def _receipt(self, octets: bytes) -> Reply | Receipt:
        """A receipt outside an association; anything that is none is met with silence."""
        if octets[0] != _RECEIPT:
            try:
                octets = self._channel_to_push().unprotect(octets).plain
            except (SecurityError, DecodeError):
                return Reply(None)
        return _receipt_within(octets) or Reply(None)

    def _forget(self) -> None:
        self.offer.receive_floor = self.receive_floor
        self._accepted = None
        self._opening = None
        self._demanded = 0
        self._silent = False
        self._blocks = self._no_blocks()

    def _no_blocks(self) -> ServerBlocks | ShortNameBlocks:
        return ShortNameBlocks() if self.offer.short_names else ServerBlocks()


def _receipt_within(plain: bytes) -> Receipt | None:
    if plain[:1] != _RECEIPT_TAG:
        return None
    confirm = codec.decode(plain)
    assert isinstance(confirm, DataNotificationConfirm)
    return Receipt(confirm)


def _exception(
    state: StateError,
    service: ExceptionServiceError = ExceptionServiceError.OPERATION_NOT_POSSIBLE,
) -> bytes:
    return ExceptionResponse(state, service).to_octets()
