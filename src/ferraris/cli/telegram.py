"""Any telegram, read: which framing, what is in it, what the values are.

A reading takes all octets or none. Framing that its own checksum proves comes first, then the
wrapper, an APDU, and plain data; whatever else fits is listed too, for several short telegrams are
two things at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferraris.cli.protected import Secrets, content_shape
from ferraris.cli.shapes import apdu_shape, data_shape, logical_name_shape, moment, plain_symbol
from ferraris.client.pushed import PushedValue, pushed_values
from ferraris.core.errors import DecodeError, Error, UsageError
from ferraris.core.explain import Line
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.messaging.dlms import apdu as apdus
from ferraris.messaging.dlms.acse import Aare, Aarq
from ferraris.messaging.dlms.general import GeneralBlockTransfer, GeneralSigning
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.transport import wrapper
from ferraris.transport.hdlc import address as hdlc_address
from ferraris.transport.hdlc import frame as hdlc_frame

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
    blocks: bytes = b""  # of a general block transfer, as far as it has come


def read(octets: bytes, family: str | None = None, secrets: Secrets | None = None) -> Telegram:
    """Read one telegram as `family`, or as whatever fits first; failures are in `error`."""
    if family is not None and family not in FAMILIES:
        raise UsageError(f"--as knows {', '.join(FAMILIES)}; not {family}")
    secrets = secrets or Secrets()
    found: Telegram | None = None
    failures: list[DecodeError] = []
    for name in FAMILIES if family is None else (family,):
        telegram = Telegram(name)
        try:
            FAMILIES[name](octets, telegram, secrets)
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
        if not octets:
            found.error = DecodeError("no octets", where="telegram")
    return found


def _meant(octets: bytes) -> int:
    """Which family's failure to report: the one that the first octets announce."""
    if octets[:1] == b"~":
        return 0
    if octets[:2] == b"\0\1" and len(octets) >= wrapper.HEADER_OCTETS:
        return 1
    return 2 if octets[:3] in LLC or octets[:1] > b"\x5f" else 3


def _read_hdlc(octets: bytes, telegram: Telegram, secrets: Secrets) -> None:
    frames = [hdlc_frame.parse(content) for content in _frame_contents(octets)]
    shape: dict[str, Any] = {"frames": [_frame_shape(each) for each in frames]}
    telegram.data = shape
    for information in _joined(frames):
        if information[:3] in LLC:
            inner = _nested(information[3:], telegram, secrets, None)
            shape.setdefault("apdus", []).append(inner)


def _frame_contents(octets: bytes) -> list[bytes]:
    """What stands between the flags of frames that fill `octets`; frames may share a flag."""
    contents: list[bytes] = []
    position = 0
    while position < len(octets):
        if octets[position] != hdlc_frame.FLAG:
            raise DecodeError("a flag (7e) was expected", where="hdlc", offset=position)
        start = position + 1
        if contents and octets[start : start + 1] in (b"", b"~"):
            position = start
            continue
        if start + 2 > len(octets):
            raise DecodeError("a frame has a format field", where="hdlc", offset=start)
        end = start + ((octets[start] & 7) << 8 | octets[start + 1])
        if octets[end : end + 1] != b"~":
            raise DecodeError("no flag where the frame ends", where="hdlc", offset=end)
        contents.append(octets[start:end])
        position = end
    if not contents:
        raise DecodeError("no frame", where="hdlc")
    return contents


def _joined(frames: Sequence[hdlc_frame.Frame]) -> list[bytes]:
    """Information of I and UI frames, segments put together; an unfinished one is left out."""
    units = []
    parts = b""
    for each in frames:
        if each.kind in (hdlc_frame.Kind.I, hdlc_frame.Kind.UI):
            parts += each.information
            if not each.segmented:
                units.append(parts)
                parts = b""
    return units


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


def _read_wrapper(octets: bytes, telegram: Telegram, secrets: Secrets) -> None:
    units: list[dict[str, Any]] = []
    position = 0
    while position < len(octets):
        length = int.from_bytes(octets[position + 6 : position + 8], "big")
        end = position + wrapper.HEADER_OCTETS + length
        source, destination, apdu = wrapper.unpack(octets[position:end])
        position = end
        unit: dict[str, Any] = {"source": source, "destination": destination, "length": length}
        unit["apdu"] = _nested(apdu, telegram, secrets, None)
        units.append(unit)
    if not units:
        raise DecodeError("no unit", where="wrapper")
    telegram.data = units[0] if len(units) == 1 else units


def _read_apdu(octets: bytes, telegram: Telegram, secrets: Secrets) -> None:
    if octets[:3] in LLC:
        octets = octets[3:]
    telegram.data = _shape_of_apdu(octets, telegram, secrets)


def _read_data(octets: bytes, telegram: Telegram, secrets: Secrets) -> None:
    data = axdr.decode(octets)
    telegram.data = data_shape(data)
    _collect(data, None, telegram)


FAMILIES: dict[str, Callable[[bytes, Telegram, Secrets], None]] = {
    "hdlc": _read_hdlc,
    "wrapper": _read_wrapper,
    "apdu": _read_apdu,
    "data": _read_data,
}
"""What `--as` may say, in the order in which they are tried."""


def _shape_of_apdu(
    octets: bytes, telegram: Telegram, secrets: Secrets, title: bytes | None = None
) -> dict[str, Any]:
    """The shape of an APDU, with whatever is nested in it; collects device and readings."""
    apdu = apdus.decode(octets, strict=True)
    if isinstance(apdu, DataNotification):
        _collect_push(apdu, telegram)
    sender = _title(apdu) or title or secrets.system_title
    _note_device(apdu, telegram)
    whole = _joined_blocks(apdu, telegram)

    def show_nested(holder: Any, name: str) -> Any:
        inner = getattr(holder, name)
        if name in ("user_information", "apdu") or not _is_protected(holder):
            return _nested(inner, telegram, secrets, sender)
        try:
            shape, plain = content_shape(holder, secrets, sender)
        except DecodeError:
            raise
        except Error as error:
            telegram.error = telegram.error or error
            return inner
        if plain is not None:
            shape["plain"] = _nested(plain, telegram, secrets, sender)
        return shape

    shape = apdu_shape(apdu, show_nested)
    if whole:
        shape["whole"] = _nested(whole, telegram, secrets, sender)
    return shape


def _joined_blocks(apdu: Any, telegram: Telegram) -> bytes:
    """The APDU that a general block transfer carried, with its last block; empty before."""
    if not isinstance(apdu, GeneralBlockTransfer):
        return b""
    telegram.blocks = (b"" if apdu.block_number == 1 else telegram.blocks) + apdu.block_data
    return telegram.blocks if apdu.last_block else b""


def _nested(octets: bytes, telegram: Telegram, secrets: Secrets, title: bytes | None) -> Any:
    try:
        return _shape_of_apdu(octets, telegram, secrets, title)
    except DecodeError as error:
        telegram.error = telegram.error or error
        return octets


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
