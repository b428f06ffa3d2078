"""The client's end of an association: opening, protected services, pushes, release.

A layer: plain xDLMS requests from above, plain responses to above, octets of APDUs below. One
request is in flight at a time; its answer is known by its invoke id and its kind.
"""

from __future__ import annotations

from ferraris.core.errors import Error, LineError, SequenceError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Notice, Opened, Progress
from ferraris.core.stack import Plain
from ferraris.messaging.dlms import apdu as codec
from ferraris.messaging.dlms.acse import Aare, Rlre
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.channel import Channel
from ferraris.messaging.dlms.association.exchanges import (
    CONTINUING,
    ERRORS,
    MANNERS,
    PUSHES,
    UNNUMBERED,
    Manner,
    changes,
    is_push,
    is_unconfirmed,
    number,
    number_of,
)
from ferraris.messaging.dlms.association.opening import Opening
from ferraris.messaging.dlms.association.parameters import ClientParameters, Negotiated
from ferraris.messaging.dlms.association.states import CLIENT, Happening, State, step
from ferraris.messaging.dlms.errors import ExceptionResponse, UnauthenticatedRefusal
from ferraris.messaging.dlms.invoke import LONG_INVOKE_ID, service_class
from ferraris.messaging.dlms.notify import DataNotification, DataNotificationConfirm
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease

__all__ = ["ClientAssociation", "is_push"]

_WHERE = "association"
_EXCEPTION = b"\xd8"


