"""The client's end of an association: AARQ, HLS, protected services, release.

A layer: plain xDLMS requests from above, plain responses to above, octets of APDUs below. One
request is in flight at a time; its answer is known by its invoke id and its kind.
"""

from __future__ import annotations

from ferraris.core.errors import (
    DecodeError,
    Error,
    IncompatibleError,
    LineError,
    RefusedError,
    SecurityError,
    SequenceError,
    UsageError,
)
from ferraris.core.layer import Closed, Deliver, Failed, Notice, Opened, Progress
from ferraris.core.stack import Plain
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
from ferraris.messaging.dlms.action import (
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestListFirstBlock,
    ActionRequestNextBlock,
    ActionRequestNormal,
    ActionRequestWithList,
    ActionResponseBlock,
    ActionResponseNextBlock,
    ActionResponseNormal,
    ActionResponseWithList,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.parameters import (
    MAX_CHALLENGE,
    MIN_CHALLENGE,
    ClientParameters,
    Negotiated,
)
from ferraris.messaging.dlms.association.states import CLIENT, Happening, State, step
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    AssociationResult,
    ExceptionServiceError,
    ServiceUserDiagnostic,
)
from ferraris.messaging.dlms.errors import ConfirmedServiceError, ExceptionResponse
from ferraris.messaging.dlms.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithBlock,
    GetResponseWithList,
)
from ferraris.messaging.dlms.initiate import DLMS_VERSION, InitiateRequest, InitiateResponse
from ferraris.messaging.dlms.invoke import CALLERS_BITS, CONFIRMED, INVOKE_ID, service_class
from ferraris.messaging.dlms.names import MethodDescriptor
from ferraris.messaging.dlms.notify import DataNotification, EventNotification
from ferraris.messaging.dlms.security import hls
from ferraris.messaging.dlms.set import (
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestListFirstBlock,
    SetRequestNormal,
    SetRequestWithList,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseNormal,
    SetResponseWithList,
)

__all__ = ["ClientAssociation", "is_push"]

_WHERE = "association"
_CURRENT_ASSOCIATION = bytes((0, 0, 40, 0, 0, 255))  # [bluebook-quoted]
_EXCEPTION = b"\xd8"

_GET_ANSWERS = (GetResponseNormal, GetResponseWithBlock, GetResponseWithList)
_SET_ANSWERS = (
    SetResponseNormal,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseWithList,
)
_ACTION_ANSWERS = (
    ActionResponseNormal,
    ActionResponseBlock,
    ActionResponseWithList,
    ActionResponseNextBlock,
)
_ANSWERS: dict[type, tuple[type, ...]] = {
    **dict.fromkeys((GetRequestNormal, GetRequestNext, GetRequestWithList), _GET_ANSWERS),
    **dict.fromkeys(
        (
            SetRequestNormal,
            SetRequestFirstBlock,
            SetRequestBlock,
            SetRequestWithList,
            SetRequestListFirstBlock,
        ),
        _SET_ANSWERS,
    ),
    **dict.fromkeys(
        (
            ActionRequestNormal,
            ActionRequestNextBlock,
            ActionRequestFirstBlock,
            ActionRequestBlock,
            ActionRequestWithList,
            ActionRequestListFirstBlock,
        ),
        _ACTION_ANSWERS,
    ),
}
_UNCONFIRMABLE = frozenset(
    (SetRequestNormal, SetRequestWithList, ActionRequestNormal, ActionRequestWithList)
)
_CHANGING = frozenset(_ANSWERS) - {GetRequestNormal, GetRequestNext, GetRequestWithList}
# These go on with the exchange before them and keep its invoke id [asn1].
_CONTINUING = frozenset(
    (GetRequestNext, SetRequestBlock, ActionRequestNextBlock, ActionRequestBlock)
)
_ERRORS = (ExceptionResponse, ConfirmedServiceError)
_PUSHES = (DataNotification, EventNotification)


