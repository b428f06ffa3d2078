"""What a client says to open and to release an association, and its judgement of the answers.

Octets and APDUs in and out, no clocks: `client` sends and waits. Raises `SecurityError`,
`RefusedError`, `SequenceError`, `DecodeError` and `IncompatibleError` for answers that are not what
they should be.
"""

from __future__ import annotations

from collections.abc import Callable

from ferraris.core.errors import (
    DecodeError,
    IncompatibleError,
    RefusedError,
    SecurityError,
    SequenceError,
    UsageError,
)
from ferraris.data.axdr import decode as decode_data
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.acse import (
    AUTHENTICATION,
    Aare,
    Aarq,
    ApplicationContext,
    Mechanism,
    Rlrq,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.handshake import proof_request, proof_returned
from ferraris.messaging.dlms.association.parameters import (
    MAX_CHALLENGE,
    MIN_CHALLENGE,
    ClientParameters,
    Negotiated,
)
from ferraris.messaging.dlms.association.proofs import Proofs
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    AssociationResult,
    ExceptionServiceError,
    ServiceUserDiagnostic,
)
from ferraris.messaging.dlms.errors import ConfirmedServiceError, ExceptionResponse
from ferraris.messaging.dlms.initiate import (
    DLMS_VERSION,
    VAA_NAME_SHORT_NAMES,
    InitiateRequest,
    InitiateResponse,
)
from ferraris.messaging.dlms.security import hls
from ferraris.messaging.dlms.security.control import BOTH, SIGNED
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT, CounterLease
from ferraris.messaging.dlms.security.forms import Form

__all__ = ["Opening"]

_WHERE = "association"
_TITLE_OCTETS = 8


