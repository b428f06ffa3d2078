"""The server's end of an association: AARQ, HLS, protected services, blocks, release.

A synchronous object without clocks, since a server only answers: octets of an APDU in, and out
comes an answer, or an `Indication` that somebody has to serve and to `respond` to. `server` puts
it on a transport.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ferraris.core.errors import DecodeError, SecurityError, SequenceError
from ferraris.data.axdr import decode as decode_data
from ferraris.data.axdr import encode as encode_data
from ferraris.data.kinds import octet_string
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.acse import (
    AUTHENTICATION,
    Aare,
    Aarq,
    ApplicationContext,
    Mechanism,
    Rlre,
    Rlrq,
)
from ferraris.messaging.dlms.action import ActionRequestNormal, ActionResponseNormal
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.parameters import MIN_MAX_PDU, Negotiated, ServerOffer
from ferraris.messaging.dlms.association.server_blocks import ServerBlocks, is_unconfirmed
from ferraris.messaging.dlms.association.states import SERVER, Happening, State, step
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    AssociationResult,
    ExceptionServiceError,
    InitiateError,
    ServiceProviderDiagnostic,
    ServiceUserDiagnostic,
    SourceDiagnostic,
    StateError,
)
from ferraris.messaging.dlms.errors import ConfirmedServiceError, ExceptionResponse
from ferraris.messaging.dlms.initiate import DLMS_VERSION, InitiateRequest, InitiateResponse
from ferraris.messaging.dlms.names import MethodDescriptor
from ferraris.messaging.dlms.security import hls
from ferraris.messaging.dlms.security.counters import ReplayError

__all__ = ["Incident", "Indication", "Reply", "ServerAssociation"]

_CURRENT_ASSOCIATION = bytes((0, 0, 40, 0, 0, 255))  # [bluebook-quoted]
_REPLY_TO_HLS = MethodDescriptor(15, _CURRENT_ASSOCIATION, 1)
_VERSION_1 = 0x80  # first bit of the protocol-version bit string [asn1]
_REQUEST_TAGS = frozenset((0xC0, 0xC1, 0xC3))


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
    """A request to be served, and the security-control bits it came with."""

    request: Apdu
    protection: int


class ServerAssociation:
    """One client's association as the server sees it.

    `entropy(n)` gives n fresh octets for challenges. After every call `receive_floor` may have
    risen and is to be kept by whoever knows the device.
    """

    def __init__(self, offer: ServerOffer, entropy: Callable[[int], bytes]) -> None:
        self.offer = offer
        self.state = State.IDLE
        self.negotiated: Negotiated | None = None
        self.client_system_title = b""
        self._entropy = entropy
        self._channel: Channel | None = None
        self._control = 0  # of the last request: answers come in its form [facts-g §9]
        self._challenges = (b"", b"")  # CtoS, StoC
        self._blocks = ServerBlocks()
        self._silent = False  # the last request was unconfirmed

    @property
    def receive_floor(self) -> int:
        """The highest invocation counter accepted from this client."""
        return self.offer.receive_floor if self._channel is None else self._channel.floor

    @receive_floor.setter
    def receive_floor(self, counter: int) -> None:
        if self._channel is None:
            self.offer.receive_floor = counter
        else:
            self._channel.floor = counter

    def receive(self, octets: bytes) -> Reply | Indication:
        """Take one APDU. Never raises for the peer's octets."""
        try:
            tag = octets[0] if octets else 0
            if tag == 0x60:
                return self._associate(octets)
            if self.state is State.ASSOCIATED:
                return self._service(octets) if tag != 0x62 else self._release(octets)
            if self.state is State.AUTHENTICATION_PENDING:
                return self._authenticate(octets) if tag != 0x62 else self._release(octets)
            return Reply(None if tag == 0x62 else _exception(StateError.SERVICE_NOT_ALLOWED))
        except ReplayError as replay:
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

    def respond(self, response: Apdu) -> bytes | None:
        """The octets that answer the last `Indication`; long ones become a first block.

        None, silence, when the request was unconfirmed.
        """
        assert self.negotiated is not None
        if self._silent:
            return None
        plain = self._blocks.respond(response, self.negotiated, protected=self._channel is not None)
        return self._protect(plain)

    def disconnected(self) -> None:
        """The lower layer is gone, and the association with it."""
        self.offer.receive_floor = self.receive_floor
        self._forget()
        self.state = State.IDLE

    # -- services -------------------------------------------------------------------------

    def _service(self, octets: bytes) -> Reply | Indication:
        plain = self._uncover(octets)
        if plain[:1] and plain[0] not in _REQUEST_TAGS:
            error = ExceptionServiceError.SERVICE_NOT_SUPPORTED
            return Reply(_exception(StateError.SERVICE_UNKNOWN, error))
        request = codec.decode(plain, strict=True)
        assert self.negotiated is not None
        self._silent = is_unconfirmed(request)
        outcome = self._blocks.take(request, self.negotiated, protected=self._channel is not None)
        if isinstance(outcome, bytes):
            return Reply(None if self._silent else self._protect(outcome))
        return Indication(outcome, self._control & 0x30)

    def _uncover(self, octets: bytes) -> bytes:
        if self._channel is None:
            return octets
        opened = self._channel.unprotect(octets)
        self._control = opened.control
        return opened.plain

    def _protect(self, plain: bytes) -> bytes:
        if self._channel is None:
            return plain
        return self._channel.protect(plain, self._control)

    # -- opening --------------------------------------------------------------------------

    def _associate(self, octets: bytes) -> Reply:
        offer = self.offer
        offer.receive_floor = self.receive_floor
        if self.state is not State.IDLE:
            self._forget()
        self.state = step(SERVER, self.state, Happening.REQUESTED)
        try:
            aarq = codec.decode(octets)
            assert isinstance(aarq, Aarq)
            diagnostic = _objection(aarq, offer)
        except DecodeError:
            return self._reject(ServiceUserDiagnostic.NO_REASON_GIVEN)
        if diagnostic is not None:
            return self._reject(diagnostic)
        if offer.mechanism == Mechanism.LOW:
            try:
                hls.check_password(offer.secret, aarq.calling_authentication_value or b"")
            except SecurityError:
                return self._reject(
                    ServiceUserDiagnostic.AUTHENTICATION_FAILURE, Incident.WRONG_PASSWORD
                )
        try:
            return self._initiate(aarq)
        except (SecurityError, DecodeError):
            self._forget()
            self.state = step(SERVER, self.state, Happening.REFUSED)
            raise

    def _initiate(self, aarq: Aarq) -> Reply:
        offer = self.offer
        octets = aarq.user_information or b""
        self._set_up_channel(aarq)
        if self._channel is not None and offer.ciphered:
            opened = self._channel.unprotect(octets)
            self._control, octets = opened.control, opened.plain
        request = codec.decode(octets)
        if not isinstance(request, InitiateRequest):
            raise DecodeError("no InitiateRequest", where="association")
        conformance = int(request.proposed_conformance) & offer.conformance
        error = _initiate_error(request, conformance)
        if error is not None:
            refusal = ConfirmedServiceError.initiate(error).to_octets()
            return self._reject(ServiceUserDiagnostic.NO_REASON_GIVEN, information=refusal)
        self.negotiated = Negotiated(
            conformance=conformance,
            max_send=request.client_max_receive_pdu_size,
            max_receive=offer.max_pdu,
        )
        response = InitiateResponse(conformance, offer.max_pdu).to_octets()
        if offer.ciphered:
            assert self._channel is not None
            response = self._channel.protect_initiate(response, self._control)
        aare = Aare(
            aarq.application_context,
            user_information=response,
            responding_ap_title=offer.system_title if aarq.calling_ap_title else None,
        )
        if offer.mechanism < Mechanism.HIGH:
            self.state = step(SERVER, self.state, Happening.ACCEPTED)
            return Reply(aare.to_octets())
        challenge = self._entropy(offer.challenge_octets)
        self._challenges = (aarq.calling_authentication_value or b"", challenge)
        aare.diagnostic = ServiceUserDiagnostic.AUTHENTICATION_REQUIRED
        aare.mechanism = Mechanism(offer.mechanism)
        aare.responder_acse_requirements = AUTHENTICATION
        aare.responding_authentication_value = challenge
        self.state = step(SERVER, self.state, Happening.CHALLENGED)
        return Reply(aare.to_octets())

    def _set_up_channel(self, aarq: Aarq) -> None:
        offer = self.offer
        self.client_system_title = aarq.calling_ap_title or b""
        if offer.keys is None or offer.lease is None:
            return
        if not offer.ciphered and offer.mechanism != Mechanism.HIGH_GMAC:
            return
        hls.check_system_titles(offer.system_title, self.client_system_title)
        self._channel = Channel(
            offer.keys,
            offer.system_title,
            offer.lease,
            control=offer.policy,
            peer_system_title=self.client_system_title,
            floor=offer.receive_floor,
            minimum=offer.policy,
            mirror=True,
        )

    def _reject(
        self,
        diagnostic: SourceDiagnostic,
        incident: Incident | None = None,
        information: bytes | None = None,
    ) -> Reply:
        context = ApplicationContext.LOGICAL_NAMES
        if self.offer.ciphered:
            context = ApplicationContext.LOGICAL_NAMES_CIPHERED
        aare = Aare(
            context, AssociationResult.REJECTED_PERMANENT, diagnostic, user_information=information
        )
        self._forget()
        self.state = step(SERVER, self.state, Happening.REFUSED)
        return Reply(aare.to_octets(), incident)

    # -- HLS passes 3 and 4, release ------------------------------------------------------

    def _authenticate(self, octets: bytes) -> Reply:
        plain = self._uncover(octets) if self.offer.ciphered else octets
        request = codec.decode(plain, strict=True)
        if not isinstance(request, ActionRequestNormal) or request.method != _REPLY_TO_HLS:
            return Reply(_exception(StateError.SERVICE_NOT_ALLOWED))
        try:
            answer = self._check_proof(request.data or b"")
        except SecurityError:
            response = ActionResponseNormal(
                request.invoke_id_and_priority, ActionResult.OTHER_REASON
            ).to_octets()
            if self.offer.ciphered:
                response = self._protect(response)
            self._forget()
            self.state = step(SERVER, self.state, Happening.REFUSED)
            return Reply(response, Incident.AUTHENTICATION_FAILED)
        self.state = step(SERVER, self.state, Happening.AUTHENTICATED)
        response = ActionResponseNormal(
            request.invoke_id_and_priority,
            ActionResult.SUCCESS,
            encode_data(octet_string(answer)),
        ).to_octets()
        if not self.offer.ciphered:
            self._drop_channel()
            return Reply(response)
        return Reply(self._protect(response))

    def _check_proof(self, data: bytes) -> bytes:
        """Check f(StoC) and return f(CtoS)."""
        offer = self.offer
        client_challenge, server_challenge = self._challenges
        tag, proof = decode_data(data)
        if tag != 9:
            raise SecurityError("the proof is not an octet-string", where="association")
        if offer.mechanism == Mechanism.HIGH_GMAC:
            assert self._channel is not None
            self._channel.check_token(proof, server_challenge)
            return self._channel.token(client_challenge)
        hls.check_digest_reply(
            offer.mechanism,
            offer.secret,
            proof,
            sent=server_challenge,
            received=client_challenge,
            own_title=offer.system_title,
            peer_title=self.client_system_title,
        )
        return hls.digest_reply(
            offer.mechanism,
            offer.secret,
            received=client_challenge,
            sent=server_challenge,
            own_title=offer.system_title,
            peer_title=self.client_system_title,
        )

    def _release(self, octets: bytes) -> Reply:
        request = codec.decode(octets)
        assert isinstance(request, Rlrq)
        information = None
        if self._channel is not None and request.user_information:
            # One that claims to be protected and is not is not heard. A bare one is: clients in
            # the field send it, and who can forge it can cut the line as well [asn1].
            try:
                opened = self._channel.unprotect(request.user_information)
            except (SecurityError, DecodeError):
                return Reply(None, Incident.DECIPHERING_FAILED)
            assert self.negotiated is not None
            conformance = self.negotiated.conformance
            response = InitiateResponse(conformance, self.offer.max_pdu).to_octets()
            information = self._channel.protect_initiate(response, opened.control)
        self._forget()
        self.state = step(SERVER, self.state, Happening.RELEASED)
        return Reply(Rlre(user_information=information).to_octets())

    def _drop_channel(self) -> None:
        self.offer.receive_floor = self.receive_floor
        self._channel = None

    def _forget(self) -> None:
        self._drop_channel()
        self.negotiated = None
        self._challenges = (b"", b"")
        self._blocks = ServerBlocks()


