"""Firmware brought into a simulated meter over virtual lines, good and bad."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pairing import NOON, Pair, watch

from ferraris.client.image_transfer import FirmwareUpdate, schedule_activation
from ferraris.client.meter import Meter
from ferraris.core.errors import Error, LineError, UsageError
from ferraris.data.obis import Obis
from ferraris.data.readings import Outcome
from ferraris.line.virtual import Physics
from ferraris.meter import image
from ferraris.meter.behaviour.image_transfer import ImageMemory, ImageTransfer, Refusal
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.model import management
from ferraris.model.management import ImageTransferStatus as Status

TRANSFER = "0-0:44.0.0*255"
IMAGE = image.pack("residential", "FRR-R2.0", bytes(range(253)) * 41)
BLOCKS = -(-len(IMAGE) // 512)


def pair_of(scheme: str = "tcp", **physics: float) -> Pair:
    fleet = Fleet(template("residential"), 2, seed=7)
    return Pair(scheme, physics=Physics(**physics), fleet=fleet)


def behaviour(pair: Pair) -> ImageTransfer:
    found = pair.fleet.template.behaviours[18, bytes(Obis.parse(TRANSFER))]
    assert isinstance(found, ImageTransfer)
    return found


def update(
    pair: Pair, octets: bytes = IMAGE, **how: Any
) -> Callable[[Meter], Awaitable[FirmwareUpdate]]:
    return lambda meter: meter.update_firmware(octets, b"R2", pause=pair.time.pause, **how)


def version(pair: Pair) -> bytes:
    """Asked in an association of its own, when the meter is back."""

    async def procedure(meter: Meter) -> bytes:
        (_, value) = await meter.get_data(1, "1-0:0.2.0*255", 2)
        return bytes(value)

    pair.time.now += 60
    return pair.run(pair.security("gmac"), procedure)


@pytest.mark.parametrize("scheme", ["tcp", "udp", "tcp+hdlc"])
@pytest.mark.parametrize(
    "how",
    [{}, {"window": 3}, {"window": 8, "confirmed": False}],
    ids=["one by one", "in lists", "unconfirmed"],
)
def test_from_the_first_block_to_the_new_version(scheme: str, how: dict[str, Any]) -> None:
    pair = pair_of(scheme)
    told: list[tuple[int, int]] = []
    done = update(pair, progress=lambda *counts: told.append(counts), **how)
    result = pair.run(pair.security("gmac"), done)
    assert result.outcome is Outcome.DONE
    assert (result.blocks, result.sent) == (BLOCKS, BLOCKS)
    assert result.image is not None
    assert result.image.signature == image.unpack(IMAGE).signature
    assert told[0] == (0, BLOCKS)
    assert told[-1] == (BLOCKS, BLOCKS)
    assert told == sorted(told)
    assert version(pair) == b"FRR-R2.0"


def test_lists_take_fewer_exchanges() -> None:
    requests = []
    for window in (1, 3):
        pair, heard = pair_of(), list[bytes]()

        def watched(meter: Meter) -> Awaitable[FirmwareUpdate]:
            watch(pair.line.station, heard.append)  # noqa: B023 - runs in this turn
            return update(pair, window=window)(meter)  # noqa: B023

        pair.run(pair.security("gmac"), watched)
        requests.append(len(heard))
    assert requests[0] - requests[1] >= BLOCKS / 2


@pytest.mark.parametrize("seed", range(4))
def test_what_gets_lost_is_sent_again(seed: int) -> None:
    pair = pair_of("udp")
    meter = pair.fleet[0]

    def lose_blocks(meter: Meter) -> Awaitable[FirmwareUpdate]:
        assert pair.line is not None
        pair.line.physics = Physics(loss=0.1)
        return update(pair, window=4, confirmed=False)(meter)

    pair.seed = seed
    result = _through_losses(pair, lose_blocks)
    assert result.outcome is Outcome.DONE
    kept = meter.state.found(ImageMemory, behaviour(pair).key)
    assert kept is not None
    assert version(pair) == b"FRR-R2.0"


def _through_losses(
    pair: Pair, procedure: Callable[[Meter], Awaitable[FirmwareUpdate]]
) -> FirmwareUpdate:
    """As often as it takes: each time it goes on where it stopped."""
    for _ in range(30):
        try:
            return pair.run(pair.security("gmac"), procedure)
        except LineError:
            procedure = update(pair, window=4, confirmed=False, resume=True)
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("stop_at", [0, 1, 7, BLOCKS - 1])
def test_a_cut_line_and_resume(silent: bool, stop_at: int) -> None:
    pair = pair_of()

    def cut(done: int, everything: int) -> None:
        assert pair.line is not None
        if done == stop_at:
            (pair.line.silence if silent else pair.line.disconnect)()

    with pytest.raises(LineError):
        pair.run(pair.security("gmac"), update(pair, progress=cut))
    pair.time.now += 300
    result = pair.run(pair.security("gmac"), update(pair, resume=True))
    assert result.outcome is Outcome.DONE
    assert BLOCKS - stop_at - 1 <= result.sent <= BLOCKS - stop_at
    assert version(pair) == b"FRR-R2.0"


def test_resume_does_not_go_on_with_an_image_of_another_size() -> None:
    pair = pair_of()

    async def begin(meter: Meter) -> None:
        wanted = management.ImageInitiation(b"other", 512 * 3)
        await meter.act(management.ImageTransfer.image_transfer_initiate, TRANSFER, wanted)
        block = management.ImageBlock(0, bytes(512))
        await meter.act(management.ImageTransfer.image_block_transfer, TRANSFER, block)

    pair.run(pair.security("gmac"), begin)
    result = pair.run(pair.security("gmac"), update(pair, resume=True))
    assert (result.outcome, result.sent) == (Outcome.DONE, BLOCKS)


def test_verified_now_and_activated_later() -> None:
    pair = pair_of()
    result = pair.run(pair.security("gmac"), update(pair, activate=False))
    assert result.outcome is Outcome.DONE
    assert result.status is Status.VERIFICATION_SUCCESSFUL
    assert version(pair) == b"FRR-R1.0"
    result = pair.run(pair.security("gmac"), update(pair, resume=True))
    assert (result.outcome, result.sent) == (Outcome.DONE, 0)
    assert version(pair) == b"FRR-R2.0"


@pytest.mark.parametrize(
    "octets",
    [IMAGE[:-1] + b"\x01", image.pack("gas", "FRR-R2.0", bytes(3000)), bytes(2000)],
    ids=["damaged", "for others", "no image"],
)
def test_a_wrong_image_is_not_activated(octets: bytes) -> None:
    pair = pair_of()
    result = pair.run(pair.security("gmac"), update(pair, octets))
    assert result.outcome is Outcome.FAILED
    assert result.status is Status.VERIFICATION_FAILED
    assert "not right" in result.operation.reason
    assert version(pair) == b"FRR-R1.0"


@pytest.mark.parametrize(
    ("step", "outcome", "word"),
    [
        (Refusal.TRANSFER, Outcome.REFUSED, "hardware"),
        (Refusal.VERIFICATION, Outcome.FAILED, "not right"),
        (Refusal.ACTIVATION, Outcome.DONE, "restarts"),
    ],
)
def test_a_meter_that_refuses(step: Refusal, outcome: Outcome, word: str) -> None:
    pair = pair_of()
    behaviour(pair).refuse(pair.fleet[0], step)
    result = pair.run(pair.security("gmac"), update(pair))
    assert result.outcome is outcome
    assert word in result.operation.reason.lower()
    assert version(pair) == b"FRR-R1.0"


def test_who_may_not_is_refused() -> None:
    pair = pair_of()
    result = pair.run(pair.security("password"), update(pair))
    assert result.outcome is Outcome.REFUSED
    assert result.sent == 0


def test_image_transfer_is_enabled_where_it_is_not() -> None:
    pair = pair_of()
    enabled = management.ImageTransfer.image_transfer_enabled

    async def disable(meter: Meter) -> None:
        await meter.set(enabled, TRANSFER, False)

    pair.run(pair.security("gmac"), disable)
    assert pair.run(pair.security("gmac"), update(pair)).outcome is Outcome.DONE


def test_the_meter_restarts_and_forgets_the_association() -> None:
    """Silence while it starts; afterwards an association has to be opened anew."""
    pair = pair_of("udp")

    async def procedure(meter: Meter) -> list[type[Error] | None]:
        result = await update(pair)(meter)
        assert result.outcome is Outcome.DONE
        seen: list[type[Error] | None] = []
        await pair.time.pause(2)
        for _ in range(2):
            try:
                await meter.read("1-0:0.2.0*255")
                seen.append(None)
            except Error as error:
                seen.append(type(error))
        return seen

    seen = pair.run(pair.security("gmac"), procedure)
    assert seen[0] is LineError
    assert seen[1] is not None
    assert version(pair) == b"FRR-R2.0"


@pytest.mark.parametrize("hours", [-2, 5])
def test_an_activation_by_the_schedule(hours: int) -> None:
    """The time has an offset of its own; the meter's clock shows another."""
    pair = pair_of()
    moment = datetime.fromtimestamp(NOON + 7200, timezone(timedelta(hours=hours)))

    async def procedure(meter: Meter) -> None:
        result = await update(pair, activate=False)(meter)
        assert result.outcome is Outcome.DONE
        await schedule_activation(meter, moment)

    pair.run(pair.security("gmac"), procedure)
    pair.time.now = 7100.0
    assert version(pair) == b"FRR-R1.0"
    pair.time.now = 7206.0
    assert version(pair) == b"FRR-R2.0"


def test_nothing_to_send_is_told() -> None:
    pair = pair_of()
    with pytest.raises(UsageError, match="no image"):
        pair.run(pair.security("gmac"), update(pair, b""))
    with pytest.raises(UsageError, match="at least one block"):
        pair.run(pair.security("gmac"), update(pair, window=0))
