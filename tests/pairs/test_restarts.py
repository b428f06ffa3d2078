"""A simulator that is stopped and started again, and clocks that go back, as clients see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pairing import Pair, watch

from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC
from ferraris.core.errors import LineError, RefusedError
from ferraris.data.kinds import octet_string
from ferraris.data.readings import Outcome
from ferraris.line.virtual import VirtualTime
from ferraris.meter import image
from ferraris.meter.fleet import Fleet
from ferraris.meter.persistence import Identity, StateDirectory
from ferraris.meter.templates import template

Result = TypeVar("Result")
MESSAGE, SETUP = "0-0:96.13.0*255", "0-0:43.0.1*255"
IMAGE = image.pack("residential", "FRR-R2.0", bytes(range(253)) * 41)


class Simulator:
    """Meters with a state directory; what is not in it is forgotten by `again`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 0.0
        self.counters: list[int] = []
        self.memory: StateDirectory | None = None
        self.again()

    def again(self, killed: bool = True) -> None:
        """Start anew; a simulator that was not killed writes what waits to be written."""
        if self.memory is not None:
            if killed:
                self.memory._connection.rollback()
                self.memory._changed.clear()
            self.memory.close()
        self.memory = StateDirectory.open(self.directory, Identity("residential", 0, 7))
        kind = template("residential")
        self.fleet = Fleet(kind, 2, 7, secret=self.memory.secret, memory=self.memory)

    def run(
        self,
        procedure: Callable[[Meter], Awaitable[Result]],
        security: HighGMAC | None = None,
    ) -> Result:
        pair = Pair(fleet=self.fleet)
        pair.time = VirtualTime()
        pair.time.now = self.now
        chosen = security or pair.security("gmac")

        async def heard(meter: Meter) -> Result:
            assert pair.line is not None
            watch(pair.line.driver, self._count)
            return await procedure(meter)

        try:
            return pair.run(chosen, heard)
        finally:
            self.now = pair.time.now + 60

    def security(self) -> HighGMAC:
        made = Pair(fleet=self.fleet).security("gmac")
        assert isinstance(made, HighGMAC)
        return made

    def _count(self, octets: bytes) -> None:
        """Of a glo- APDU in the wrapper: tag, length, security control, counter."""
        if octets[8] in (0xCC, 0xCD, 0xCF):
            at = 10 if octets[9] < 0x80 else 10 + (octets[9] & 0x7F)
            self.counters.append(int.from_bytes(octets[at + 1 : at + 5], "big"))


@pytest.fixture
def simulator(tmp_path: Path) -> Any:
    made = Simulator(tmp_path / "state")
    yield made
    assert made.memory is not None
    made.memory.close()


async def number(meter: Meter) -> object:
    return (await meter.read("0-0:42.0.0*255")).value


@pytest.mark.parametrize("killed", [True, False])
def test_counters_of_both_ends_go_on_after_a_restart(simulator: Simulator, killed: bool) -> None:
    for _ in range(4):
        before = simulator.security()
        simulator.run(number, before)
        simulator.again(killed)
        with pytest.raises(RefusedError, match="invocation counter before"):
            simulator.run(number, before)
        simulator.again(killed)
    assert len(simulator.counters) == len(set(simulator.counters)) >= 4
    assert simulator.counters == sorted(simulator.counters)


def test_keys_that_a_client_changed_are_there_after_a_kill(simulator: Simulator) -> None:
    old, new = simulator.security(), {0: bytes(range(16)), 2: bytes(range(16, 32))}

    async def change(meter: Meter) -> None:
        changed = await meter.transfer_keys(new, name=SETUP)
        assert changed.outcome is Outcome.DONE

    simulator.run(change, replace(old, pairs=simulator.fleet[0].pairs))
    simulator.again()
    with pytest.raises(RefusedError):
        simulator.run(number, replace(old, invocation_counter=10_000))
    now = replace(old, encryption_key=new[0], authentication_key=new[2])
    floor = simulator.fleet[0].receive_floor(1)
    assert simulator.run(number, replace(now, invocation_counter=floor + 1))
    simulator.again()
    with pytest.raises(RefusedError, match="invocation counter before"):
        simulator.run(number, replace(now, invocation_counter=floor + 1))


def test_an_image_transfer_goes_on_after_a_kill(simulator: Simulator) -> None:
    async def pause(seconds: float) -> None:
        simulator.now += seconds

    async def begin(meter: Meter) -> None:
        def stop(done: int, everything: int) -> None:
            if done == 7:
                raise LineError("the client has had enough")

        await meter.update_firmware(IMAGE, b"R2", pause=pause, progress=stop)

    with pytest.raises(LineError, match="enough"):
        simulator.run(begin)
    simulator.again()

    async def go_on(meter: Meter) -> Any:
        update = meter.update_firmware
        return await update(IMAGE, b"R2", pause=pause, resume=True, activate=False)

    resumed = simulator.run(go_on)
    assert resumed.sent <= -(-len(IMAGE) // 512) - 6


def test_a_system_clock_that_goes_back_lets_nothing_happen_twice() -> None:
    """Two hours back amid an association: no event, no row and no energy comes twice."""
    pair = Pair()
    hours = 0.0
    steady = pair.utc
    pair.utc = lambda: steady() + 3600 * hours  # type: ignore[method-assign]

    async def look(meter: Meter) -> tuple[Any, Any, Any]:
        log = await meter.profile("0-0:99.98.0*255")
        rows = await meter.profile("1-0:99.1.0*255")
        energy = (await meter.read("1-0:1.8.0*255")).value
        return list(zip(log.ends, *log.columns, strict=True)), list(rows.ends), energy

    async def there_and_back(meter: Meter) -> None:
        nonlocal hours
        await meter.set_data(1, MESSAGE, 2, octet_string(b"before"))
        hours = 5.0
        log, ends, energy = await look(meter)
        hours = 3.0
        earlier_log, earlier, less = await look(meter)
        assert (await meter.get_data(1, MESSAGE, 2))[1] == b"before"
        await meter.set_data(1, MESSAGE, 2, octet_string(b"after"))
        assert earlier == [end for end in ends if end <= earlier[-1]] or earlier[0] < ends[0]
        assert less <= energy
        hours = 5.0
        later_log, later, same = await look(meter)
        assert (later_log, later[-1]) == (log, ends[-1])
        assert energy <= same
        assert len(later) == len(set(later))
        assert earlier_log == log[: len(earlier_log)]
        assert (await meter.get_data(1, MESSAGE, 2))[1] == b"after"

    pair.run(pair.security("gmac"), there_and_back)
