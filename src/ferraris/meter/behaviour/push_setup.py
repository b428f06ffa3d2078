"""Push set-up objects of the versions 0 to 2: what the meter sends by itself, whereto and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import (
    Data,
    Tag,
    array,
    enum,
    integer,
    long_unsigned,
    null_data,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.security.control import AUTHENTICATION, BOTH, ENCRYPTION, SIGNED
from ferraris.messaging.dlms.security.data_layers import DataLayer, LayerKind, wished
from ferraris.messaging.dlms.security.forms import KeySource
from ferraris.meter.behaviour.behaviour import Behaviour, decoded
from ferraris.meter.behaviour.push_course import PushCourse
from ferraris.meter.recurrence import Window
from ferraris.model.data_storage import CaptureObject
from ferraris.model.push import (
    ConfirmationParameters,
    Destination,
    PushOperationMethod,
    PushSetup,
    PushSetupV1,
    PushSetupV2,
    RepetitionDelay,
    TransportService,
)
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["PushList", "PushListV1", "PushListV2", "PushSettings", "Sent", "course_of"]

_AXDR = 0
_PROTECTION = 10
_RECIPIENT, _KEY_INFO = 2, 4  # among the options [facts-g]
_CLIENT = 1
_NOWHERE = bytes(6)
_NOT_SPECIFIED = b"\xff" * 12
_PERCENT = 100
_NO_KEY_INFO = (None, null_data(), octet_string(b""))
_PROTECTIONS = {0: AUTHENTICATION, 1: ENCRYPTION, 2: BOTH, 3: SIGNED}  # [facts-g]


class Sent(NamedTuple):
    """One element of a push object list.

    `restriction` is its type and both ends, `columns` are those of a profile's buffer.
    """

    class_id: int
    name: str
    attribute: int
    data_index: int = 0
    restriction: tuple[int, Data, Data] | None = None
    columns: tuple[tuple[int, str, int], ...] = ()


class PushSettings(NamedTuple):
    """What a set-up object says now; seconds are whole.

    `protection` holds bits of the security control and `SIGNED`, None where the version does not
    say; `recipient` is the system title that envelopes name, `source` where their keys come from.
    """

    destination: Destination
    windows: tuple[Window, ...]
    randomisation_s: int
    retries: int
    repetition: RepetitionDelay
    client_sap: int = _CLIENT
    port_reference: bytes = _NOWHERE
    protection: int | None = None
    recipient: bytes = b""
    source: KeySource = KeySource.IDENTIFIED
    confirms: bool = False

    def delay_s(self, tries: int) -> float:
        """How long after the try with this number, from 1, the next one follows [memory]."""
        low, growth, most = self.repetition
        delay = float(low)
        for _ in range(tries - 1):  # bounded: number_of_retries is one octet
            delay *= growth / _PERCENT
            if delay >= most:
                break
        return min(delay, float(most))


class PushList(Behaviour):
    """Push set-up, version 0, whose list begins with itself, so that a receiver can read it."""

    declares: ClassVar[type[PushSetup]] = PushSetup
    dying: ClassVar[bool] = False
    """Whether a push that is about to leave still does so without power."""

    def __init__(
        self,
        name: str,
        objects: Iterable[tuple[int, str, int] | Sent],
        *,
        randomisation_s: int = 0,
        retries: int = 0,
        repetition: RepetitionDelay = RepetitionDelay(0, _PERCENT, 0),  # noqa: B008 - immutable
        confirms: bool = False,
    ) -> None:
        itself = Sent(self.declares.class_id, name, 2)
        listed = [itself, *(each if isinstance(each, Sent) else Sent(*each) for each in objects)]
        destination = structure(enum(TransportService.TCP), octet_string(b""), enum(_AXDR))
        fixed = {
            2: array(*(self._element(each) for each in listed)),
            3: destination,
            4: array(),
            5: long_unsigned(randomisation_s),
            6: unsigned(retries),
            7: self._repetition(repetition),
        }
        super().__init__(name, fixed | self._more(confirms))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1 begins a push; method 2, where there is one, drops what is under way."""
        if method not in self.declares.methods:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        course = course_of(meter, self)
        if method == 1:
            course.invoke(now)
        else:
            course.reset()
        meter.fleet.happened(meter, self.key, now)
        return None

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """The settings; what the meter could not act upon is refused."""
        declared = self.declares.attributes.get(attribute)
        if declared is None or attribute not in self.fixed:
            raise AccessRefused(DataAccessResult.READ_WRITE_DENIED)
        try:
            loaded = declared.type.load(decoded(data))
        except DecodeError as error:
            raise AccessRefused(DataAccessResult.TYPE_UNMATCHED) from error
        if attribute == _PROTECTION:
            try:
                _protection(loaded)
                _source(loaded)
            except DecodeError as error:
                raise AccessRefused(DataAccessResult.OTHER_REASON) from error
        super().set(meter, attribute, data, now)

    def settings(self, meter: SimulatedMeter, now: int) -> PushSettings:
        """The attributes 3 to 7 as they are now."""
        load = self._loaded
        low = load(meter, 7, now)
        return PushSettings(
            Destination(*load(meter, 3, now)),
            tuple((bytes(start), bytes(end)) for start, end in load(meter, 4, now)),
            load(meter, 5, now),
            load(meter, 6, now),
            low if isinstance(low, RepetitionDelay) else RepetitionDelay(low, _PERCENT, low),
        )

    def _loaded(self, meter: SimulatedMeter, attribute: int, now: int) -> Any:
        data = axdr.decode(self.get(meter, attribute, None, now))
        return self.declares.attributes[attribute].type.load(data)

    def _more(self, confirms: bool) -> dict[int, Data]:
        return {}

    def _element(self, sent: Sent) -> Data:
        return structure(*_captured(sent.class_id, sent.name, sent.attribute, sent.data_index))

    def _repetition(self, delay: RepetitionDelay) -> Data:
        return long_unsigned(delay.minimum)


