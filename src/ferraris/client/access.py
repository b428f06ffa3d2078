"""ACCESS: reads, writes and invocations together, in one exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ferraris.client.blocks import Exchange
from ferraris.client.refusals import strange
from ferraris.core.errors import SequenceError, UsageError
from ferraris.data.axdr import length_octets
from ferraris.messaging.dlms.access import (
    AccessChoice,
    AccessRequest,
    AccessResponse,
    AccessSpecification,
)
from ferraris.messaging.dlms.association.blocks import fits, fits_whole
from ferraris.messaging.dlms.association.exchanges import changes
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import (
    ActionResult,
    DataAccessResult,
    ExceptionServiceError,
)
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.messaging.dlms.invoke import long_service_class
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection

__all__ = ["AccessAnswer", "access", "access_fits", "has_access", "specification"]

_NULL_DATA = b"\x00"
_HEAD_OCTETS = 1 + 4 + 1  # tag, long invoke id, no date-time
_ANSWER_OCTETS = _HEAD_OCTETS + 1 + 2 * 3  # no specifications, and two counts
_PROTECTION_OCTETS = 30
_TITLE_OCTETS = 9  # it is always ciphered in the general form, which shows the system title
_PLAIN_CHOICES = {
    AccessChoice.GET_WITH_SELECTION: AccessChoice.GET,
    AccessChoice.SET_WITH_SELECTION: AccessChoice.SET,
}


class AccessAnswer(NamedTuple):
    """How one specification ended: a result of the standard, and encoded data where there are."""

    result: DataAccessResult | ActionResult
    data: bytes | None = None


def has_access(negotiated: Negotiated, protected: bool) -> bool:
    """Whether ACCESS can be used: under protection it needs the general ciphered forms [asn1]."""
    needed = int(Conformance.ACCESS)
    if protected:
        needed |= int(Conformance.GENERAL_PROTECTION)
    return not needed & ~negotiated.conformance


def access_fits(negotiated: Negotiated, count: int, octets: int, protected: bool) -> bool:
    """Whether `count` specifications and their data, so many octets in all, go in one request.

    Their results have to fit into one answer too; data that do not are told apart [memory].
    """
    answer = _ANSWER_OCTETS + 3 * count + _PROTECTION_OCTETS * protected
    if not negotiated.general_blocks and 0 < negotiated.max_receive < answer:
        return False
    plain = _HEAD_OCTETS + 2 * len(length_octets(count)) + octets
    return fits(negotiated, plain + _TITLE_OCTETS * protected, protected)


def specification(
    target: AttributeDescriptor | MethodDescriptor,
    selection: Selection | None = None,
    *,
    writes: bool = False,
) -> AccessSpecification:
    """What to read, to write (`writes`) or, for a method, to invoke."""
    if isinstance(target, MethodDescriptor):
        return AccessSpecification(AccessChoice.ACTION, target)
    if selection is None:
        return AccessSpecification(AccessChoice.SET if writes else AccessChoice.GET, target)
    choice = AccessChoice.SET_WITH_SELECTION if writes else AccessChoice.GET_WITH_SELECTION
    return AccessSpecification(choice, target, selection)


async def access(
    driver: Exchange,
    negotiated: Negotiated,
    items: Sequence[tuple[AccessSpecification, bytes | None]],
    *,
    protected: bool = False,
    confirmed: bool = True,
    high_priority: bool = True,
    break_on_error: bool = False,
    self_descriptive: bool = False,
    date_time: bytes = b"",
) -> list[AccessAnswer]:
    """Carry out specifications with their encoded data, in order; one answer for each.

    With `break_on_error` the meter touches nothing behind the first failure, and may answer no more
    than it did. With `self_descriptive` it repeats what was asked, which is compared. `date_time`
    is empty or twelve octets. With `confirmed` False the meter keeps silent: no answers come back
    and nothing is known. Raises `RefusedError` when the meter carries out nothing at all,
    `UsageError` where ACCESS was not negotiated.
    """
    if not has_access(negotiated, protected):
        raise UsageError("the meter does not offer ACCESS: ask by lists", where="client")
    how = long_service_class(
        confirmed=confirmed,
        high_priority=high_priority,
        self_descriptive=self_descriptive,
        break_on_error=break_on_error,
    )
    specifications = [each for each, _ in items]
    request = AccessRequest(
        how, date_time, specifications, [data or _NULL_DATA for _, data in items]
    )
    if not confirmed:
        octets = len(request.to_octets()) + _TITLE_OCTETS * protected
        if not fits_whole(negotiated, octets, protected):
            raise UsageError("only a confirmed request goes in blocks", where="client")
    answer = await driver.exchange(request)
    if answer is request:
        return []
    if not isinstance(answer, AccessResponse):
        error = strange(specifications[0].descriptor, answer)
        too_long = (
            isinstance(answer, ExceptionResponse)
            and answer.service_error == ExceptionServiceError.PDU_TOO_LONG
        )
        # What is too long may be the answer to what was carried out.
        if changes(request) and (too_long or isinstance(error, SequenceError)):
            error = error.with_unknown_outcome()
        raise error
    try:
        return _answers(request, answer, may_be_short=break_on_error)
    except SequenceError as error:
        raise (error.with_unknown_outcome() if changes(request) else error) from None


def _answers(
    request: AccessRequest, response: AccessResponse, *, may_be_short: bool
) -> list[AccessAnswer]:
    asked = request.specifications
    if response.specifications is not None and response.specifications != asked:
        raise SequenceError("the answer describes another request", where="client")
    results, data = response.results, response.data
    count = len(results)
    if count != len(data) or count > len(asked) or (count < len(asked) and not may_be_short):
        raise SequenceError(
            f"{count} results and {len(data)} data for {len(asked)} specifications", where="client"
        )
    answers = []
    for one, result, octets in zip(asked, results, data, strict=False):
        if result.choice is not _PLAIN_CHOICES.get(one.choice, one.choice):
            raise SequenceError("a result answers another specification", where="client")
        answers.append(AccessAnswer(result.result, None if octets == _NULL_DATA else octets))
    return answers