class Opening:
    """One attempt to open an association; `channel` and `negotiated` govern it once it is open.

    Raises `UsageError` for parameters that cannot work, before anything is sent.
    """

    def __init__(self, parameters: ClientParameters) -> None:
        _check(parameters)
        self.parameters = parameters
        self.negotiated: Negotiated | None = None
        self.peer_system_title = parameters.peer_system_title
        self.channel = _channel(parameters)
        self._challenge = b""  # StoC
        self._dedicated_key: bytes | None = None
        self._proposed = parameters.services
        # The general forms are a service of their own, and ACCESS has no other [asn1].
        access = parameters.ciphered and self._proposed & int(Conformance.ACCESS)
        if access or parameters.control & SIGNED or parameters.form.form is not Form.SERVICE:
            self._proposed |= int(Conformance.GENERAL_PROTECTION)
        if parameters.general_blocks:
            self._proposed |= int(Conformance.GENERAL_BLOCK_TRANSFER)
        if parameters.dedicated is not None:
            assert parameters.keys is not None
            self._dedicated_key = parameters.dedicated(parameters.keys.suite.key_octets)

    @property
    def protected(self) -> Channel | None:
        """The channel when APDUs are ciphered; HLS with GMAC has one in a plain context too."""
        return self.channel if self.parameters.ciphered else None

    def presume(self) -> None:
        """Take for granted what a pre-established association is configured to."""
        parameters = self.parameters
        self.negotiated = Negotiated(
            self._proposed,
            parameters.server_max_pdu,
            parameters.max_pdu,
            self._protected_octets,
        ).less(self._overhead)

    def request(self) -> bytes:
        """The AARQ."""
        parameters = self.parameters
        initiate = InitiateRequest(
            self._proposed, parameters.max_pdu, dedicated_key=self._dedicated_key
        ).to_octets()
        if self.protected is not None:
            initiate = self.protected.protect_initiate(initiate)
        aarq = Aarq(
            application_context=_context(parameters),
            calling_ap_title=parameters.system_title or None,
            user_information=initiate,
        )
        mechanism = Mechanism(parameters.mechanism)
        if mechanism != Mechanism.LOWEST:
            is_password = mechanism == Mechanism.LOW
            aarq.sender_acse_requirements = AUTHENTICATION
            aarq.mechanism = mechanism
            aarq.calling_authentication_value = (
                parameters.secret if is_password else parameters.challenge
            )
        return aarq.to_octets()

    def accepted(self, aare: Aare) -> Apdu | None:
        """Judge the AARE: None when the association is open, else pass 3 of HLS to be sent."""
        parameters = self.parameters
        self._learn_title(aare)
        if aare.result != AssociationResult.ACCEPTED:
            raise _refusal(aare)
        if aare.application_context != _context(parameters):
            raise SecurityError("the meter answered for another application context", where=_WHERE)
        response = self._initiate_response(aare)
        self.negotiated = Negotiated(
            conformance=int(response.negotiated_conformance) & self._proposed,
            max_send=response.server_max_receive_pdu_size,
            max_receive=parameters.max_pdu,
            protected_octets=self._protected_octets,
        ).less(self._overhead)
        if parameters.mechanism < Mechanism.HIGH:
            self._dedicate()
            return None
        if aare.diagnostic != ServiceUserDiagnostic.AUTHENTICATION_REQUIRED:
            raise SecurityError(
                "the meter skipped the high-level authentication that was asked for", where=_WHERE
            )
        if aare.mechanism is not None and aare.mechanism != parameters.mechanism:
            raise SecurityError("the meter answered with another mechanism", where=_WHERE)
        token = self._token(aare.responding_authentication_value or b"")
        self._dedicate()
        return proof_request(token, short_names=parameters.short_names)

    def authenticated(self, octets: bytes) -> None:
        """Judge pass 4 of HLS, the meter's own proof."""
        parameters = self.parameters
        if self.protected is not None:
            octets = self.protected.unprotect(octets).plain
        tag, token = decode_data(proof_returned(codec.decode(octets)))
        if tag != 9:
            raise DecodeError("the meter's proof is not an octet-string", where=_WHERE)
        self._proofs.check(token, sent=parameters.challenge, received=self._challenge)

    def release(self) -> bytes:
        """The RLRQ; protected by the global key where APDUs are ciphered [facts-g]."""
        information = None
        if self.protected is not None:
            parameters = self.parameters
            initiate = InitiateRequest(self._proposed, parameters.max_pdu)
            information = self.protected.protect_initiate(initiate.to_octets())
        return Rlrq(user_information=information).to_octets()

    def refused_plainly(self, octets: bytes) -> RefusedError:
        """An exception-response ends the opening: all a server says to a bad tag or counter."""
        answer = codec.decode(octets)
        assert isinstance(answer, ExceptionResponse)
        if answer.service_error == ExceptionServiceError.INVOCATION_COUNTER_ERROR:
            counter = answer.invocation_counter
            lowest = "" if counter is None else f"; it claims to take {counter} and up"
            text = f"the meter has seen our invocation counter before, or a higher one{lowest}"
        else:
            text = (
                f"the meter refused the association ({answer.words}): wrong key, or an altered "
                "message, or a system title or an association that it does not know; compare the "
                "keys first"
            )
        return RefusedError(text, reason=answer.service_error, where=_WHERE)

    def _dedicate(self) -> None:
        if self._dedicated_key is not None:
            assert self.channel is not None
            self.channel.dedicate(self._dedicated_key, CounterLease(1, COUNTER_LIMIT))
            self._dedicated_key = None

    def _learn_title(self, aare: Aare) -> None:
        title = aare.responding_ap_title
        if not title:
            return
        known = self.parameters.peer_system_title
        if known and known != title:
            raise SecurityError("the meter has another system title than expected", where=_WHERE)
        self.peer_system_title = title
        if self.channel is not None:
            self.channel.learn_peer(title)

    def _initiate_response(self, aare: Aare) -> InitiateResponse:
        octets = aare.user_information
        if not octets:
            raise DecodeError("the AARE carries no InitiateResponse", where=_WHERE)
        if self.protected is not None:
            octets = self.protected.unprotect(octets, initiate=True).plain
        response = codec.decode(octets)
        if isinstance(response, ConfirmedServiceError):
            raise RefusedError(
                f"the meter refused to initiate: {response.words}",
                reason=response.reason,
                where=_WHERE,
            )
        if not isinstance(response, InitiateResponse):
            raise SequenceError(
                f"{type(response).__name__} instead of an InitiateResponse", where=_WHERE
            )
        if response.negotiated_dlms_version_number != DLMS_VERSION:
            raise IncompatibleError(
                f"DLMS version {response.negotiated_dlms_version_number}, only 6 is known",
                where=_WHERE,
            )
        is_short = response.vaa_name == VAA_NAME_SHORT_NAMES
        if is_short is not self.parameters.short_names:
            kind = "short" if is_short else "logical"
            raise IncompatibleError(
                f"the meter names its association {response.vaa_name:04X}, as those with {kind} "
                "names are: try the other kind",
                where=_WHERE,
            )
        return response

    def _token(self, challenge: bytes) -> bytes:
        """f(StoC)."""
        parameters = self.parameters
        hls.check_challenges(parameters.challenge, challenge)
        self._challenge = challenge
        return self._proofs.answer(received=challenge, sent=parameters.challenge)

    @property
    def _protected_octets(self) -> Callable[[int], int] | None:
        return None if self._overhead else self.parameters.protected_octets

    @property
    def _overhead(self) -> int:
        channel = self.protected
        return 0 if channel is None else channel.overhead(channel.control)

    @property
    def _proofs(self) -> Proofs:
        parameters = self.parameters
        return Proofs(
            parameters.mechanism,
            parameters.secret,
            parameters.system_title,
            self.peer_system_title,
            self.channel,
            parameters.pairs,
            parameters.own_mechanism,
        )