class PushListV1(PushList):
    """Push set-up, version 1: restrictions and protection."""

    declares = PushSetupV1

    def settings(self, meter: SimulatedMeter, now: int) -> PushSettings:
        """As version 0, and the attributes 8 to 10."""
        parameters = self._loaded(meter, 10, now)
        return (
            super()
            .settings(meter, now)
            ._replace(
                port_reference=bytes(self._loaded(meter, 8, now)),
                client_sap=self._loaded(meter, 9, now),
                protection=_protection(parameters),
                recipient=_recipient(parameters),
                source=_source(parameters),
            )
        )

    def _more(self, confirms: bool) -> dict[int, Data]:
        return {8: octet_string(_NOWHERE), 9: integer(_CLIENT), 10: protection_parameters(BOTH)}

    def _element(self, sent: Sent) -> Data:
        return structure(
            *_captured(sent.class_id, sent.name, sent.attribute, sent.data_index),
            _restriction(sent.restriction),
        )


class PushListV2(PushListV1):
    """Push set-up, version 2: columns, growing delays and confirmation."""

    declares = PushSetupV2

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attribute 13."""
        if attribute != 13:
            return super().value(meter, attribute, now)
        confirmed = course_of(meter, self).confirmed_at
        stamp = _NOT_SPECIFIED if confirmed is None else meter.zone.stamp(meter.local(confirmed))
        return axdr.encode(PushSetupV2.last_confirmation_date_time.type.dump(DateTime(stamp)))

    def settings(self, meter: SimulatedMeter, now: int) -> PushSettings:
        """As version 1, and the attribute 11."""
        method = self._loaded(meter, 11, now)
        confirms = method == PushOperationMethod.RETRY_ON_MISSING_CONFIRMATION
        return super().settings(meter, now)._replace(confirms=confirms)

    def _more(self, confirms: bool) -> dict[int, Data]:
        methods = PushOperationMethod
        method = (
            methods.RETRY_ON_MISSING_CONFIRMATION
            if confirms
            else methods.RETRY_ON_SUPPORTING_LAYER_FAILURE
        )
        confirmation = PushSetupV2.confirmation_parameters.type.dump(
            ConfirmationParameters(DateTime(_NOT_SPECIFIED), 0)
        )
        return super()._more(confirms) | {11: enum(method), 12: confirmation}

    def _element(self, sent: Sent) -> Data:
        fields = super()._element(sent)[1]
        columns = (structure(*_captured(*column, 0)) for column in sent.columns)
        return structure(*fields, array(*columns))

    def _repetition(self, delay: RepetitionDelay) -> Data:
        return structure(*(long_unsigned(each) for each in delay))


def course_of(meter: SimulatedMeter, setup: PushList) -> PushCourse:
    """How far the pushes of one set-up object of one meter have come."""
    state = meter.change()
    if state.courses is None:
        state.courses = {}
    course = state.courses.get(setup.key)
    if course is None:
        course = state.courses[setup.key] = PushCourse(meter, setup)
    return course


def protection_parameters(
    control: int, recipient: bytes = b"", source: KeySource = KeySource.IDENTIFIED
) -> Data:
    """The attribute 10 for protection by the meter's own keys, 0 for none.

    `control` holds bits of the security control and `SIGNED`; signatures and keys from another
    `source` than the global ones name their `recipient`.
    """
    wanted = (control & BOTH, control & SIGNED)
    kinds = [kind for kind, bits in _PROTECTIONS.items() if bits in wanted]
    nobody = octet_string(b"")
    header = (nobody, nobody, octet_string(recipient), nobody)
    return array(
        *(structure(enum(kind), structure(*header, _key_info(kind, source))) for kind in kinds)
    )


def _key_info(kind: int, source: KeySource) -> Data:
    """Nothing for the global key, nor for a signature."""
    if source is KeySource.IDENTIFIED or kind == LayerKind.SIGNATURE:
        return null_data()
    _, (*_, (info_kind, options)) = wished(LayerKind(kind), source).fields
    return structure(enum(info_kind), options)


def _protection(parameters: Sequence[tuple[int, Data]]) -> int:
    """Bits of all protections that are asked for, which are applied together."""
    control = 0
    for kind, _ in parameters:
        if kind not in _PROTECTIONS:
            raise DecodeError(f"there is no protection type {kind}", where="push")
        control |= _PROTECTIONS[kind]
    return control


def _source(parameters: Sequence[tuple[int, Data]]) -> KeySource:
    """Where the key of what is ciphered comes from; `DecodeError` for another form of saying so."""
    for kind, (tag, fields) in parameters:
        told = fields[_KEY_INFO] if tag == Tag.STRUCTURE and len(fields) > _KEY_INFO else None
        if kind == LayerKind.SIGNATURE or told in _NO_KEY_INFO:
            continue
        if told[0] != Tag.STRUCTURE or len(told[1]) != 2 or told[1][0][0] != Tag.ENUM:
            raise DecodeError("key information is a kind and its options", where="push")
        (_, info_kind), options = told[1]
        return DataLayer.of((kind, (b"", b"", b"", b"", (info_kind, options)))).source
    return KeySource.IDENTIFIED


def _recipient(parameters: Sequence[tuple[int, Data]]) -> bytes:
    """The recipient that the options of a protection name, b"" for none."""
    for _, (tag, fields) in parameters:
        title = fields[_RECIPIENT][1] if tag == Tag.STRUCTURE and len(fields) > _RECIPIENT else b""
        if isinstance(title, bytes) and title:
            return title
    return b""


def _captured(class_id: int, name: str, attribute: int, data_index: int) -> tuple[Data, ...]:
    captured = CaptureObject(class_id, Obis.parse(name), attribute, data_index)
    return (
        long_unsigned(captured.class_id),
        octet_string(captured.logical_name),
        integer(captured.attribute),
        long_unsigned(captured.data_index),
    )


def _restriction(restriction: tuple[int, Data, Data] | None) -> Data:
    if restriction is None:
        return structure(enum(0), null_data())
    kind, first, last = restriction
    return structure(enum(kind), structure(first, last))