def is_push(unit: Apdu) -> bool:
    """Whether a delivered APDU came without having been asked for."""
    return isinstance(unit, _PUSHES)


class ClientAssociation(Plain[Apdu, Apdu, bytes]):
    """An association seen from the client.

    Opens by itself when the layer below opens. `Failed` names the request that it ended, or
    nothing when a strange unit was only dropped: a forged, replayed or stray answer never ends an
    exchange, but when the right one does not come, the strange one is the reason given.
    """

    def __init__(self, parameters: ClientParameters) -> None:
        super().__init__()
        self.parameters = parameters
        self.state = State.INACTIVE
        self.negotiated: Negotiated | None = None
        self.peer_system_title = parameters.peer_system_title
        self._channel: Channel | None = None
        self._pending: Apdu | None = None
        self._unanswered: Apdu | None = None  # an unconfirmed request that is about to leave
        self._answers: tuple[type, ...] = ()
        self._challenge = b""  # StoC
        self._invoke_id = 0
        self._response_deadline: float | None = None
        self._clock_due = False
        self._timeout_s = parameters.response_timeout_s
        self._suspicion: Error | None = None

    # -- the layer contract ---------------------------------------------------------------

    @property
    def room(self) -> bool:
        return self.state is State.ASSOCIATED and self._pending is self._unanswered is None

    @property
    def expects(self) -> bool:
        return self._response_deadline is not None

    @property
    def deadline(self) -> float | None:
        return self._response_deadline

    @property
    def receive_floor(self) -> int:
        """The highest invocation counter accepted from the server, to be kept for next time."""
        return self.parameters.receive_floor if self._channel is None else self._channel.floor

    def open(self, now: float) -> None:
        """Request the association; the layer below is open."""
        parameters = self.parameters
        _check(parameters)
        self.state = step(CLIENT, State.INACTIVE, Happening.CONNECTED)
        self._pending = self._unanswered = None
        self._suspicion, self.negotiated = None, None
        self._channel = _channel(parameters)
        initiate = InitiateRequest(parameters.conformance, parameters.max_pdu).to_octets()
        if self._channel is not None and parameters.ciphered:
            initiate = self._channel.protect_initiate(initiate)
        mechanism = Mechanism(parameters.mechanism)
        authentication = parameters.secret if mechanism == Mechanism.LOW else parameters.challenge
        context = (
            ApplicationContext.LOGICAL_NAMES_CIPHERED
            if parameters.ciphered
            else ApplicationContext.LOGICAL_NAMES
        )
        aarq = Aarq(
            application_context=context,
            calling_ap_title=parameters.system_title or None,
            user_information=initiate,
        )
        if mechanism != Mechanism.LOWEST:
            aarq.sender_acse_requirements = AUTHENTICATION
            aarq.mechanism = mechanism
            aarq.calling_authentication_value = authentication
        self.state = step(CLIENT, self.state, Happening.REQUESTED)
        self._put(aarq.to_octets(), now, parameters.response_timeout_s)

    def close(self, now: float) -> None:
        """Release the association when there is one."""
        self._fail_pending(LineError("the association was closed", where=_WHERE))
        if self.state is not State.ASSOCIATED:
            self._end(None)
            return
        self.state = step(CLIENT, self.state, Happening.RELEASE)
        user_information = None
        if self._protected is not None:
            parameters = self.parameters
            initiate = InitiateRequest(parameters.conformance, parameters.max_pdu)
            user_information = self._protected.protect_initiate(initiate.to_octets())
        request = Rlrq(user_information=user_information).to_octets()
        self._put(request, now, self.parameters.release_timeout_s)

    def cancel(self, now: float) -> None:
        """Drop the exchange in flight; its late answer will be known by its invoke id."""
        if self.state is State.ASSOCIATED:
            self._down.clear()
            self._pending = self._unanswered = None
            self._response_deadline = None

    def send(self, unit: Apdu, now: float) -> None:
        kind = type(unit)
        answers = _ANSWERS.get(kind)
        if answers is None:
            raise UsageError(f"{kind.__name__} is not a request of a client", where=_WHERE)
        if not self.room:
            raise UsageError(f"no request can be sent while {self.state.value}", where=_WHERE)
        if kind not in _CONTINUING:
            self._invoke_id = (self._invoke_id + 1) & INVOKE_ID
        how = unit.invoke_id_and_priority & CALLERS_BITS  # type: ignore[union-attr]
        unit.invoke_id_and_priority = how | self._invoke_id  # type: ignore[union-attr]
        octets = codec.encode(unit)
        if self._protected is not None:
            octets = self._protected.protect(octets)
        self._suspicion = None
        if kind in _UNCONFIRMABLE and not how & CONFIRMED:
            self._down.append(octets)
            self._unanswered = unit
            return
        self._pending, self._answers = unit, answers
        self._put(octets, now, self.parameters.response_timeout_s)

    def receive(self, unit: bytes, now: float) -> None:
        try:
            if self.state is State.ASSOCIATED:
                self._answer(unit)
            else:
                self._opening_answer(unit, now)
        except Error as error:
            self._strange(error)

    def notice(self, what: Notice, now: float) -> None:
        kind = type(what)
        if kind is Opened:
            self.open(now)
        elif kind is Progress:
            if self._response_deadline is not None:
                self._response_deadline = now + self._timeout_s
            self._up.append(what)
        elif kind is Closed:
            assert isinstance(what, Closed)
            error = what.error or LineError("the line was closed", where=_WHERE)
            if self.state is State.RELEASE_PENDING:
                self._end(None)  # a server may drop the line instead of answering a release
            else:
                self._fail_pending(self._suspicion or error)
                self._end(self._suspicion or what.error, Happening.DISCONNECTED)
        else:
            self._up.append(what)

    def wake(self, now: float) -> None:
        if self._response_deadline is None or now < self._response_deadline:
            return
        self._response_deadline = None
        if self.state is State.RELEASE_PENDING:
            self._end(None)
            return
        error = self._suspicion or LineError(
            f"no answer within {self._timeout_s:g} s: the meter is silent, or no meter has "
            "this address",
            where=_WHERE,
        )
        if self.state is State.ASSOCIATED:
            self._fail_pending(error)
        else:
            self._end(error)

    def transmit(self, now: float, expecting: bool = False) -> bytes | None:
        if self._down:
            return self._down.popleft()
        if self._unanswered is not None:
            unit, self._unanswered = self._unanswered, None
            self._up.append(Deliver(unit))
        if self._clock_due:  # what was queued has left: the clock of its answer starts here
            self._clock_due = False
            if self._response_deadline is not None:
                self._response_deadline = now + self._timeout_s
        return None

    @property
    def _protected(self) -> Channel | None:
        """The channel when APDUs are ciphered; HLS with GMAC has one in a plain context too."""
        return self._channel if self.parameters.ciphered else None

    # -- answers in an open association ---------------------------------------------------

    def _answer(self, octets: bytes) -> None:
        # Only an exception-response may come unprotected into a protected association [facts-g §9].
        if self._protected is not None and octets[:1] != _EXCEPTION:
            octets = self._protected.unprotect(octets).plain
        answer = codec.decode(octets)
        kind = type(answer)
        if kind in _PUSHES:
            self._up.append(Deliver(answer))
            return
        if self._pending is None:
            raise SequenceError(f"an answer that nobody asked for: {kind.__name__}", where=_WHERE)
        if kind in self._answers:
            invoke_id = answer.invoke_id_and_priority & INVOKE_ID  # type: ignore[union-attr]
            if invoke_id != self._invoke_id:
                raise SequenceError(
                    f"the answer to invoke id {invoke_id} came while {self._invoke_id} was asked",
                    where=_WHERE,
                )
        elif kind not in _ERRORS:
            raise SequenceError(
                f"{kind.__name__} cannot answer {type(self._pending).__name__}", where=_WHERE
            )
        self._pending = None
        self._response_deadline = None
        self._up.append(Deliver(answer))

    # -- opening and release --------------------------------------------------------------

    def _opening_answer(self, octets: bytes, now: float) -> None:
        if octets[:1] == _EXCEPTION and self.expects:
            self._refused_plainly(octets)
        elif self.state is State.ASSOCIATION_PENDING:
            answer = codec.decode(octets)
            if not isinstance(answer, Aare):
                raise SequenceError(f"{type(answer).__name__} instead of an AARE", where=_WHERE)
            try:
                self._accepted(answer, now)
            except Error as error:
                self._end(error)
        elif self.state is State.AUTHENTICATION_PENDING:
            try:
                self._authenticated(octets)
            except Error as error:
                self._end(error)
        elif self.state is State.RELEASE_PENDING:
            if isinstance(codec.decode(octets), Rlre):
                self._response_deadline = None
                self._end(None)
        else:
            raise SequenceError("octets without an association", where=_WHERE)

    def _refused_plainly(self, octets: bytes) -> None:
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
        self._end(RefusedError(text, reason=answer.service_error, where=_WHERE))

    def _accepted(self, aare: Aare, now: float) -> None:
        parameters = self.parameters
        self._learn_title(aare)
        if aare.result != AssociationResult.ACCEPTED:
            raise _refusal(aare)
        context = (
            ApplicationContext.LOGICAL_NAMES_CIPHERED
            if parameters.ciphered
            else ApplicationContext.LOGICAL_NAMES
        )
        if aare.application_context != context:
            raise SecurityError("the meter answered for another application context", where=_WHERE)
        response = self._initiate_response(aare)
        self.negotiated = Negotiated(
            conformance=int(response.negotiated_conformance) & parameters.conformance,
            max_send=response.server_max_receive_pdu_size,
            max_receive=parameters.max_pdu,
        )
        if parameters.mechanism < Mechanism.HIGH:
            self._happened(Happening.ACCEPTED)
            self._response_deadline = None
            self._up.append(Opened())
            return
        if aare.diagnostic != ServiceUserDiagnostic.AUTHENTICATION_REQUIRED:
            raise SecurityError(
                "the meter skipped the high-level authentication that was asked for", where=_WHERE
            )
        if aare.mechanism is not None and aare.mechanism != parameters.mechanism:
            raise SecurityError("the meter answered with another mechanism", where=_WHERE)
        self._reply_to_challenge(aare.responding_authentication_value or b"", now)

    def _learn_title(self, aare: Aare) -> None:
        title = aare.responding_ap_title
        if not title:
            return
        known = self.parameters.peer_system_title
        if known and known != title:
            raise SecurityError("the meter has another system title than expected", where=_WHERE)
        self.peer_system_title = title
        if self._channel is not None:
            self._channel.learn_peer(title)

    def _initiate_response(self, aare: Aare) -> InitiateResponse:
        octets = aare.user_information
        if not octets:
            raise DecodeError("the AARE carries no InitiateResponse", where=_WHERE)
        if self._protected is not None:
            octets = self._protected.unprotect(octets).plain
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
        return response

    def _reply_to_challenge(self, challenge: bytes, now: float) -> None:
        """Pass 3 of HLS: f(StoC) to the current association object."""
        parameters = self.parameters
        hls.check_challenges(parameters.challenge, challenge)
        self._challenge = challenge
        if parameters.mechanism == Mechanism.HIGH_GMAC:
            assert self._channel is not None
            token = self._channel.token(challenge)
        else:
            token = hls.digest_reply(
                parameters.mechanism,
                parameters.secret,
                received=challenge,
                sent=parameters.challenge,
                own_title=parameters.system_title,
                peer_title=self.peer_system_title,
            )
        self._happened(Happening.CHALLENGED)
        self._invoke_id = (self._invoke_id + 1) & INVOKE_ID
        request = ActionRequestNormal(
            service_class() | self._invoke_id,
            MethodDescriptor(15, _CURRENT_ASSOCIATION, 1),
            encode_data(octet_string(token)),
        ).to_octets()
        if self._protected is not None:
            request = self._protected.protect(request)
        self._put(request, now, parameters.response_timeout_s)

    def _authenticated(self, octets: bytes) -> None:
        """Pass 4 of HLS: the server's f(CtoS)."""
        parameters = self.parameters
        if self._protected is not None:
            octets = self._protected.unprotect(octets).plain
        answer = codec.decode(octets)
        if not isinstance(answer, ActionResponseNormal):
            raise SequenceError(
                f"{type(answer).__name__} instead of the meter's proof", where=_WHERE
            )
        if answer.result != ActionResult.SUCCESS or answer.data is None:
            raise SecurityError(
                "the meter did not accept the proof: wrong key or secret", where=_WHERE
            )
        tag, token = decode_data(answer.data)
        if tag != 9:
            raise DecodeError("the meter's proof is not an octet-string", where=_WHERE)
        if parameters.mechanism == Mechanism.HIGH_GMAC:
            assert self._channel is not None
            self._channel.check_token(token, parameters.challenge)
        else:
            hls.check_digest_reply(
                parameters.mechanism,
                parameters.secret,
                token,
                sent=parameters.challenge,
                received=self._challenge,
                own_title=parameters.system_title,
                peer_title=self.peer_system_title,
            )
        self._happened(Happening.AUTHENTICATED)
        self._response_deadline = None
        self._up.append(Opened())

    # -- common ---------------------------------------------------------------------------

    def _put(self, octets: bytes, now: float, timeout_s: float) -> None:
        self._down.append(octets)
        self._timeout_s = timeout_s
        self._response_deadline = now + timeout_s
        self._clock_due = True

    def _happened(self, happening: Happening) -> None:
        self.state = step(CLIENT, self.state, happening)

    def _strange(self, error: Error) -> None:
        self._suspicion = error
        self._up.append(Failed(error))

    def _fail_pending(self, error: Error) -> None:
        pending, self._pending = self._pending or self._unanswered, None
        self._unanswered = None
        self._response_deadline = None
        if pending is not None:
            if type(pending) in _CHANGING:
                error = error.with_unknown_outcome()
            self._up.append(Failed(error, pending))

    def _end(self, error: Error | None, happening: Happening = Happening.DISCONNECTED) -> None:
        self._down.clear()
        self._response_deadline = None
        self._clock_due = False
        if self.state is not State.INACTIVE:
            self._happened(happening)
        self._up.append(Closed(error))