def _objection(aarq: Aarq, offer: ServerOffer) -> SourceDiagnostic | None:
    """What speaks against an AARQ before anything secret is looked at."""
    version = aarq.protocol_version
    if version is not None and not (len(version) > 1 and version[1] & _VERSION_1):
        return ServiceProviderDiagnostic.NO_COMMON_ACSE_VERSION
    context = ApplicationContext.LOGICAL_NAMES
    if offer.ciphered:
        context = ApplicationContext.LOGICAL_NAMES_CIPHERED
    if aarq.application_context != context:
        return ServiceUserDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    mechanism = Mechanism.LOWEST if aarq.mechanism is None else aarq.mechanism
    if mechanism != offer.mechanism:
        if mechanism == Mechanism.LOWEST:
            return ServiceUserDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED
        return ServiceUserDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED
    title_needed = offer.ciphered or mechanism in {Mechanism.HIGH_GMAC, Mechanism.HIGH_SHA256}
    title = aarq.calling_ap_title or b""
    if title_needed and (len(title) != 8 or title == offer.system_title):
        return ServiceUserDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED
    challenge = aarq.calling_authentication_value or b""
    if offer.mechanism >= Mechanism.HIGH and not 8 <= len(challenge) <= 64:
        return ServiceUserDiagnostic.AUTHENTICATION_FAILURE
    return None


def _initiate_error(request: InitiateRequest, conformance: int) -> InitiateError | None:
    if request.proposed_dlms_version_number < DLMS_VERSION:
        return InitiateError.DLMS_VERSION_TOO_LOW
    if not conformance:
        return InitiateError.INCOMPATIBLE_CONFORMANCE
    if 0 < request.client_max_receive_pdu_size < MIN_MAX_PDU:
        return InitiateError.PDU_SIZE_TOO_SHORT
    return None


def _exception(
    state: StateError,
    service: ExceptionServiceError = ExceptionServiceError.OPERATION_NOT_POSSIBLE,
) -> bytes:
    return ExceptionResponse(state, service).to_octets()
