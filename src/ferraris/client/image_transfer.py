"""Bringing an image into a meter: the seven steps, gaps filled, and going on after a cut.

Only reads are repeated by themselves. A block whose fate is unknown is sent again only when the
meter's own bitmap says that it is missing; whether an activation that was not answered took place
is unknown until the version is read back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ferraris.client.wishes import Act, Name
from ferraris.core.errors import Error, RefusedError, UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.readings import Operation, Outcome
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult
from ferraris.model.management import (
    ImageBlock,
    ImageInitiation,
    ImageToActivate,
    ImageTransfer,
    ImageTransferStatus,
)
from ferraris.model.time_control import Clock, ExecutionTime, SingleActionSchedule

if TYPE_CHECKING:
    from ferraris.client.meter import Meter

__all__ = ["FirmwareUpdate", "Pause", "schedule_activation", "update_firmware"]

_WHERE = "client"
_OBJECT, _SCHEDULE, _CLOCK = "0-0:44.0.0*255", "0-0:15.0.2*255", "0-0:1.0.0*255"
_MOST_ROUNDS = 8  # of filling gaps
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_AT_WORK = (ImageTransferStatus.VERIFICATION_INITIATED, ImageTransferStatus.ACTIVATION_INITIATED)

Pause = Callable[[float], Awaitable[None]]
"""Waits for some seconds, by the clock of whatever drives the line."""


@dataclass(frozen=True, slots=True)
class FirmwareUpdate:
    """What became of an image.

    Attributes:
        operation: its outcome is done (the image is active, the meter restarts into it, or it was
            verified and activation was not asked for), refused, failed, or unknown.
        status: the last status that the meter told.
        image: what the meter says may be activated; None when it does not tell.
        blocks: how many blocks there are.
        sent: how many were sent, repetitions included.
    """

    operation: Operation
    status: ImageTransferStatus
    image: ImageToActivate | None = None
    blocks: int = 0
    sent: int = 0

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self.operation.outcome


async def update_firmware(
    meter: Meter,
    image: bytes,
    identifier: bytes,
    *,
    pause: Pause,
    name: Name = _OBJECT,
    activate: bool = True,
    resume: bool = False,
    window: int = 1,
    confirmed: bool = True,
    patience_s: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> FirmwareUpdate:
    """Transfer, verify and activate an image.

    Args:
        meter: an open association that may do so.
        image: whole, as its maker made it.
        identifier: what the meter shall call it.
        pause: how to wait between two looks at the status.
        name: the image transfer object.
        activate: False ends after the verification, for an activation by the meter's schedule.
        resume: go on with what the meter already has of an image of this size; it cannot tell
            whether it is of the same one before it has verified it.
        window: blocks in one request, where lists were negotiated; unconfirmed, blocks between two
            looks at what arrived.
        confirmed: wait for the answer to each request.
        patience_s: how long the meter may take to verify, or to activate.
        progress: called with the blocks that are there, and all.

    Raises `LineError` when the line is lost before the activation: the meter keeps its blocks, so
    `resume` goes on. Raises `UsageError` for an empty image.
    """
    if not image:
        raise UsageError("there is no image to transfer", where=_WHERE)
    if window < 1:
        raise UsageError("at least one block goes at a time", where=_WHERE)
    run = _Run(meter, image, identifier, pause=pause, name=name)
    run.window, run.confirmed, run.patience_s = window, confirmed, patience_s
    run.progress = progress or _nobody
    return await run.all_steps(activate=activate, resume=resume)


async def schedule_activation(
    meter: Meter, moment: datetime, *, name: Name = _SCHEDULE, clock: Name = _CLOCK
) -> None:
    """Let the meter's own schedule activate the image at `moment`, in place of earlier times.

    The meter keeps times of its own clock: `moment`, when it has a zone, is told in the deviation
    that the clock has now. Raises `UsageError` when the clock does not tell one.
    """
    local = moment
    if moment.tzinfo is not None:
        shown = await meter.get(Clock.time, clock)
        if shown.deviation is None:
            message = "the meter's clock does not tell its zone: give the time as it shows it"
            raise UsageError(message, where=_WHERE)
        local = moment.astimezone(timezone(timedelta(minutes=-shown.deviation)))
    stamp = DateTime.from_datetime(local.replace(tzinfo=None))
    times = [ExecutionTime(stamp.time, stamp.date)]
    await meter.set(SingleActionSchedule.execution_time, name, times)


def _nobody(done: int, everything: int) -> None:
    pass


class _Run:
    """One image on its way into one meter."""

    def __init__(
        self, meter: Meter, image: bytes, identifier: bytes, *, pause: Pause, name: Name
    ) -> None:
        self._meter = meter
        self._name = name
        self._image = image
        self._identifier = identifier
        self._pause = pause
        self.patience_s = 0.0
        self.window = 1
        self.confirmed = True
        self.progress: Callable[[int, int], None] = _nobody
        self._block_octets = 0
        self._count = 0
        self._sent = 0
        self._status = ImageTransferStatus.NOT_INITIATED
        self._info: ImageToActivate | None = None

    async def all_steps(self, *, activate: bool, resume: bool) -> FirmwareUpdate:
        meter, name = self._meter, self._name
        try:
            if not await meter.get(ImageTransfer.image_transfer_enabled, name):
                await meter.set(ImageTransfer.image_transfer_enabled, name, True)
            self._block_octets = await meter.get(ImageTransfer.image_block_size, name)
            if self._block_octets < 1:
                return self._ended(Outcome.FAILED, "the meter has blocks of no size")
            self._count = -(-len(self._image) // self._block_octets)
            if not await self._is_verified(resume):
                await self._begin(resume)
                if not await self._transfer():
                    return self._ended(Outcome.FAILED, "blocks that were sent do not arrive")
                reason = await self._verify()
                if reason:
                    return self._ended(Outcome.FAILED, reason)
            reason = await self._look_at_what_it_has()
            if reason:
                return self._ended(Outcome.FAILED, reason)
            if not activate:
                return self._ended(Outcome.DONE, "verified; it waits for its activation")
        except RefusedError as error:
            return self._ended(Outcome.REFUSED, str(error))
        return await self._activate()

    # -- transfer -------------------------------------------------------------------------

    async def _is_verified(self, resume: bool) -> bool:
        """Whether the meter has verified an image like ours, in an attempt before."""
        if not resume:
            return False
        await self._read_status()
        if self._status in _AT_WORK:
            await self._wait_for_status()
        if self._status is not ImageTransferStatus.VERIFICATION_SUCCESSFUL:
            return False
        return not await self._look_at_what_it_has()

    async def _begin(self, resume: bool) -> None:
        """Initiate, unless the meter already waits for the rest of an image of this size."""
        if resume and self._status is ImageTransferStatus.INITIATED:
            present = await self._bitmap()
            if len(present) == self._count:
                return
        wanted = ImageInitiation(self._identifier, len(self._image))
        await self._meter.act(ImageTransfer.image_transfer_initiate, self._name, wanted)
        self._status = ImageTransferStatus.INITIATED

    async def _transfer(self) -> bool:
        """Send what is missing until nothing is; False when nothing helps."""
        missing: Sequence[int] = [n for n, there in enumerate(await self._bitmap()) if not there]
        for _ in range(_MOST_ROUNDS):
            before = len(missing)
            self.progress(self._count - before, self._count)
            if not missing:
                return True
            await self._send(missing)
            first = ImageTransfer.image_first_not_transferred_block_number
            if await self._meter.get(first, self._name) >= self._count:
                self.progress(self._count, self._count)
                return True
            missing = [n for n, there in enumerate(await self._bitmap()) if not there]
            if len(missing) == before:
                return False
        return not missing

    async def _send(self, numbers: Sequence[int]) -> None:
        done = self._count - len(numbers)
        in_lists = (
            self.confirmed
            and self.window > 1
            and self._meter.negotiated.has(Conformance.MULTIPLE_REFERENCES)
        )
        step = self.window if in_lists or not self.confirmed else 1
        for start in range(0, len(numbers), step):
            part = numbers[start : start + step]
            self._sent += len(part)
            try:
                await (self._send_list(part) if in_lists else self._send_each(part))
            except Error as error:
                if not error.outcome_unknown:
                    raise
                await self._read_status()  # while the line lives, the bitmap tells what is missing
            if not self.confirmed:
                # An answer paces what has none: the meter is done with what came before.
                await self._read_status()
            self.progress(done + start + len(part), self._count)

    async def _send_each(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            block, confirmed = self._block(number), self.confirmed
            await self._meter.act(
                ImageTransfer.image_block_transfer, self._name, block, confirmed=confirmed
            )

    async def _send_list(self, numbers: Sequence[int]) -> None:
        wishes = [
            Act(ImageTransfer.image_block_transfer, self._name, self._block(number))
            for number in numbers
        ]
        for outcome in await self._meter.act_many(wishes):
            if outcome.error is not None:
                raise outcome.error

    def _block(self, number: int) -> ImageBlock:
        start = number * self._block_octets
        return ImageBlock(number, self._image[start : start + self._block_octets])

    async def _bitmap(self) -> list[bool]:
        bits = await self._meter.get(ImageTransfer.image_transferred_blocks_status, self._name)
        return [bits.bit(number) for number in range(bits.length)]

    # -- verification and activation ------------------------------------------------------

    async def _verify(self) -> str:
        """Let the meter verify; why that failed, or nothing."""
        try:
            await self._meter.act(ImageTransfer.image_verify, self._name, 0)
        except RefusedError as error:
            if error.reason != ActionResult.TEMPORARY_FAILURE:
                await self._read_status()
                return f"the meter does not verify the image: {error}"
            await self._wait_for_status()
        else:
            await self._read_status()
        if self._status is ImageTransferStatus.VERIFICATION_FAILED:
            return "the meter says that the image is not right"
        if self._status is not ImageTransferStatus.VERIFICATION_SUCCESSFUL:
            return f"the verification ends as {self._status.name.lower().replace('_', ' ')}"
        return ""

    async def _look_at_what_it_has(self) -> str:
        """Whether what the meter may activate is ours; why not, or nothing."""
        images = await self._meter.get(ImageTransfer.image_to_activate_info, self._name)
        if not images:
            return ""
        self._info = images[0]
        if self._info.size != len(self._image):
            return f"the meter has an image of {self._info.size} octets, not {len(self._image)}"
        if self._info.identification != self._identifier:
            name = self._info.identification
            return f"the meter has the image {name!r}, not {self._identifier!r}"
        return ""

    async def _activate(self) -> FirmwareUpdate:
        try:
            await self._meter.act(ImageTransfer.image_activate, self._name, 0)
        except RefusedError as error:
            if error.reason != ActionResult.TEMPORARY_FAILURE:
                return self._ended(Outcome.REFUSED, str(error))
            return await self._wait_for_activation()
        except Error as error:
            return self._ended(Outcome.UNKNOWN, f"read the version back: {error}")
        self._status = ImageTransferStatus.ACTIVATION_INITIATED
        return self._ended(Outcome.DONE, "the meter restarts")

    async def _wait_for_activation(self) -> FirmwareUpdate:
        try:
            await self._wait_for_status()
        except Error as error:
            return self._ended(Outcome.UNKNOWN, f"read the version back: {error}")
        if self._status is ImageTransferStatus.ACTIVATION_SUCCESSFUL:
            return self._ended(Outcome.DONE, "active")
        if self._status in _AT_WORK:
            return self._ended(Outcome.UNKNOWN, "the meter is still at work")
        return self._ended(Outcome.FAILED, "the meter goes on with what it had")

    async def _read_status(self) -> None:
        told = await self._meter.get(ImageTransfer.image_transfer_status, self._name)
        self._status = ImageTransferStatus(told)

    async def _wait_for_status(self) -> None:
        """Look, less and less often, until the meter has finished or patience has."""
        waited_s, pause_s = 0.0, _FIRST_PAUSE_S
        await self._read_status()
        while self._status in _AT_WORK and waited_s < self.patience_s:
            await self._pause(pause_s)
            waited_s += pause_s
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            await self._read_status()

    def _ended(self, outcome: Outcome, reason: str) -> FirmwareUpdate:
        arguments = (("identifier", self._identifier), ("octets", len(self._image)))
        operation = Operation(self._meter.device, "update firmware", arguments, outcome, reason)
        return FirmwareUpdate(operation, self._status, self._info, self._count, self._sent)