def _check(parameters: ClientParameters) -> None:
    """Refuse parameters that cannot work before anything is sent."""
    if parameters.ciphered or parameters.mechanism == Mechanism.HIGH_GMAC:
        if parameters.keys is None or parameters.lease is None:
            raise UsageError("ciphering needs keys and an invocation counter", where=_WHERE)
        if len(parameters.system_title) != 8:
            raise UsageError("ciphering needs a client system title of 8 octets", where=_WHERE)
    hls_used = parameters.mechanism >= Mechanism.HIGH
    if hls_used and not MIN_CHALLENGE <= len(parameters.challenge) <= MAX_CHALLENGE:
        raise UsageError("the challenge needs 8 to 64 octets", where=_WHERE)


def _context(parameters: ClientParameters) -> ApplicationContext:
    return (
        ApplicationContext.LOGICAL_NAMES_CIPHERED
        if parameters.ciphered
        else ApplicationContext.LOGICAL_NAMES
    )


def _channel(parameters: ClientParameters) -> Channel | None:
    if parameters.keys is None or parameters.lease is None:
        return None
    return Channel(
        parameters.keys,
        parameters.system_title,
        parameters.lease,
        control=parameters.control,
        general=parameters.general,
        peer_system_title=parameters.peer_system_title,
        floor=parameters.receive_floor,
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
            "; this client address may need ciphering, or must not use it"
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
