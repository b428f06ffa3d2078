"""Acts of a technician, who does what he does through the objects of the management client."""

from __future__ import annotations

from functools import lru_cache

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import (
    Data,
    array,
    double_long_unsigned,
    integer,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter import life
from ferraris.meter.behaviour.image_transfer import ImageTransfer, Refusal
from ferraris.meter.behaviour.tariffication import CALENDAR, TARIFF_SCRIPTS, as_calendar
from ferraris.meter.image import pack
from ferraris.meter.scenario.act import Act, Given, Parameter, RefusedActError
from ferraris.meter.scenario.document import Node
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.tariff import Tariff
from ferraris.meter.templates.updating import IMAGE_TRANSFER
from ferraris.server.device import (
    AccessRefused,
    ActionRefused,
    ObjectEntry,
    ObjectKey,
    RequestContext,
)

__all__ = ["TECHNICIAN", "move_clock"]

_MANAGEMENT = 1
_CLOCK = (8, bytes(Obis.of(0, 0, 1, 0, 0)))
_IMAGE = (18, bytes(Obis.parse(IMAGE_TRANSFER)))
_ACTIVATION = (22, bytes(Obis.of(0, 0, 15, 0, 2)))
_CALENDAR = (20, bytes(Obis.parse(CALENDAR)))
_PASSIVE = range(6, 10)
_LARGEST_IMAGE = 1 << 20


def move_clock(meter: SimulatedMeter, at: int, given: Given) -> None:
    """Write the time that the clock shows, `by` seconds later."""
    stamp = meter.zone.stamp(meter.local(at) + given["by"])
    _set(meter, _CLOCK, 2, octet_string(stamp), at)


def _write(meter: SimulatedMeter, at: int, given: Given) -> None:
    class_id, name, attribute = given["attribute"]
    _set(meter, (class_id, name), attribute, given["data"], at)


def _invoke(meter: SimulatedMeter, at: int, given: Given) -> None:
    class_id, name, method = given["method"]
    _act(meter, (class_id, name), method, given["data"], at)


def _program_tariff(meter: SimulatedMeter, at: int, given: Given) -> None:
    """A passive calendar, activated after some time by the meter itself."""
    scripts = bytes(Obis.parse(TARIFF_SCRIPTS))
    parts = as_calendar(given["day"], scripts, given["name"].encode("ascii"))
    for index, part in zip(_PASSIVE, parts, strict=True):
        _set(meter, _CALENDAR, index, part, at)
    if not given["activate after"]:
        _act(meter, _CALENDAR, 1, integer(0), at)
    else:
        stamp = meter.zone.stamp(meter.local(at + given["activate after"]))
        _set(meter, _CALENDAR, 10, octet_string(stamp), at)


def _update_firmware(meter: SimulatedMeter, at: int, given: Given) -> None:
    """The whole image, its verification, and a time at which the meter activates it by itself.

    At a meter without a schedule the technician comes back.
    """
    transfer = meter.fleet.template.behaviours.get(_IMAGE)
    if not isinstance(transfer, ImageTransfer):
        raise RefusedActError("the meter takes no firmware")
    image = _image(meter.fleet.template.name, given["version"], given["size"])
    octets = transfer.block_octets
    name = octet_string(given["version"].encode("ascii"))
    _act(meter, _IMAGE, 1, structure(name, double_long_unsigned(len(image))), at)
    for number, start in enumerate(range(0, len(image), octets)):
        block = octet_string(image[start : start + octets])
        _act(meter, _IMAGE, 2, structure(double_long_unsigned(number), block), at)
    _act(meter, _IMAGE, 3, integer(0), at)
    later = at + given["activate after"]
    if _ACTIVATION not in meter.objects:
        with life.intervening(meter, at):
            transfer.activate_later(meter, later)
        return
    stamp = meter.zone.stamp(meter.local(later))
    time = structure(octet_string(stamp[5:8] + b"\xff"), octet_string(stamp[:5]))
    _set(meter, _ACTIVATION, 4, array(time), at)


def _refuse_firmware(meter: SimulatedMeter, at: int, given: Given) -> None:
    _set_refusal(meter, at, Refusal(given["at step"]))


def _take_firmware_again(meter: SimulatedMeter, at: int, given: Given) -> None:
    _set_refusal(meter, at, None)


def _set_refusal(meter: SimulatedMeter, at: int, step: Refusal | None) -> None:
    transfer = meter.fleet.template.behaviours.get(_IMAGE)
    if not isinstance(transfer, ImageTransfer):
        raise RefusedActError("the meter takes no firmware")
    with life.intervening(meter, at):
        transfer.refuse(meter, step)


@lru_cache(maxsize=64)
def _image(target: str, version: str, size: int) -> bytes:
    return pack(target, version, bytes(place % 251 for place in range(size)))


# -- requests -------------------------------------------------------------------------------


def _set(
    meter: SimulatedMeter, key: ObjectKey, attribute: int, data: Data | bytes, at: int
) -> None:
    entry = _entry(meter, key, at)
    octets = data if isinstance(data, bytes) else axdr.encode(data)
    try:
        meter.set(entry, attribute, octets, None, RequestContext(_MANAGEMENT, now=at))
    except AccessRefused as error:
        raise RefusedActError(_told(entry, error)) from None


def _act(
    meter: SimulatedMeter, key: ObjectKey, method: int, data: Data | bytes | None, at: int
) -> None:
    """Invoke a method; one that goes on by itself after its answer is not refused."""
    entry = _entry(meter, key, at)
    octets = axdr.encode(data) if isinstance(data, tuple) else data
    try:
        meter.act(entry, method, octets, RequestContext(_MANAGEMENT, now=at))
    except ActionRefused as error:
        if error.result != ActionResult.TEMPORARY_FAILURE:
            raise RefusedActError(_told(entry, error)) from None
    except AccessRefused as error:
        raise RefusedActError(_told(entry, error)) from None


def _entry(meter: SimulatedMeter, key: ObjectKey, at: int) -> ObjectEntry:
    class_id, name = key
    if meter.state.off_since is not None:
        raise RefusedActError("the meter has no power")
    entry = meter.objects.get(key)
    if entry is None:
        raise RefusedActError(f"the meter has no {class_id}/{Obis(name)}")
    return entry


def _told(entry: ObjectEntry, error: AccessRefused | ActionRefused) -> str:
    result = error.result.name.lower().replace("_", "-")
    return f"{entry.class_id}/{Obis(entry.logical_name)} says {result}"


# -- parameters -----------------------------------------------------------------------------


def _member(node: Node) -> tuple[int, bytes, int]:
    """An attribute or method as CLASS/OBIS/INDEX."""
    parts = node.text().split("/")
    try:
        if len(parts) == 3:
            return int(parts[0]), bytes(Obis.parse(parts[1])), int(parts[2])
    except (ValueError, UsageError):
        pass
    raise node.error("CLASS/OBIS/INDEX was expected, as 3/1-0:1.8.0*255/2")


def _data(node: Node) -> bytes:
    """Encoded COSEM data in hexadecimal."""
    try:
        octets = bytes.fromhex(str(node.value))
        axdr.decode(octets)
    except (ValueError, DecodeError):
        raise node.error("encoded data in hexadecimal was expected, as '1105' for 5") from None
    return octets


def _name(node: Node) -> str:
    """A short name for the wire."""
    text = node.text()
    if not text.isascii() or len(text) > 32:
        raise node.error("a name of up to 32 ASCII characters was expected")
    return text


def _day(node: Node) -> Tariff:
    """The rates of a day, as a mapping of times to numbers."""
    switches = []
    for time, rate in node.mapping(other=True).items():
        hour, _, minute = time.partition(":")
        if not (hour.isdigit() and minute.isdigit()):
            raise rate.error(f"a time as 06:30 was expected before the rate, not {time!r}, and")
        switches.append((60 * int(hour) + int(minute), rate.whole(1, 4)))
    try:
        return Tariff(tuple(switches))
    except UsageError as error:
        raise node.error(f"a day was expected in which {error}") from None


def _step(node: Node) -> str:
    if node.value not in tuple(Refusal):
        raise node.error(f"one of {', '.join(Refusal)} was expected")
    return str(node.value)


TECHNICIAN = (
    Act(
        "move clock",
        move_clock,
        takes={"by": Parameter(lambda node: node.whole(-(10**8), 10**8), needed=True)},
    ),
    Act(
        "write",
        _write,
        takes={
            "attribute": Parameter(_member, needed=True),
            "data": Parameter(_data, needed=True),
        },
    ),
    Act(
        "invoke",
        _invoke,
        takes={"method": Parameter(_member, needed=True), "data": Parameter(_data)},
    ),
    Act(
        "program tariff",
        _program_tariff,
        takes={
            "name": Parameter(_name, needed=True),
            "day": Parameter(_day, needed=True),
            "activate after": Parameter(Node.seconds, default=0),
        },
    ),
    Act(
        "update firmware",
        _update_firmware,
        takes={
            "version": Parameter(_name, needed=True),
            "size": Parameter(lambda node: node.whole(1, _LARGEST_IMAGE), default=20_000),
            "activate after": Parameter(Node.seconds, default=600),
        },
    ),
    Act(
        "refuse firmware",
        _refuse_firmware,
        _take_firmware_again,
        takes={"at step": Parameter(_step, default=str(Refusal.VERIFICATION))},
    ),
)
"""What a technician does, by name."""
