"""Image transfer: blocks in any order, verification, and a reboot into another firmware.

What a meter takes survives power cuts: blocks stay, a verification or activation under way begins
anew when the power is back. Whatever goes wrong leaves the old firmware running.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.data import axdr
from ferraris.data.kinds import (
    BitString,
    Tag,
    boolean,
    double_long_unsigned,
)
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.meter import image
from ferraris.meter.behaviour.behaviour import Living, encoded
from ferraris.meter.behaviour.firmware import Firmware
from ferraris.meter.behaviour.image_states import ImageTrigger, after
from ferraris.meter.chunks import Chunks
from ferraris.meter.happenings import Happening
from ferraris.model import management
from ferraris.model.management import ImageToActivate, ImageTransferStatus
from ferraris.server.device import ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["ImageMemory", "ImageTransfer", "Refusal"]

_INITIATE, _BLOCK, _VERIFY, _ACTIVATE = range(1, 5)
_ENABLED = 5
_LONGEST_IDENTIFIER = 64
_LARGEST_OCTETS = 4 << 20
_ANSWER_S = 1  # the answer to an activation leaves before the meter goes down

_BUSY = (ImageTransferStatus.VERIFICATION_INITIATED, ImageTransferStatus.ACTIVATION_INITIATED)
_REBOOTED = (ImageTransferStatus.ACTIVATION_INITIATED, ImageTransferStatus.ACTIVATION_SUCCESSFUL)


@unique
class Refusal(StrEnum):
    """The step at which a meter refuses firmware, for scenarios."""

    TRANSFER = "transfer"
    VERIFICATION = "verification"
    ACTIVATION = "activation"


@dataclass
class ImageMemory:
    """How far a transfer has come.

    Attributes:
        until: UTC second at which a verification or an activation ends.
        returns: UTC second from which whoever sent the image activates it, once it is verified.
        verified: size, identifier and signature of the image that may be activated.
        version: what it will make of the meter.
        refuses: the step at which the meter says no whatever it gets.
        failure: why verification or activation failed, for who looks inside.
    """

    status: int = 0
    identifier: bytes = b""
    size: int = 0
    count: int = 0
    blocks: Chunks = field(default_factory=Chunks)
    until: int | None = None
    returns: int | None = None
    verified: tuple[int, bytes, bytes] | None = None
    version: str = ""
    refuses: Refusal | None = None
    failure: str = ""


_NOTHING = ImageMemory()


class ImageTransfer(Living):
    """Takes images of the format of `ferraris.meter.image` for its template.

    `block_octets` is the size of all blocks but the last; a verification takes `verify_s`, after
    which the status tells how it ended, a reboot `reboot_s`, in which the meter answers nobody.
    With `verify_s` 0 the answer to the method tells it at once.
    """

    declares = management.ImageTransfer

    def __init__(
        self, name: str, *, block_octets: int = 512, verify_s: int = 2, reboot_s: int = 5
    ) -> None:
        super().__init__(name, {2: double_long_unsigned(block_octets), _ENABLED: boolean(True)})
        self.block_octets = block_octets
        self._verify_s = verify_s
        self._reboot_s = reboot_s

    def memory(self, meter: SimulatedMeter) -> ImageMemory:
        """How far the transfer to a meter has come; not to be changed."""
        return meter.state.found(ImageMemory, self.key) or _NOTHING

    def refuse(self, meter: SimulatedMeter, step: Refusal | None) -> None:
        """Let a meter refuse at a step from now on, None for never."""
        self._change(meter).refuses = step

    def activate_later(self, meter: SimulatedMeter, at: int) -> None:
        """Let whoever sent the image come back at a UTC second and activate it.

        Nothing comes of it when the image is then neither right nor being verified.
        """
        self._change(meter).returns = at

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 3, 4, 6 and 7."""
        kept = self.memory(meter)
        if attribute == 3:
            return axdr.encode((int(Tag.BIT_STRING), self._bits(kept)))
        if attribute == 4:
            return encoded(Tag.DOUBLE_LONG_UNSIGNED, _first_missing(kept))
        if attribute == 6:
            return encoded(Tag.ENUM, kept.status)
        info = [] if kept.verified is None else [ImageToActivate(*kept.verified)]
        return axdr.encode(self.declares.image_to_activate_info.type.dump(info))

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """The four methods; refused with temporary-failure while the meter is at work itself."""
        kept = self.memory(meter)
        if axdr.decode(self.get(meter, _ENABLED, None, now))[1] is not True:
            raise ActionRefused(ActionResult.OTHER_REASON, "image transfer is not enabled")
        if kept.status in _BUSY:
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE, "the meter is at work")
        if method == _INITIATE:
            self._initiate(meter, data)
        elif method == _BLOCK:
            self._take(meter, data)
        elif method == _VERIFY:
            self._verify(meter, now)
        elif method == _ACTIVATE:
            self._activate(meter, now)
        else:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        return None

    # -- steps ----------------------------------------------------------------------------

    def _initiate(self, meter: SimulatedMeter, data: bytes | None) -> None:
        wanted = self.declares.image_transfer_initiate.type.load(axdr.decode(data or b""))
        if not 0 < wanted.size <= _LARGEST_OCTETS or len(wanted.identifier) > _LONGEST_IDENTIFIER:
            raise ActionRefused(ActionResult.OTHER_REASON, "there is no room for the image")
        kept = self._moved(meter, ImageTrigger.INITIATE)
        kept.identifier, kept.size = bytes(wanted.identifier), wanted.size
        kept.count = -(-wanted.size // self.block_octets)
        kept.blocks.clear()
        kept.verified, kept.version, kept.failure, kept.returns = None, "", "", None

    def _take(self, meter: SimulatedMeter, data: bytes | None) -> None:
        block = self.declares.image_block_transfer.type.load(axdr.decode(data or b""))
        kept = self.memory(meter)
        if kept.refuses is Refusal.TRANSFER:
            raise ActionRefused(ActionResult.HARDWARE_FAULT, "the memory cannot be written")
        if after(kept.status, ImageTrigger.BLOCK) is None or block.number >= kept.count:
            raise ActionRefused(ActionResult.OTHER_REASON, "no such block is awaited")
        is_last = block.number == kept.count - 1
        expected = kept.size - block.number * self.block_octets if is_last else self.block_octets
        if len(block.value) != expected:
            raise ActionRefused(ActionResult.OTHER_REASON, "the block is of another size")
        self._moved(meter, ImageTrigger.BLOCK).blocks.put(block.number, bytes(block.value))

    def _verify(self, meter: SimulatedMeter, now: int) -> None:
        kept = self.memory(meter)
        if kept.status == ImageTransferStatus.VERIFICATION_SUCCESSFUL:
            return
        if len(kept.blocks) < kept.count:
            raise ActionRefused(ActionResult.OTHER_REASON, "blocks are missing")
        kept = self._moved(meter, ImageTrigger.VERIFY)
        kept.until = now + self._verify_s
        if self._verify_s:
            raise ActionRefused(ActionResult.TEMPORARY_FAILURE, "the image is being verified")
        self._finish_verification(meter, now)
        if kept.failure:
            raise ActionRefused(ActionResult.OTHER_REASON, kept.failure)

    def _activate(self, meter: SimulatedMeter, now: int) -> None:
        kept = self._moved(meter, ImageTrigger.ACTIVATE)
        kept.until = now + _ANSWER_S + self._reboot_s
        meter.change().silence = (now + _ANSWER_S, kept.until)

    # -- what takes time ------------------------------------------------------------------

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """The end of a verification or a reboot, or an activation that waits for neither."""
        kept = self.memory(meter)
        coming = kept.returns if kept.until is None else kept.until
        return None if coming is None else max(coming, after + 1)

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """Tell how it ended, or activate."""
        kept = self.memory(meter)
        status = kept.status
        if kept.until is None:
            self._change(meter).returns = None
            if status == ImageTransferStatus.VERIFICATION_SUCCESSFUL:
                self._activate(meter, at)
        elif status == ImageTransferStatus.VERIFICATION_INITIATED:
            self._finish_verification(meter, at)
        elif status == ImageTransferStatus.ACTIVATION_INITIATED:
            self._finish_activation(meter, at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """What was under way begins anew."""
        status = self.memory(meter).status
        if status == ImageTransferStatus.VERIFICATION_INITIATED:
            self._change(meter).until = at + self._verify_s
        elif status == ImageTransferStatus.ACTIVATION_INITIATED:
            self._change(meter).until = at + self._reboot_s
            meter.change().silence = (at, at + self._reboot_s)

    def _finish_verification(self, meter: SimulatedMeter, at: int) -> None:
        kept = self._change(meter)
        kept.until = None
        try:
            if kept.refuses is Refusal.VERIFICATION:
                raise SecurityError("the meter refuses every image")
            found = image.unpack(kept.blocks.joined())
            image.check(found, meter.fleet.template.name)
        except (DecodeError, SecurityError) as error:
            kept.failure = str(error)
            self._moved(meter, ImageTrigger.REJECTED)
            return
        kept.failure = ""
        kept.verified = (kept.size, kept.identifier, found.signature)
        kept.version = found.version
        self._moved(meter, ImageTrigger.VERIFIED)
        meter.note(Happening.FIRMWARE_READY, at)

    def _finish_activation(self, meter: SimulatedMeter, at: int) -> None:
        state = meter.change()
        state.restarts += 1
        state.silence = None
        kept = self._change(meter)
        kept.until = None
        if kept.refuses is Refusal.ACTIVATION:
            kept.failure = "the new firmware does not start"
            self._moved(meter, ImageTrigger.FELL_BACK)
            return
        assert kept.verified is not None
        active = state.part(Firmware)
        active.version, active.signature, active.activated_at = kept.version, kept.verified[2], at
        kept.blocks.clear()
        self._moved(meter, ImageTrigger.STARTED)
        meter.note(Happening.FIRMWARE_ACTIVATED, at)

    # -- the rest -------------------------------------------------------------------------

    def _change(self, meter: SimulatedMeter) -> ImageMemory:
        return meter.change().part(ImageMemory, self.key)

    def _moved(self, meter: SimulatedMeter, trigger: ImageTrigger) -> ImageMemory:
        """What is kept, in its next status; `ActionRefused` where there is none."""
        following = after(self.memory(meter).status, trigger)
        if following is None:
            raise ActionRefused(ActionResult.OTHER_REASON, f"{trigger.value} is not possible now")
        kept = self._change(meter)
        kept.status = int(following)
        return kept

    @staticmethod
    def _bits(kept: ImageMemory) -> BitString:
        """One bit a block, the first for block 0."""
        bits = bytearray(-(-kept.count // 8))
        for number in range(kept.count) if kept.status in _REBOOTED else kept.blocks:
            bits[number >> 3] |= 0x80 >> (number & 7)
        return BitString(kept.count, bytes(bits))


def _first_missing(kept: ImageMemory) -> int:
    """The number of blocks when none is missing."""
    if kept.status in _REBOOTED or len(kept.blocks) == kept.count:
        return kept.count
    return next(number for number in range(kept.count) if number not in kept.blocks)