def _check(parameters: ClientParameters) -> None:
    """Refuse parameters that cannot work before anything is sent."""
    if parameters.ciphered or parameters.mechanism == Mechanism.HIGH_GMAC:
        if parameters.keys is None or parameters.lease is None:
            raise UsageError("ciphering needs keys and an invocation counter", where=_WHERE)
        if len(parameters.system_title) != 8:
            raise UsageError("ciphering needs a client system title of 8 octets", where=_WHERE)
    if parameters.dedicated is not None and not parameters.ciphered:
        raise UsageError("a dedicated key travels in a ciphered association only", where=_WHERE)
    if parameters.dedicated is not None and parameters.pre_established:
        raise UsageError("a pre-established association has no dedicated key", where=_WHERE)
    if parameters.pre_established and parameters.mechanism == Mechanism.LOW:
        raise UsageError("a pre-established association asks for no password", where=_WHERE)
    hls_used = parameters.mechanism >= Mechanism.HIGH
    if hls_used and not MIN_CHALLENGE <= len(parameters.challenge) <= MAX_CHALLENGE:
        raise UsageError("the challenge needs 8 to 64 octets", where=_WHERE)
    if parameters.mechanism == Mechanism.HIGH_ECDSA:
        if not parameters.pairs.can_sign or len(parameters.system_title) != _TITLE_OCTETS:
            message = "ECDSA needs a signing key, the meter's certificate and a system title"
            raise UsageError(message, where=_WHERE)
        if len(parameters.challenge) < hls.ECDSA_CHALLENGE_OCTETS:
            raise UsageError("the challenge of ECDSA needs 32 to 64 octets", where=_WHERE)
    if parameters.mechanism == Mechanism.HIGH and parameters.own_mechanism is None:
        raise UsageError("mechanism 2 is a manufacturer's own: give what answers", where=_WHERE)
    _check_forms(parameters)


def _check_forms(parameters: ClientParameters) -> None:
    """Refuse a form that lacks its keys."""
    if not parameters.ciphered:
        return
    if not parameters.control & (BOTH | SIGNED):
        raise UsageError("a ciphered association protects something", where=_WHERE)
    if (parameters.control | (parameters.minimum or 0)) & SIGNED and not parameters.pairs.can_sign:
        raise UsageError("signing needs a signing key and the meter's certificate", where=_WHERE)
    if parameters.form.form is Form.ENVELOPE:
        parameters.pairs.maker(parameters.form.source, parameters.entropy)


def _context(parameters: ClientParameters) -> ApplicationContext:
    return ApplicationContext.of(short_names=parameters.short_names, ciphered=parameters.ciphered)


def _channel(parameters: ClientParameters) -> Channel | None:
    if parameters.keys is None or parameters.lease is None:
        return None
    return Channel(
        parameters.keys,
        parameters.system_title,
        parameters.lease,
        control=parameters.control,
        shape=parameters.form,
        peer_system_title=parameters.peer_system_title,
        floor=parameters.receive_floor,
        minimum=parameters.minimum,
        pairs=parameters.pairs,
        entropy=parameters.entropy,
        transaction_floor=parameters.transaction_floor,
        transaction_offset=parameters.transaction_offset,
    )


def _refusal(aare: Aare) -> RefusedError:
    """What a rejecting AARE says, with the inner error when there is one."""
    diagnostic = aare.diagnostic
    words = diagnostic.words
    if aare.user_information and aare.user_information[:1] == b"\x0e":
        inner = codec.decode(aare.user_information)
        if isinstance(inner, ConfirmedServiceError):
            words = f"{words}; {inner.words}"
    remedy = {
        ServiceUserDiagnostic.AUTHENTICATION_FAILURE: "; check the password or key",
        ServiceUserDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED: (
            "; this client address may need ciphering, or must not use it, or the meter speaks by "
            "the other kind of names"
        ),
        ServiceUserDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED: (
            "; this client address needs authentication"
        ),
    }
    hint = ""
    if isinstance(diagnostic, ServiceUserDiagnostic):
        hint = remedy.get(diagnostic, "")
    return RefusedError(
        f"the meter refused the association: {words}{hint}", reason=diagnostic, where=_WHERE
    )
