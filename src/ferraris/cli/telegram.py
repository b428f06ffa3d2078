"""Any telegram, read: which framing, what is in it, what the values are.

A reading takes all octets or none. Framing that its own checksum proves comes first, then the
wrapper, an APDU, and plain data; whatever else fits is listed too, for several short telegrams are
two things at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ferraris.cli.opening import opening_shape
from ferraris.cli.protected import Secrets, content_shape
from ferraris.cli.session import Ends, Session
from ferraris.cli.shapes import (
    apdu_shape,
    data_shape,
    encoded_shape,
    logical_name_shape,
    moment,
    plain_symbol,
)
from ferraris.client.pushed import PushedValue, pushed_values
from ferraris.core.errors import DecodeError, Error, UsageError
from ferraris.core.explain import Line
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.messaging.dlms import apdu as apdus
from ferraris.messaging.dlms import initiate
from ferraris.messaging.dlms.acse import Aare, Aarq
from ferraris.messaging.dlms.explain import conceal
from ferraris.messaging.dlms.general import GeneralBlockTransfer, GeneralSigning
from ferraris.messaging.dlms.get import GetResponseWithBlock
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.messaging.dlms.tags import ApduTag
from ferraris.messaging.dlms.translation.node import Node
from ferraris.transport.explain import Explanation, explain_wrapper
from ferraris.transport.explain_hdlc import explain_hdlc
from ferraris.transport.hdlc import address as hdlc_address
from ferraris.transport.hdlc import frame as hdlc_frame
from ferraris.transport.wrapper import HEADER_OCTETS

__all__ = ["FAMILIES", "LLC", "Telegram", "read"]

LLC = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
"""The LLC header before an APDU in HDLC, to the server and to the client [hdlc-quoted]."""

_IDENTITIES = {
    bytes((0, 0, 96, 1, 0, 255)),
    bytes((0, 0, 42, 0, 0, 255)),
    bytes((1, 1, 0, 0, 5, 255)),
}


@dataclass(slots=True)
class Telegram:
    """One telegram as read; `error` is what stopped it, before or inside the protection."""

    protocol: str | None = None
    device: dict[str, Any] = field(default_factory=dict)
    readings: list[dict[str, Any]] = field(default_factory=list)
    data: Any = None
    also: list[str] = field(default_factory=list)
    error: Error | None = None
    lines: list[Line] = field(default_factory=list)
    framing: Explanation | None = None
    trees: list[Node] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Context:
    """What is known around an APDU: keys, who sent it, and what came before."""

    secrets: Secrets
    session: Session
    ends: Ends = (0, 0)
    title: bytes | None = None

    def between(self, ends: Ends) -> Context:
        """The same for an APDU between these ends."""
        return replace(self, ends=ends)

    def learn_dedicated_key(self, initiate_request: bytes) -> None:
        """What later telegrams of this association are opened with; nobody is shown it."""
        request = initiate.decode_request(initiate_request)
        if request.dedicated_key:
            self.session.agreed(self.ends, request.dedicated_key)

    def of(self, apdu: bytes, title: bytes | None) -> Context:
        """The same with the title of who sent this APDU, which may say it itself."""
        self.session.named(self.ends, apdu, title)
        known = title or self.title or self.session.title(self.ends, apdu)
        return replace(self, title=known or self.secrets.system_title)


def read(
    octets: bytes,
    family: str | None = None,
    secrets: Secrets | None = None,
    session: Session | None = None,
) -> Telegram:
    """Read one telegram as `family`, or as whatever fits first; failures are in `error`.

    `session` holds what earlier telegrams said, and takes what this one says.
    """
    if family is not None and family not in FAMILIES:
        raise UsageError(f"--as knows {', '.join(FAMILIES)}; not {family}")
    context = Context(secrets or Secrets(), session or Session())
    found: Telegram | None = None
    failures: list[DecodeError] = []
    for name in FAMILIES if family is None else (family,):
        telegram = Telegram(name)
        try:
            FAMILIES[name](octets, telegram, context)
        except DecodeError as error:
            failures.append(error)
            continue
        except Error as error:  # what it is, is known; what is inside, stays shut
            telegram.error = error
        if found is None:
            found = telegram
        else:
            found.also.append(name)
    if found is None:
        meant = 0 if family is not None else _meant(octets)
        found = Telegram(error=failures[meant])
        failures[meant].excerpt = ""  # it might show a password; the telegram is at hand
        if not octets:
            found.error = DecodeError("no octets", where="telegram")
    return found


def _meant(octets: bytes) -> int:
    """Which family's failure to report: the one that the first octets announce."""
    if octets[:1] == b"~":
        return 0
    if octets[:2] == b"\0\1" and len(octets) >= HEADER_OCTETS:
        return 1
    return 2 if octets[:3] in LLC or octets[:1] > b"\x5f" else 3