class ClientAssociation(Plain[Apdu, Apdu, bytes]):
    """An association seen from the client.

    Opens by itself when the layer below opens. `Failed` names the request that it ended, or
    nothing when a strange unit was only dropped: a forged, replayed or stray answer never ends an
    exchange, but when the right one does not come, the strange one is the reason given. The error
    of a write or an action that ended without an answer has `outcome_unknown` set.

    A request is numbered here; its service class and priority are the caller's. An unconfirmed one
    has no answer: it is delivered back itself as soon as it has left. A push that wants a receipt
    gets one.

    Requests by short name cannot be numbered. When one of them ends without its answer the
    association ends too, since a late answer could pass for that of the next [asn1].
    """

    def __init__(self, parameters: ClientParameters) -> None:
        super().__init__()
        self.parameters = parameters
        self.state = State.INACTIVE
        self._opening: Opening | None = None
        self._protected: Channel | None = None  # of this opening, where APDUs are ciphered
        self._pending: Apdu | None = None
        self._unanswered: Apdu | None = None  # an unconfirmed request that is about to leave
        self._answers: tuple[type, ...] = ()
        self._invoke_id = 0
        self._response_deadline: float | None = None
        self._clock_due = False
        self._timeout_s = parameters.response_timeout_s
        self._suspicion: Error | None = None
        self._aare = b""  # the answer that this opening goes on from

    # -- what was agreed ------------------------------------------------------------------

    @property
    def negotiated(self) -> Negotiated | None:
        """Services and sizes, None before the association was accepted."""
        return None if self._opening is None else self._opening.negotiated

    @property
    def peer_system_title(self) -> bytes:
        """The server's system title, b"" while it is not known."""
        opening = self._opening
        return self.parameters.peer_system_title if opening is None else opening.peer_system_title

    @property
    def transaction_floor(self) -> int:
        """The highest transaction-id accepted in an envelope of the server, to be kept as well."""
        opening = self._opening
        if opening is None or opening.channel is None:
            return self.parameters.transaction_floor
        return opening.channel.transaction_floor

    @property
    def channel(self) -> Channel | None:
        """What protects the services of the open association, None where they are plain."""
        return self._protected

    @property
    def receive_floor(self) -> int:
        """The highest invocation counter accepted from the server, to be kept for next time."""
        opening = self._opening
        if opening is None or opening.channel is None:
            return self.parameters.receive_floor
        return opening.channel.floor

    @property
    def exchange(self) -> Apdu | None:
        """The request under way, None when nobody waits for an answer."""
        return self._pending or self._unanswered

    def renew(self, keys: CipherKeys, lease: CounterLease | None) -> None:
        """Go on under other keys; a new encryption key comes with a lease of its own counters."""
        channel = self._protected
        if channel is None or self._pending is not None:
            raise UsageError("keys are changed between two requests, where APDUs are ciphered")
        self.parameters.keys = keys
        self.parameters.lease = lease or self.parameters.lease
        channel.renew(keys, self.parameters.pairs, lease)

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

    def open(self, now: float) -> None:
        """Request the association, or take it for granted; the layer below is open."""
        self._opening = opening = Opening(self.parameters)
        self._protected = opening.protected
        self.state = step(CLIENT, State.INACTIVE, Happening.CONNECTED)
        self._pending = self._unanswered = self._suspicion = None
        if self.parameters.pre_established:
            opening.presume()
            self._happened(Happening.PRESUMED)
            self._up.append(Opened())
            return
        request = opening.request()
        self._happened(Happening.REQUESTED)
        self._put(request, now, self.parameters.response_timeout_s)

    def close(self, now: float) -> None:
        """Release the association when there is one to be released."""
        self._fail_pending(LineError("the association was closed", where=_WHERE))
        if self.state is not State.ASSOCIATED or self.parameters.pre_established:
            self._end(None)
            return
        assert self._opening is not None
        self._happened(Happening.RELEASE)
        self._put(self._opening.release(), now, self.parameters.release_timeout_s)

    def cancel(self, now: float) -> None:
        """Drop the exchange in flight; its late answer will be known by its invoke id.

        An opening or a release goes on: it has its own clock, and half of one would be neither.
        """
        if self.state is State.ASSOCIATED:
            is_lost = type(self._pending) in UNNUMBERED
            self._down.clear()
            self._pending = self._unanswered = None
            self._response_deadline = None
            if is_lost:
                self._end(LineError("an exchange was given up", where=_WHERE))

    def send(self, unit: Apdu, now: float) -> None:
        kind = type(unit)
        manner = MANNERS.get(kind)
        if manner is None:
            raise UsageError(f"{kind.__name__} is not a request of a client", where=_WHERE)
        if not self.room:
            raise UsageError(f"no request can be sent while {self.state.value}", where=_WHERE)
        octets = self._request(unit, manner)
        if manner.may_be_unconfirmed and is_unconfirmed(unit):
            self._down.append(octets)
            self._unanswered = unit
            return
        self._pending, self._answers = unit, manner.answers
        self._put(octets, now, self.parameters.response_timeout_s)

    def asked(self, unit: Apdu, now: float) -> bytes | None:
        """`send` and `transmit` at once, for a request that is answered and nothing before it."""
        manner = MANNERS.get(type(unit))
        if (
            manner is None
            or manner.may_be_unconfirmed
            or self.state is not State.ASSOCIATED
            or self._pending is not None
            or self._unanswered is not None
            or self._down
            or self._up
        ):
            return None
        octets = self._request(unit, manner)
        self._pending, self._answers = unit, manner.answers
        self._timeout_s = timeout_s = self.parameters.response_timeout_s
        self._response_deadline = now + timeout_s
        self._clock_due = True
        return octets

    def _request(self, unit: Apdu, manner: Manner) -> bytes:
        """The octets of a request, numbered and protected."""
        if manner.is_numbered:
            if not manner.continues:
                self._invoke_id = (self._invoke_id + 1) & LONG_INVOKE_ID
            number(unit, self._invoke_id)
        octets = codec.encode(unit)
        channel = self._protected
        if channel is not None:
            octets = channel.protect(octets)
        self._suspicion = None
        return octets

    def receive(self, unit: bytes, now: float) -> None:
        answer = self.answered(unit, now)
        if answer is not None:
            self._up.append(Deliver(answer))

    def answered(self, unit: bytes, now: float) -> Apdu | None:
        """`receive`, and the answer to the request when that was all; None: events tell."""
        try:
            if self.state is not State.ASSOCIATED:
                self._opening_answer(unit, now)
                return None
            answer = self._answer(unit)
        except Error as error:
            self._strange(error)
            return None
        if answer is not None and self._up:  # what came before is told before
            self._up.append(Deliver(answer))
            return None
        return answer

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
                self._end(self._suspicion or what.error)
        elif isinstance(what, Failed) and what.ref is not None and what.ref is self._pending:
            self._fail_pending(what.error)
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
            is_lost = type(self._pending) in UNNUMBERED
            self._fail_pending(error)
            if is_lost:
                self._end(error)
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

    # -- answers and pushes in an open association ----------------------------------------

    def _covered(self, octets: bytes) -> bytes:
        channel = self._protected
        return octets if channel is None else channel.protect(octets)

    def _answer(self, octets: bytes) -> Apdu | None:
        """The answer to the request under way; None for a push, which is told."""
        # Only an exception-response may come unprotected into a protected association [facts-g §9].
        channel = self._protected
        proven = True
        if channel is not None:
            proven = octets[:1] != _EXCEPTION
            if proven:
                octets = channel.unprotect(octets).plain
        answer = codec.decode(octets)
        kind, pending = type(answer), self._pending
        if kind in self._answers and pending is not None:
            if type(pending) not in UNNUMBERED and number_of(answer) != number_of(pending):
                raise SequenceError(
                    f"the answer to invoke id {number_of(answer)} came while {number_of(pending)} "
                    "was asked",
                    where=_WHERE,
                )
        elif kind in PUSHES:
            self._pushed(answer)
            return None
        elif pending is None:
            raise SequenceError(f"an answer that nobody asked for: {kind.__name__}", where=_WHERE)
        elif kind not in ERRORS:
            raise SequenceError(
                f"{kind.__name__} cannot answer {type(pending).__name__}", where=_WHERE
            )
        if not proven and isinstance(answer, ExceptionResponse):
            answer = UnauthenticatedRefusal.of(answer)
        self._pending = None
        self._response_deadline = None
        return answer

    def _pushed(self, push: Apdu) -> None:
        self._up.append(Deliver(push))
        if isinstance(push, DataNotification) and push.wants_receipt:
            receipt = DataNotificationConfirm(push.long_invoke_id_and_priority)
            self._down.append(self._covered(receipt.to_octets()))

    # -- opening and release --------------------------------------------------------------

    def _opening_answer(self, octets: bytes, now: float) -> None:
        opening = self._opening
        if opening is None:
            raise SequenceError("octets without an association", where=_WHERE)
        if octets[:1] == _EXCEPTION and self.expects:
            self._end(opening.refused_plainly(octets))
        elif self.state is State.ASSOCIATION_PENDING:
            aare = codec.decode(octets)
            if not isinstance(aare, Aare):
                raise SequenceError(f"{type(aare).__name__} instead of an AARE", where=_WHERE)
            self._aare = octets
            self._judge_aare(opening, aare, now)
        elif self.state is State.AUTHENTICATION_PENDING:
            if octets == self._aare:
                return  # a copy of the datagram; the proof is under way
            try:
                opening.authenticated(octets)
            except Error as error:
                self._end(error)
            else:
                self._established(Happening.AUTHENTICATED)
        elif self.state is State.RELEASE_PENDING:
            if isinstance(codec.decode(octets), Rlre):
                self._end(None)
        else:
            raise SequenceError("octets without an association", where=_WHERE)

    def _judge_aare(self, opening: Opening, aare: Aare, now: float) -> None:
        try:
            proof = opening.accepted(aare)
        except Error as error:
            self._end(error)
            return
        if proof is None:
            self._established(Happening.ACCEPTED)
        else:
            self._prove(proof, now)

    def _prove(self, proof: Apdu, now: float) -> None:
        self._happened(Happening.CHALLENGED)
        if type(proof) not in UNNUMBERED:
            proof.invoke_id_and_priority = service_class()  # type: ignore[union-attr]
            self._number(proof)
        self._put(self._covered(proof.to_octets()), now, self.parameters.response_timeout_s)

    def _established(self, how: Happening) -> None:
        self._happened(how)
        self._response_deadline = None
        self._up.append(Opened())

    # -- common ---------------------------------------------------------------------------

    def _number(self, request: Apdu) -> None:
        if type(request) not in CONTINUING:
            self._invoke_id = (self._invoke_id + 1) & LONG_INVOKE_ID
        number(request, self._invoke_id)

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
            if changes(pending):
                error = error.with_unknown_outcome()
            self._up.append(Failed(error, pending))

    def _end(self, error: Error | None) -> None:
        self._down.clear()
        self._response_deadline = None
        self._clock_due = False
        if self.state is not State.INACTIVE:
            self._happened(Happening.DISCONNECTED)
        self._up.append(Closed(error))
