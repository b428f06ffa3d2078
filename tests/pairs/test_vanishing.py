"""Clients that vanish amid a transfer, and clients that come at once: the meter goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pairing import Mailbox, Pair, fleet_with, watch

from ferraris.client.meter import Meter
from ferraris.core.errors import LineError
from ferraris.core.layer import Layer
from ferraris.data.kinds import octet_string
from ferraris.data.readings import Outcome
from ferraris.meter import image
from ferraris.model import management
from ferraris.model.management import ImageTransferStatus as Status

TRANSFER, VERSION = "0-0:44.0.0*255", "1-0:0.2.0*255"
IMAGE = image.pack("residential", "FRR-R2.0", bytes(range(253)) * 41)
COUNT = -(-len(IMAGE) // 512)
KEPT, LONG = b"as it was", bytes(range(256)) * 40
MAILBOX = (Mailbox.KEY[0], "0-0:96.128.0")
Procedure = Callable[[Meter], Awaitable[Any]]


class Bus(Pair):
    """Lines that come one after the other to the same passive stack, as on a bus or a gateway."""

    def __init__(self, scheme: str, **more: Any) -> None:
        super().__init__(scheme, **more)
        self.stack = super().passive()

    def passive(self) -> Layer[Any, Any, bytes]:
        return self.stack


def vanishing(pair: Pair, procedure: Procedure, amid: int, how: str) -> None:
    """Run `procedure` until its `amid`-th unit is on its way, and no further."""
    heard = 0

    def count(octets: bytes) -> None:
        nonlocal heard
        heard += 1
        if heard == amid:
            assert pair.line is not None
            pair.time.at(pair.time.now, getattr(pair.line, how))

    def watched(meter: Meter) -> Awaitable[Any]:
        assert pair.line is not None
        watch(pair.line.station, count)
        return procedure(meter)

    with pytest.raises(LineError):
        pair.run(pair.security("gmac"), watched, max_pdu=300)
    assert heard >= amid


def update(pair: Pair, **how: Any) -> Procedure:
    return lambda meter: meter.update_firmware(IMAGE, b"R2", pause=pair.time.pause, **how)


async def fetch(meter: Meter) -> Any:
    return (await meter.profile("1-0:99.1.0")).columns


async def write(meter: Meter) -> None:
    await meter.set_data(*MAILBOX, 2, octet_string(LONG))


async def act(meter: Meter) -> None:
    await meter.act_data(*MAILBOX, 1, octet_string(LONG))


async def look(meter: Meter) -> tuple[Any, Any, Any]:
    """What anybody may read: energy, a profile in blocks, the first of the versions."""
    energy = await meter.read("1-0:1.8.0*255")
    rows = len((await meter.profile("1-0:99.2.0")).ends)
    return str(energy.unit), rows, (await meter.read(VERSION)).value


async def mail(meter: Meter) -> bytes:
    (_, value) = await meter.get_data(*MAILBOX, 2)
    return bytes(value)


async def transfer(meter: Meter) -> tuple[Any, str, int]:
    declared = management.ImageTransfer
    status = await meter.get(declared.image_transfer_status, TRANSFER)
    bits = await meter.get(declared.image_transferred_blocks_status, TRANSFER)
    first = await meter.get(declared.image_first_not_transferred_block_number, TRANSFER)
    return status, bits.text, first


WAYS = [
    pytest.param(kind, scheme, id=f"{kind.__name__.lower()} {scheme}")
    for kind in (Pair, Bus)
    for scheme in ("tcp", "udp", "tcp+hdlc")
]


def made(kind: type[Pair], scheme: str) -> Pair:
    pair = kind(scheme, fleet=fleet_with())

    async def leave(meter: Meter) -> None:
        await meter.set_data(*MAILBOX, 2, octet_string(KEPT))

    pair.run(pair.security("gmac"), leave)
    return pair


@pytest.mark.parametrize("how", ["silence", "disconnect"])
@pytest.mark.parametrize(("kind", "scheme"), WAYS)
@pytest.mark.parametrize("procedure", [fetch, write, act], ids=lambda each: each.__name__)
def test_amid_blocks_of_a_service(
    procedure: Procedure, kind: type[Pair], scheme: str, how: str
) -> None:
    """Nothing of a request cut short is carried out; others go on, and so does who comes back."""
    pair = made(kind, scheme)
    vanishing(pair, procedure, 4, how)
    pair.time.now += 1
    unit, rows, version = pair.run(pair.security("password"), look, max_pdu=400)
    assert (unit, version) == ("Wh", b"FRR-R1.0")
    assert rows > 30
    assert pair.run(pair.security("gmac"), mail) == KEPT
    if procedure is not fetch:
        pair.run(pair.security("gmac"), procedure, max_pdu=300)
        assert pair.run(pair.security("gmac"), mail) == LONG


@pytest.mark.parametrize("how", ["silence", "disconnect"])
@pytest.mark.parametrize(("kind", "scheme"), WAYS)
@pytest.mark.parametrize("amid", [2, 9, 20])
def test_amid_an_image_transfer(kind: type[Pair], scheme: str, how: str, amid: int) -> None:
    """Whole blocks stay, others may read, and who comes next sends the rest or begins anew."""
    pair = made(kind, scheme)
    vanishing(pair, update(pair), amid, how)
    pair.time.now += 1
    assert pair.run(pair.security("password"), look)[2] == b"FRR-R1.0"
    status, bits, first = pair.run(pair.security("gmac"), transfer)
    there = bits.count("1")
    assert there or amid < 20
    if bits:
        assert status == Status.INITIATED
        assert bits == "1" * there + "0" * (COUNT - there)
        assert first == there < COUNT
    else:
        assert status == Status.NOT_INITIATED
    resumed = pair.run(pair.security("gmac"), update(pair, resume=True))
    assert (resumed.outcome, resumed.sent) == (Outcome.DONE, COUNT - there)
    pair.time.now += 60
    assert pair.run(pair.security("password"), look)[2] == b"FRR-R2.0"


def test_amid_an_image_transfer_that_somebody_else_begins_anew() -> None:
    pair = made(Pair, "tcp")
    vanishing(pair, update(pair), 20, "silence")
    again = pair.run(pair.security("gmac"), update(pair))
    assert (again.outcome, again.sent) == (Outcome.DONE, COUNT)
    pair.time.now += 60
    assert pair.run(pair.security("password"), look)[2] == b"FRR-R2.0"


@pytest.mark.parametrize("scheme", ["tcp", "udp", "tcp+hdlc"])
def test_two_clients_at_once(scheme: str) -> None:
    """On lines of their own: one writes a long text and sends firmware, one reads all the while."""
    pair = made(Pair, scheme)
    alone = pair.run(pair.security("password"), fetch, max_pdu=400)
    lines: list[Any] = []

    async def session(security: str, procedure: Procedure) -> Any:
        opening = pair.connect(pair.security(security), max_pdu=400)
        lines.append(pair.line)
        meter = await opening()
        try:
            return await procedure(meter)
        finally:
            await meter.close()

    async def busy(meter: Meter) -> tuple[Any, float]:
        await write(meter)
        return (await update(pair, activate=False)(meter)).outcome, pair.time.now

    async def reading(meter: Meter) -> tuple[list[Any], float]:
        found = [await fetch(meter) for _ in range(2)]
        return found, pair.time.now

    begun = pair.time.now
    tasks = [pair.time.spawn(session(*each)) for each in (("gmac", busy), ("password", reading))]
    pair.time.run()
    (outcome, sent_until), (found, read_until) = (task.result() for task in tasks)
    assert outcome is Outcome.DONE
    assert found == [alone, alone]
    assert min(sent_until, read_until) > begun
    assert len(lines) == 2
    assert pair.run(pair.security("gmac"), mail) == LONG
    assert pair.run(pair.security("gmac"), transfer)[0] == Status.VERIFICATION_SUCCESSFUL