def _read_hdlc(octets: bytes, telegram: Telegram, context: Context) -> None:
    segments = context.session.segments.copy()
    found = explain_hdlc(octets, segments)
    if found.error is not None:
        raise found.error
    context.session.segments = segments
    telegram.framing = found
    hidden = found.with_apdus(octets, [conceal(apdu.octets) for apdu in found.apdus])
    frames = [hdlc_frame.parse(hidden[start:end]) for start, end in found.contents]
    shape: dict[str, Any] = {"frames": [_frame_shape(each) for each in frames]}
    telegram.data = shape
    for apdu in found.apdus:
        if apdu.complete and apdu.octets:
            inner = _nested(apdu.octets, telegram, context.between(apdu.ends))
            shape.setdefault("apdus", []).append(inner)


def _frame_shape(each: hdlc_frame.Frame) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "kind": each.kind.value,
        "control": bytes((each.control,)),
        "destination": each.destination,
        "source": each.source,
        "destination_address": str(hdlc_address.unpack_address(each.destination)),
        "source_address": str(hdlc_address.unpack_address(each.source)),
        "poll_final": each.poll_final,
        "segmented": each.segmented,
    }
    if each.kind is hdlc_frame.Kind.I:
        shape["send_number"] = hdlc_frame.send_number(each.control)
    if each.kind in (hdlc_frame.Kind.I, hdlc_frame.Kind.RR, hdlc_frame.Kind.RNR):
        shape["receive_number"] = hdlc_frame.receive_number(each.control)
    shape["information"] = each.information
    return shape


def _read_wrapper(octets: bytes, telegram: Telegram, context: Context) -> None:
    found = explain_wrapper(octets)
    if found.error is not None:
        raise found.error
    telegram.framing = found
    units: list[dict[str, Any]] = []
    for apdu in found.apdus:
        source, destination = apdu.ends
        unit: dict[str, Any] = {"source": source, "destination": destination}
        unit["length"] = len(apdu.octets)
        unit["apdu"] = _nested(apdu.octets, telegram, context.between(apdu.ends))
        units.append(unit)
    telegram.data = units[0] if len(units) == 1 else units


def _read_apdu(octets: bytes, telegram: Telegram, context: Context) -> None:
    if octets[:3] in LLC:
        octets = octets[3:]
    telegram.data = _shape_of_apdu(octets, telegram, context)


def _read_data(octets: bytes, telegram: Telegram, context: Context) -> None:
    data = axdr.decode(octets)
    telegram.data = data_shape(data)
    _collect(data, None, telegram)


def _read_opening(octets: bytes, telegram: Telegram, context: Context) -> None:
    telegram.data = opening_shape(octets)


FAMILIES: dict[str, Callable[[bytes, Telegram, Context], None]] = {
    "hdlc": _read_hdlc,
    "wrapper": _read_wrapper,
    "apdu": _read_apdu,
    "data": _read_data,
    "opening": _read_opening,
}
"""What `--as` may say, in the order in which they are tried."""


