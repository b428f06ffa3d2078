"""How a server judges an AARQ and the proof that follows, and what it answers.

An `Acceptance` is one association that was asked for: its channel, what was negotiated and, for
high-level security, the challenges. It is made whole before it takes the place of another, so that
a forged AARQ ends nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.data.axdr import decode as decode_data
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.acse import (
    AUTHENTICATION,
    Aare,
    Aarq,
    ApplicationContext,
    Mechanism,
)
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.parameters import MIN_MAX_PDU, Negotiated, ServerOffer
from ferraris.messaging.dlms.association.proofs import Proofs
from ferraris.messaging.dlms.enumerations import (
    AssociationResult,
    InitiateError,
    ServiceProviderDiagnostic,
    ServiceUserDiagnostic,
    SourceDiagnostic,
)
from ferraris.messaging.dlms.errors import ConfirmedServiceError
from ferraris.messaging.dlms.initiate import (
    DLMS_VERSION,
    VAA_NAME_LOGICAL_NAMES,
    VAA_NAME_SHORT_NAMES,
    InitiateRequest,
    InitiateResponse,
)
from ferraris.messaging.dlms.security import hls
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT, CounterLease

__all__ = ["Acceptance", "RejectedError", "new_channel", "presumed", "rejection", "turned_away"]

_WHERE = "association"
_TITLED = frozenset((Mechanism.HIGH_GMAC, Mechanism.HIGH_SHA256, Mechanism.HIGH_ECDSA))
_VERSION_1 = 0x80  # first bit of the protocol-version bit string [asn1]


class RejectedError(Exception):
    """An AARQ that is answered by a rejecting AARE; `wrong_password` is worth a note."""

    def __init__(
        self,
        diagnostic: SourceDiagnostic,
        information: bytes | None = None,
        *,
        wrong_password: bool = False,
    ) -> None:
        super().__init__(diagnostic.words)
        self.diagnostic = diagnostic
        self.information = information
        self.wrong_password = wrong_password


class Acceptance:
    """One association in the making, or made.

    `channel` protects its APDUs, None where they are plain; `control` holds the security-control
    octet of the last request, since answers come in its form [facts-g §9].
    """

    def __init__(
        self,
        offer: ServerOffer,
        negotiated: Negotiated,
        client_system_title: bytes,
        channel: Channel | None,
        control: int = 0,
    ) -> None:
        self.offer = offer
        self.negotiated = negotiated
        self.client_system_title = client_system_title
        self.channel = channel
        self.control = control
        self._challenges = (b"", b"")  # CtoS, StoC

    @classmethod
    def of(
        cls, octets: bytes, offer: ServerOffer, entropy: Callable[[int], bytes]
    ) -> tuple[Acceptance, bytes]:
        """Judge an AARQ: the association and its AARE.

        Raises `RejectedError`, `SecurityError` for a tag or a counter, `DecodeError` for no AARQ.
        """
        aarq = codec.decode(octets)
        if not isinstance(aarq, Aarq):
            raise DecodeError("no AARQ", where=_WHERE)
        _check(aarq, offer)
        title = aarq.calling_ap_title or b""
        channel = _channel_for(aarq, offer, entropy)
        control, information = 0, aarq.user_information or b""
        if channel is not None and offer.ciphered:
            opened = channel.unprotect(information, initiate=True)
            control, information = opened.control, opened.plain
        request = codec.decode(information)
        if not isinstance(request, InitiateRequest):
            raise DecodeError("no InitiateRequest", where=_WHERE)
        conformance = int(request.proposed_conformance) & offer.services(control)
        _check_initiate(request, conformance, offer)
        negotiated = Negotiated(conformance, request.client_max_receive_pdu_size, offer.max_pdu)
        acceptance = cls(offer, negotiated, title, channel, control)
        aare = acceptance._aare(aarq, entropy)
        if request.dedicated_key is not None:
            assert channel is not None
            channel.dedicate(request.dedicated_key, CounterLease(1, COUNTER_LIMIT))
        return acceptance, aare

    @property
    def is_to_be_proved(self) -> bool:
        """High-level security: passes three and four are due."""
        return bool(self._challenges[1])

    def initiate_response(self, control: int) -> bytes:
        """The InitiateResponse of the AARE and the RLRE, protected where the context is."""
        name = VAA_NAME_SHORT_NAMES if self.offer.short_names else VAA_NAME_LOGICAL_NAMES
        response = InitiateResponse(
            self.negotiated.conformance, self.offer.max_pdu, name
        ).to_octets()
        if not self.offer.ciphered:
            return response
        assert self.channel is not None
        return self.channel.protect_initiate(response, control | self.offer.answer_policy)

    def prove(self, data: bytes) -> bytes:
        """Check f(StoC) and return f(CtoS); raises `SecurityError`."""
        offer = self.offer
        client_challenge, server_challenge = self._challenges
        tag, proof = decode_data(data)
        if tag != 9:
            raise SecurityError("the proof is not an octet-string", where=_WHERE)
        self._challenges = (b"", b"")
        proofs = Proofs(
            offer.mechanism,
            offer.secret,
            offer.system_title,
            self.client_system_title,
            self.channel,
            offer.pairs,
            offer.own_mechanism,
        )
        proofs.check(proof, sent=server_challenge, received=client_challenge)
        return proofs.answer(received=client_challenge, sent=server_challenge)

    def _aare(self, aarq: Aarq, entropy: Callable[[int], bytes]) -> bytes:
        offer = self.offer
        aare = Aare(
            aarq.application_context,
            user_information=self.initiate_response(self.control),
            responding_ap_title=offer.system_title if aarq.calling_ap_title else None,
        )
        if offer.mechanism >= Mechanism.HIGH:
            octets = offer.challenge_octets
            if offer.mechanism == Mechanism.HIGH_ECDSA:
                octets = max(octets, hls.ECDSA_CHALLENGE_OCTETS)
            challenge = entropy(octets)
            self._challenges = (aarq.calling_authentication_value or b"", challenge)
            aare.diagnostic = ServiceUserDiagnostic.AUTHENTICATION_REQUIRED
            aare.mechanism = Mechanism(offer.mechanism)
            aare.responder_acse_requirements = AUTHENTICATION
            aare.responding_authentication_value = challenge
        return aare.to_octets()


def presumed(offer: ServerOffer, entropy: Callable[[int], bytes]) -> Acceptance:
    """The pre-established association that an offer describes."""
    services = offer.services(offer.policy if offer.ciphered else 0)
    negotiated = Negotiated(services, offer.client_max_pdu, offer.max_pdu)
    channel = new_channel(offer, offer.client_system_title, entropy) if offer.ciphered else None
    return Acceptance(offer, negotiated, offer.client_system_title, channel, offer.policy)


def new_channel(
    offer: ServerOffer, client_system_title: bytes, entropy: Callable[[int], bytes]
) -> Channel | None:
    """A channel towards the client of an offer, None where it has no keys."""
    if offer.keys is None or offer.lease is None:
        return None
    return Channel(
        offer.keys,
        offer.system_title,
        offer.lease,
        control=offer.policy,
        peer_system_title=client_system_title,
        floor=offer.receive_floor,
        minimum=offer.policy,
        mirror=True,
        pairs=offer.pairs,
        entropy=entropy,
        transaction_floor=offer.transaction_floor,
        transaction_offset=offer.transaction_offset,
    )


def rejection(offer: ServerOffer, rejected: RejectedError) -> bytes:
    """The AARE that says no."""
    return Aare(
        _context(offer),
        AssociationResult.REJECTED_PERMANENT,
        rejected.diagnostic,
        user_information=rejected.information,
    ).to_octets()


def turned_away(offer: ServerOffer) -> bytes:
    """The AARE for everybody, whatever they know, while a server takes nobody: come later."""
    return Aare(
        _context(offer),
        AssociationResult.REJECTED_TRANSIENT,
        ServiceUserDiagnostic.NO_REASON_GIVEN,
    ).to_octets()


def _context(offer: ServerOffer) -> ApplicationContext:
    return ApplicationContext.of(short_names=offer.short_names, ciphered=offer.ciphered)


def _channel_for(aarq: Aarq, offer: ServerOffer, entropy: Callable[[int], bytes]) -> Channel | None:
    if not offer.ciphered and offer.mechanism != Mechanism.HIGH_GMAC:
        return None
    if offer.keys is None or offer.lease is None:
        raise SecurityError("no keys are shared with this client", where=_WHERE)
    title = aarq.calling_ap_title or b""
    hls.check_system_titles(offer.system_title, title)
    return new_channel(offer, title, entropy)


def _check(aarq: Aarq, offer: ServerOffer) -> None:
    """Raise `RejectedError` for whatever speaks against an AARQ before its content is looked at."""
    diagnostic = _objection(aarq, offer)
    if diagnostic is not None:
        raise RejectedError(diagnostic)
    if offer.mechanism == Mechanism.LOW:
        try:
            hls.check_password(offer.secret, aarq.calling_authentication_value or b"")
        except SecurityError:
            raise RejectedError(
                ServiceUserDiagnostic.AUTHENTICATION_FAILURE, wrong_password=True
            ) from None


def _objection(aarq: Aarq, offer: ServerOffer) -> SourceDiagnostic | None:
    if offer.pre_established:
        return ServiceUserDiagnostic.NO_REASON_GIVEN
    version = aarq.protocol_version
    if version is not None and not (len(version) > 1 and version[1] & _VERSION_1):
        return ServiceProviderDiagnostic.NO_COMMON_ACSE_VERSION
    if aarq.application_context != _context(offer):
        return ServiceUserDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    mechanism = Mechanism.LOWEST if aarq.mechanism is None else aarq.mechanism
    if mechanism != offer.mechanism:
        if mechanism == Mechanism.LOWEST:
            return ServiceUserDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED
        return ServiceUserDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED
    return _bad_credentials(aarq, offer, mechanism)


def _bad_credentials(
    aarq: Aarq, offer: ServerOffer, mechanism: Mechanism
) -> SourceDiagnostic | None:
    title_needed = offer.ciphered or mechanism in _TITLED
    title = aarq.calling_ap_title or b""
    if title_needed and (len(title) != 8 or title == offer.system_title):
        return ServiceUserDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED
    challenge = aarq.calling_authentication_value or b""
    if offer.mechanism >= Mechanism.HIGH and not 8 <= len(challenge) <= 64:
        return ServiceUserDiagnostic.AUTHENTICATION_FAILURE
    return None


def _check_initiate(request: InitiateRequest, conformance: int, offer: ServerOffer) -> None:
    """Raise `RejectedError` for what cannot be agreed to; an unfit dedicated key is one [asn1]."""
    key = request.dedicated_key
    if request.proposed_dlms_version_number < DLMS_VERSION:
        error = InitiateError.DLMS_VERSION_TOO_LOW
    elif not conformance:
        error = InitiateError.INCOMPATIBLE_CONFORMANCE
    elif 0 < request.client_max_receive_pdu_size < MIN_MAX_PDU:
        error = InitiateError.PDU_SIZE_TOO_SHORT
    elif key is not None and not _is_fit(key, offer):
        error = InitiateError.REFUSED_BY_THE_VDE_HANDLER
    else:
        return
    refusal = ConfirmedServiceError.initiate(error).to_octets()
    raise RejectedError(ServiceUserDiagnostic.NO_REASON_GIVEN, refusal)


def _is_fit(key: bytes, offer: ServerOffer) -> bool:
    keys = offer.keys
    if not offer.ciphered or keys is None:
        return False
    return len(key) == keys.suite.key_octets and key != keys.encryption_key