def _shape_of_apdu(octets: bytes, telegram: Telegram, context: Context) -> dict[str, Any]:
    """The shape of an APDU, with whatever is nested in it; collects device and readings."""
    if octets[:1] == bytes((ApduTag.INITIATE_REQUEST,)):
        context.learn_dedicated_key(octets)
    octets = conceal(octets)
    apdu = apdus.decode(octets, strict=True)
    if isinstance(apdu, DataNotification):
        _collect_push(apdu, telegram)
    context = context.of(octets, _title(apdu))
    _note_device(apdu, telegram)

    def show_nested(holder: Any, name: str) -> Any:
        inner = getattr(holder, name)
        if name in ("user_information", "apdu") or not _is_protected(holder):
            return _nested(inner, telegram, context)
        try:
            session, ends = context.session, context.ends
            secrets = context.secrets.between(context.title, session.peer(ends))
            shape, plain = content_shape(
                holder, secrets, context.title, session.dedicated_key(ends)
            )
        except DecodeError:
            raise
        except Error as error:
            telegram.error = telegram.error or error
            return inner
        if plain is not None:
            shape["plain"] = _nested(plain, telegram, context)
        return shape

    shape = apdu_shape(apdu, show_nested)
    _show_joined(apdu, shape, telegram, context)
    return shape


def _show_joined(apdu: Any, shape: dict[str, Any], telegram: Telegram, context: Context) -> None:
    """What a transfer in blocks has carried, with its last block."""
    joined = partial(context.session.joined, context.ends, type(apdu).__name__)
    if isinstance(apdu, GeneralBlockTransfer):
        whole = joined(apdu.block_number, apdu.block_data, last=apdu.last_block)
        if whole:
            shape["whole"] = _nested(whole, telegram, context)
    elif isinstance(apdu, GetResponseWithBlock) and apdu.raw_data is not None:
        whole = joined(apdu.block_number, apdu.raw_data, last=apdu.last_block)
        if whole:
            shape["whole"] = encoded_shape(whole)


def _nested(octets: bytes, telegram: Telegram, context: Context) -> Any:
    try:
        return _shape_of_apdu(octets, telegram, context)
    except DecodeError as error:
        telegram.error = telegram.error or error
        return conceal(octets)


def _is_protected(apdu: Any) -> bool:
    return not isinstance(apdu, GeneralSigning)


def _title(apdu: Any) -> bytes | None:
    """The system title of who made the APDU, where it says so."""
    if isinstance(apdu, Aarq):
        return apdu.calling_ap_title
    if isinstance(apdu, Aare):
        return apdu.responding_ap_title
    title = getattr(apdu, "system_title", None) or getattr(apdu, "originator_system_title", None)
    return title or None


def _note_device(apdu: Any, telegram: Telegram) -> None:
    """A meter that names itself: three letters of its manufacturer and the title as identity."""
    title = _title(apdu)
    if title is None or len(title) != 8 or isinstance(apdu, Aarq):
        return
    telegram.device.setdefault("id", title.hex())
    letters = title[:3].decode("latin-1")
    if letters.isascii() and letters.isalpha():
        telegram.device.setdefault("manufacturer", letters.upper())


def _collect_push(apdu: DataNotification, telegram: Telegram) -> None:
    time = DateTime(apdu.date_time) if len(apdu.date_time) == 12 else None
    _collect(axdr.decode(apdu.body), time, telegram)


def _collect(data: Data, time: DateTime | None, telegram: Telegram) -> None:
    """Named values become readings, all of the time that the list or the push gives."""
    values = pushed_values(data)
    for each in values:
        if isinstance(each.value, DateTime) and (each.name.c, each.name.d) == (1, 0):
            time = each.value
        if bytes(each.name) in _IDENTITIES:
            telegram.device["id"] = str(each.value)
    telegram.readings += [_reading(each, time) for each in values]


def _reading(pushed: PushedValue, time: DateTime | None) -> dict[str, Any]:
    named = logical_name_shape(pushed.name)
    value = pushed.value
    if isinstance(value, DateTime):
        value = moment(value)
    return {
        "obis": named["obis"],
        "name": named.get("name"),
        "value": value,
        "unit": None if pushed.unit is None else plain_symbol(pushed.unit.symbol),
        "time": None if time is None else moment(time),
        "storage": None,
        "tariff": None,
        "subunit": None,
        "function": None,
    }
